"""Claims -> verdicts: whether what we find bears a published statement out, and how sure that is.

    at_least        the mean score over seeds reaches `value` on `task` (without one, on every task of the suite):
                    decided when the 95 % t interval of the mean lies wholly on one side of the value
    better          a run of `variant` scores higher than one of `than` (on `task`, or averaged over all tasks of the suite):
                    decided when the 95 % score interval of the probability of improvement lies wholly on one side of 1/2
    share_at_most   the mean normalised score of `variant` is at most `value` times that of `than` (on `task`, or on every
                    task): decided when Fieller's 95 % interval of the ratio of the means lies wholly on one side of
                    `value`, and only where `than` itself is above the random policy

Scores are of the measure that the task is scored by: final ones or, with `measure: area`, areas under the learning curve.
What is not decided is undecided, and so is everything with runs missing, with fewer than SMALLEST_SAMPLE seeds a side, and
in a smoke suite; the numbers are shown all the same. Each claim is a comparison of its own, named before the runs were made:
there is no correction for the number of claims.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from benchmark.analysis.findings.suite_summary import improvement, interval_estimate
from benchmark.analysis.findings.task_summary import summary
from benchmark.analysis.runs.run_table import RunGroup, SuiteRuns
from benchmark.analysis.runs.scales import normalised_scale, score_scale
from benchmark.analysis.runs.scoring import normalised
from benchmark.analysis.schema import ClaimVerdict, Estimate, Verdict
from benchmark.analysis.statistics.one_task import ratio_of_means
from benchmark.analysis.statistics.resampling import SMALLEST_SAMPLE
from benchmark.experiments.statements import Claim, Measure

T_INTERVAL = "95 % Student t interval of the mean over seeds"
IMPROVEMENT = "95 % score interval of the probability of improvement"
RATIO = "95 % Fieller interval of the ratio of mean normalised scores over seeds"
_ORDER: tuple[Verdict, ...] = ("not supported", "undecided", "supported")
_MEASURES: dict[Measure, str] = {"final": "final", "area": "area under the curve of"}


@dataclass(frozen=True)
class Decision:
    """A number and what follows from it, with the reason in words."""

    found: Estimate | None
    verdict: Verdict
    reason: str


def evaluate_claims(runs: SuiteRuns) -> tuple[ClaimVerdict, ...]:
    """The verdict on each of a suite's claims, from its runs."""
    kinds = {"at_least": _at_least, "better": _better, "share_at_most": _share_at_most}
    return tuple(kinds[claim.kind](claim, runs) for claim in runs.suite.claims)


def _at_least(claim: Claim, runs: SuiteRuns) -> ClaimVerdict:
    assert claim.value is not None
    groups = _groups(claim, claim.variant, runs)
    decisions = [_reaches(group, claim.value, claim.measure) for group in groups]
    scores = " or ".join(sorted({group.task.score for group in groups}))
    return _worst_of(
        claim,
        groups,
        decisions,
        expected=f"mean {_MEASURES[claim.measure]} {scores} of {claim.value:g} or more",
        shown=[f"{_shown(one.found)}, {_seeds([group])}" for one, group in zip(decisions, groups, strict=True)],
        undecided_reason=undecided_reason(groups, smoke=runs.suite.smoke) or _too_few(groups, ""),
        estimator=T_INTERVAL,
    )


def _reaches(group: RunGroup, threshold: float, measure: Measure) -> Decision:
    found = summary(group.of(measure), group.draws, score_scale(group, measure)).mean
    return Decision(found, *decide(found, threshold, "at least"))


def _better(claim: Claim, runs: SuiteRuns) -> ClaimVerdict:
    assert claim.than is not None
    groups, rivals = _groups(claim, claim.variant, runs), _groups(claim, claim.than, runs)
    decision = superiority(groups, rivals, claim.measure, smoke=runs.suite.smoke)
    by = "" if claim.measure == "final" else " by area under the curve"
    over = f" over {len(groups)} tasks" if len(groups) > 1 else ""
    return ClaimVerdict(
        **_named(claim),
        expected=f"probability of improvement on {claim.than}{by} above 0.5{over}",
        found=f"{_shown(decision.found)}, {_seeds([*groups, *rivals])} a side",
        estimate=decision.found,
        threshold=0.5,
        verdict=decision.verdict,
        reason=decision.reason,
        estimator=IMPROVEMENT,
    )


def superiority(groups: Sequence[RunGroup], rivals: Sequence[RunGroup], measure: Measure, *, smoke: bool) -> Decision:
    """Whether the runs of one variant score higher than those of another, each given by its groups on the same tasks.

    Supported: they do; not supported: they score lower.
    """
    pair = improvement(groups, rivals, measure)
    found = None if pair is None else pair.probability
    verdict, reason = decide(found, 0.5, "above")
    both = [*groups, *rivals]
    why = undecided_reason(both, smoke=smoke)
    if not why and pair is not None and pair.n_tasks < len(groups):
        why = f"only {pair.n_tasks} of {len(groups)} tasks can be compared"
    if not why:
        why = _too_few(both)
    return Decision(found, "undecided", why) if why else Decision(found, verdict, reason)


