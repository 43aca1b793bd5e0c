"""Whether a variant may be ranked, and if not, why not, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from benchmark.analysis.runs.run_table import RunGroup, RunState, SuiteRuns, coverage
from benchmark.analysis.runs.settings import changed
from benchmark.analysis.schema import Status, VariantSummary
from benchmark.analysis.statistics.resampling import SMALLEST_SAMPLE

RANKING_SEEDS = 10
RANKED_SEED_RANGE = range(100)
"""Seeds that rank; those from 1000 on are for tuning."""


def variant_summary(runs: SuiteRuns, name: str) -> VariantSummary:
    """A variant of the suite with its status."""
    groups = runs.row(name)
    states = [state for group in groups for state in group.states]
    spec, entry = states[0].spec, states[0].spec.entry()
    settings, by_task = _common({group.task.id: changed(group.states[0].spec) for group in groups})
    unranked, preliminary = _unranked(runs, groups, entry.requires), _preliminary(runs.suite.seeds)
    status: Status = "unranked" if unranked else "preliminary" if preliminary else "ranked"
    return VariantSummary(
        variant=name,
        title=runs.suite.variants[name].title or entry.title,
        algorithm=spec.algorithm,
        algorithm_title=entry.title,
        algorithm_version=spec.algorithm_version,
        regime=spec.regime,
        settings=settings,
        settings_by_task=by_task,
        privileged=entry.requires,
        seeds=runs.suite.seeds,
        coverage=coverage(states),
        status=status,
        reasons=tuple(unranked + preliminary),
        published_iqm=runs.suite.variants[name].published_iqm,
    )


def _unranked(runs: SuiteRuns, groups: Sequence[RunGroup], privileged: Sequence[str]) -> list[str]:
    reasons = []
    if runs.suite.smoke:
        reasons.append("smoke, not evidence")
    if privileged:
        reasons.append(f"uses privileged data: {', '.join(privileged)}")
    outside = [seed for seed in runs.suite.seeds if seed not in RANKED_SEED_RANGE]
    if outside:
        reasons.append(f"seeds that do not rank (only 0-99 do): {listed(outside)}")
    counts = coverage([state for group in groups for state in group.states])
    for word in ("missing", "crashed", "corrupt"):
        number = getattr(counts, word)
        if number:
            reasons.append(f"{number} of {counts.planned} runs {word}")
    copies = sum(len(same) - 1 for group in groups for same in group.alike)
    if copies:
        reasons.append(f"{copies} of {counts.planned} runs have the outcome of another seed")
    if any(scores.final != scores.final for group in groups for scores in group.scores):
        reasons.append("a run diverged where the random policy's score, which it would get, is not known")
    return reasons


def _preliminary(seeds: Sequence[int]) -> list[str]:
    if len(seeds) >= RANKING_SEEDS:
        return []
    return [f"{len(seeds)} seed{'s' if len(seeds) > 1 else ''} of the {RANKING_SEEDS} that a ranking needs"]


def _common(settings: dict[str, dict[str, Any]]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """What all tasks share, and what is left of each (nothing, where a suite overrides nothing)."""
    first, *others = settings.values()
    shared = {key: value for key, value in first.items() if all(key in other and other[key] == value for other in others)}
    rest = {task: {key: value for key, value in values.items() if key not in shared} for task, values in settings.items()}
    return shared, {task: values for task, values in rest.items() if values}


def notes(runs: SuiteRuns) -> Iterator[str]:
    """What a reader of the suite must know: what is missing, failed, or cannot be compared."""
    if runs.suite.smoke:
        yield "This suite is a smoke test; its numbers are not evidence."
    unscored = [task.id for task in runs.tasks if task.reference_scores is None]
    if unscored:
        yield f"Without reference scores, so in no normalised aggregate: {', '.join(unscored)}."
    for task in runs.tasks:
        for group in runs.column(task):
            for sentence in group_notes(group):
                yield f"{task.id}, {group.variant}: {sentence}"


def group_notes(group: RunGroup) -> Iterator[str]:
    """What must be said beside the numbers of one variant on one task."""
    total = len(group.states)
    for presence in ("missing", "crashed", "corrupt"):
        absent = [state for state in group.states if state.found.presence == presence]
        if absent:
            said = sorted({state.found.reason for state in absent if state.found.reason})
            why = f" ({'; '.join(said)})" if said else ""
            yield f"{len(absent)} of {total} runs {presence}: {_seeds(absent)}{why}."
    diverged = [state for state in group.states if state.failed]
    if diverged:
        steps = ", ".join(f"seed {state.spec.seed} at step {state.scores.failed_at}" for state in diverged if state.scores)
        known = group.task.reference_scores is not None
        how = "scored as the random policy from there on" if known else "without a score, for the random policy's is not known"
        yield f"{len(diverged)} of {total} runs failed ({steps}), {how}."
    for same in group.alike:
        yield f"seeds {listed(same)} have one outcome, to the last digit: {len(same)} runs that are no independent ones."
    if 0 < len(group.scores) < SMALLEST_SAMPLE:
        yield f"fewer than {SMALLEST_SAMPLE} runs, so no interval."


def _seeds(states: Sequence[RunState]) -> str:
    return f"seed{'s' if len(states) > 1 else ''} {listed([state.spec.seed for state in states])}"


def listed(seeds: Sequence[int]) -> str:
    """Numbers, separated by commas."""
    return ", ".join(map(str, seeds))
