"""Ablations: what changing one thing did, variant by variant beside the base, and the finding in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmark.analysis.findings.claims import Decision, superiority
from benchmark.analysis.findings.cost import reward_model_share
from benchmark.analysis.findings.monitors import last_values
from benchmark.analysis.findings.suite_summary import interval_estimate
from benchmark.analysis.findings.task_summary import summary
from benchmark.analysis.runs.eligibility import group_notes
from benchmark.analysis.runs.run_table import RunGroup, SuiteRuns, total_seconds
from benchmark.analysis.runs.scales import score_scale
from benchmark.analysis.runs.settings import changed, named, resolved
from benchmark.analysis.schema import AblationReport, AblationRow, AblationTask, Comparison, Estimate, Verdict
from benchmark.analysis.statistics.one_task import difference_of_means
from benchmark.analysis.statistics.pairs import ALPHA, Sample, difference_p, holm
from benchmark.experiments.run_spec import RunSpec
from benchmark.experiments.statements import Ablation, Measure

_COMPARISONS: dict[Verdict, Comparison] = {"supported": "better", "not supported": "worse", "undecided": "undecided"}


def ablations(runs: SuiteRuns) -> tuple[AblationReport, ...]:
    """The suite's ablations on each of their tasks."""
    return tuple(
        AblationReport(
            **ablation.model_dump(exclude={"task"}),
            tasks=tuple(
                _on_task(
                    ablation, runs.group(task, ablation.base), [runs.group(task, name) for name in ablation.variants], runs
                )
                for task in runs.tasks
                if ablation.task in (None, task.id)
            ),
        )
        for ablation in runs.suite.ablations
    )


def _on_task(ablation: Ablation, base: RunGroup, others: Sequence[RunGroup], runs: SuiteRuns) -> AblationTask:
    decisions = corrected(
        [superiority([group], [base], ablation.measure, smoke=runs.suite.smoke) for group in others],
        [_difference_p(group, base, ablation.measure) for group in others],
    )
    rows = tuple(
        _row(group, base, runs, ablation.measure, decision)
        for group, decision in zip((base, *others), (None, *decisions), strict=True)
    )
    return AblationTask(task=base.task.id, rows=rows, found=_finding(rows, ablation.measure))


def corrected(decisions: Sequence[Decision], p: Sequence[float]) -> list[Decision]:
    """The comparisons of several variants with one base, undecided where their p-values are above 0.05 after Holm's
    correction for the number of comparisons."""
    return [_confirmed(decision, value, len(p)) for decision, value in zip(decisions, holm(p), strict=True)]


def _confirmed(decision: Decision, p: float, comparisons: int) -> Decision:
    if decision.verdict == "undecided" or p <= ALPHA:
        return decision
    reason = f"{decision.reason}, but p = {p:.2g} after Holm's correction for {comparisons} comparisons"
    return replace(decision, verdict="undecided", reason=reason)


def _difference_p(group: RunGroup, base: RunGroup, measure: Measure) -> float:
    """1 where there is nothing to compare."""
    if not (group.comparable and base.comparable):
        return 1.0
    one, other = (Sample((side.of(measure),), (side.draws,), (score_scale(side, measure),)) for side in (group, base))
    return difference_p(one, other)


def _row(group: RunGroup, base: RunGroup, runs: SuiteRuns, measure: Measure, decision: Decision | None) -> AblationRow:
    records = [state.found.record for state in group.scored if state.found.record is not None]
    return AblationRow(
        variant=group.variant,
        differs=tuple(differences(group.states[0].spec, base.states[0].spec, runs.suite.variants[group.variant].settings)),
        n_planned=len(group.states),
        n_found=len(group.scores),
        n_failed=sum(state.failed for state in group.states),
        final=summary(group.final, group.draws, score_scale(group)),
        area=summary(group.area, group.draws, score_scale(group, "area")),
        difference=None if group is base else _difference(group, base, measure),
        improvement=decision.found if decision else None,
        monitors=last_values(group),
        reward_model_share=reward_model_share(
            (record.execution.seconds, total_seconds(record.execution)) for record in records
        ),
        comparison=_COMPARISONS[decision.verdict] if decision else "base",
        reason=decision.reason if decision else "",
        notes=tuple(group_notes(group)),
    )


def _difference(group: RunGroup, base: RunGroup, measure: Measure) -> Estimate | None:
    if not (group.comparable and base.comparable):
        return None
    return interval_estimate(*difference_of_means(group.of(measure), base.of(measure), score_scale(group, measure)))


def _finding(rows: Sequence[AblationRow], measure: Measure) -> str:
    """In words: the best mean, and who is better, worse or not significantly different from the base."""
    summaries = [(row.final if measure == "final" else row.area, row.variant) for row in rows]
    means = [(found.mean.value, variant) for found, variant in summaries if found.mean is not None]
    if not means:
        return "no scores yet."
    highest = max(value for value, _ in means)
    best = [name for value, name in means if value == highest]
    groups = {word: [row.variant for row in rows if row.comparison == word] for word in ("better", "worse", "undecided")}
    parts = [f"best mean{' area' if measure == 'area' else ''}: {', '.join(best)} ({highest:.4g})"]
    parts += [
        f"{title}: {', '.join(groups[word]) or 'none'}"
        for word, title in (("better", "better than the base"), ("worse", "worse"), ("undecided", "undecided"))
    ]
    return "; ".join(parts) + "."


def differences(spec: RunSpec, base: RunSpec, own_settings: Mapping[str, Any]) -> Iterator[str]:
    """In words, what a run has that the base's has otherwise: algorithm, regime, and settings as "name = value".

    Another algorithm brings settings of its own: of those that the base does not have, only what the suite gives the
    variant itself (`own_settings`) is told. A setting is called by its last name where no other of the run's has that name.
    """
    for field in ("algorithm", "regime"):
        if getattr(spec, field) != getattr(base, field):
            yield f"{field} = {getattr(spec, field)}"
    own, theirs, given = resolved(spec), resolved(base), named(spec, own_settings)
    last_names = [_last(name) for name in own]
    for name in changed(base) | changed(spec):
        if name in own and (own[name] != theirs[name] if name in theirs else name in given):
            shown = _last(name) if last_names.count(_last(name)) == 1 else name
            yield f"{shown} = {_word(own[name])}"


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "none" if value is None else str(value)