def _share_at_most(claim: Claim, runs: SuiteRuns) -> ClaimVerdict:
    assert claim.value is not None
    assert claim.than is not None
    groups, rivals = _groups(claim, claim.variant, runs), _groups(claim, claim.than, runs)
    decisions = [_share(group, rival, claim.value) for group, rival in zip(groups, rivals, strict=True)]
    both = [*groups, *rivals]
    return _worst_of(
        claim,
        groups,
        decisions,
        expected=f"normalised final score at most {claim.value:g} times that of {claim.than}",
        shown=[
            f"{_shown(one.found) if one.found else 'no ratio'}, {_seeds([group, rival])} a side"
            for one, group, rival in zip(decisions, groups, rivals, strict=True)
        ],
        undecided_reason=undecided_reason(both, smoke=runs.suite.smoke) or _too_few(both),
        estimator=RATIO,
    )


def _share(group: RunGroup, rival: RunGroup, threshold: float) -> Decision:
    if group.task.reference_scores is None:
        return Decision(None, "undecided", "the task has no reference scores to normalise by")
    if not (group.comparable and rival.comparable):
        return Decision(None, "undecided", "there is no number to judge by")
    own, theirs = normalised(group.task, group.final), normalised(group.task, rival.final)
    ratio = ratio_of_means(own, theirs, normalised_scale(group))
    if ratio is None:
        reason = f"{rival.variant} itself is not surely above the random policy: {theirs.mean():.4g} normalised"
        return Decision(None, "undecided", reason)
    found = interval_estimate(*ratio)
    verdict, reason = decide(found, threshold, "at most")
    return Decision(found, verdict, f"{reason} ({own.mean():.4g} against {theirs.mean():.4g} normalised)")


def decide(found: Estimate | None, threshold: float, wanted: Literal["above", "at least", "at most"]) -> tuple[Verdict, str]:
    """Whether the interval lies on the wanted side of the threshold, and the reason in words.

    Supported: all of it does. Not supported: none of it reaches the threshold.
    """
    if found is None:
        return "undecided", "there is no number to judge by"
    if found.interval is None:
        return "undecided", "there is no interval: all runs score the same, and nothing bounds what others would"
    low, high = found.interval.low, found.interval.high
    interval = f"the interval [{low:.4g}, {high:.4g}]"
    supported = {"above": low > threshold, "at least": low >= threshold, "at most": high <= threshold}[wanted]
    if supported:
        side = {"above": "above", "at least": "at or above", "at most": "at or below"}[wanted]
        return "supported", f"{interval} lies {side} {threshold:g}"
    if low > threshold or high < threshold:
        return "not supported", f"{interval} lies {'above' if low > threshold else 'below'} {threshold:g}"
    return "undecided", f"{interval} holds {threshold:g}"


def undecided_reason(groups: Sequence[RunGroup], *, smoke: bool) -> str:
    """Why nothing can be decided by these runs, empty if it can."""
    if smoke:
        return "smoke suite, not evidence"
    planned = sum(len(group.states) for group in groups)
    absent = planned - sum(len(group.scores) for group in groups)
    if absent:
        return f"{absent} of {planned} runs are not there"
    copies = sum(len(same) - 1 for group in groups for same in group.alike)
    return f"{copies} of {planned} runs have the outcome of another seed" if copies else ""


def _too_few(groups: Sequence[RunGroup], side: str = " a side") -> str:
    few = min(len(group.scores) for group in groups) < SMALLEST_SAMPLE
    return f"{_seeds(groups)}{side} cannot decide it; {SMALLEST_SAMPLE} can" if few else ""


def _worst_of(
    claim: Claim,
    groups: Sequence[RunGroup],
    decisions: Sequence[Decision],
    *,
    expected: str,
    shown: Sequence[str],
    undecided_reason: str,
    estimator: str,
) -> ClaimVerdict:
    """Over several tasks a claim is as good as its worst task, whose numbers are the verdict's."""
    assert claim.value is not None
    worst = min(range(len(groups)), key=lambda place: _ORDER.index(decisions[place].verdict))
    places = [f"{group.task.id}: " if len(groups) > 1 else "" for group in groups]
    return ClaimVerdict(
        **_named(claim),
        expected=expected,
        found="; ".join(f"{place}{words}" for place, words in zip(places, shown, strict=True)),
        estimate=decisions[worst].found,
        threshold=claim.value,
        verdict="undecided" if undecided_reason else decisions[worst].verdict,
        reason=undecided_reason or f"{places[worst]}{decisions[worst].reason}",
        estimator=estimator,
    )


def _groups(claim: Claim, variant: str, runs: SuiteRuns) -> list[RunGroup]:
    return [runs.group(task, variant) for task in runs.tasks if claim.task in (None, task.id)]


def _named(claim: Claim) -> dict[str, Any]:
    return claim.model_dump(exclude={"value"})


def _shown(found: Estimate | None) -> str:
    if found is None:
        return "no runs"
    if found.interval is None:
        return f"{found.value:.4g} (no interval)"
    return f"{found.value:.4g} [{found.interval.low:.4g}, {found.interval.high:.4g}]"


def _seeds(groups: Sequence[RunGroup]) -> str:
    counts = sorted({len(group.scores) for group in groups})
    few = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]}-{counts[-1]}"
    return f"{few} seed{'s' if counts[-1] != 1 else ''}"
