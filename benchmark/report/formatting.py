"""Numbers and states in words, the same on every page and under every figure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256

from benchmark.analysis.schema import Coverage, Estimate, Methods, RunRow, SuiteReport

MINUS = "\u2212"
LONGEST_SLUG = 60

VERDICTS = ("supported", "not supported", "undecided")
"""On a claim or a prediction, in the order in which they are counted."""
BADGES = {
    "ranked": "good",
    "preliminary": "warn",
    "unranked": "none",
    "smoke": "info",
    "ok": "good",
    "committed": "none",
    "own run": "info",
    "diverged": "bad",
    "failed": "bad",
    "missing": "warn",
    "absent": "warn",
    "crashed": "bad",
    "corrupt": "bad",
    "supported": "good",
    "not supported": "bad",
    "undecided": "warn",
    "identical": "good",
    "agrees": "good",
    "differs": "bad",
    "tie": "info",
    "privileged": "warn",
    "changed": "info",
    "base": "none",
    "better": "good",
    "worse": "bad",
    "quick": "warn",
}
"""The colour of each badge's word; the word is always printed."""

MEANINGS = {
    "ranked": "enough seeds, every planned run is there; the place is shown with its interval",
    "preliminary": "fewer seeds than a ranked table asks for; shown, but do not build on it",
    "unranked": "something is missing or not comparable; the reason stands beside it",
    "tie": "the difference to another variant is not significant after Holm's correction for all pairs",
    "diverged": "training produced numbers that are not finite; the run counts, scored as the random policy",
    "missing": "planned, not run yet",
    "crashed": "the process died (memory, signal, disk); the next command tries again",
    "corrupt": "a record is there but cannot be believed; it is not used",
    "committed": "a record that is kept in the repository",
    "own run": "trained on this machine, in this checkout",
    "smoke": "a suite that shows that everything works; too short to be evidence of anything",
}


def counts(found: Iterable[str], order: Sequence[str]) -> dict[str, int]:
    """How often each of the words of `order` was found, without those that were not."""
    counted = Counter(found)
    return {word: counted[word] for word in order if counted[word]}


def number(value: float | None, digits: int = 2) -> str:
    """With `digits` decimals and a real minus sign; a dash where there is none."""
    if value is None:
        return "–"
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def interval(estimate: Estimate | None, digits: int = 2) -> str:
    """[low, high]; where there is none the single runs, or the words that there is none."""
    if estimate is None:
        return ""
    if estimate.interval is None:
        if len(estimate.runs) > 1:
            return f"runs {', '.join(number(value, digits) for value in sorted(estimate.runs))}"
        return "no interval"
    return f"[{number(estimate.interval.low, digits)}, {number(estimate.interval.high, digits)}]"


def estimated(estimate: Estimate | None, digits: int = 2) -> str:
    """The value with its interval, on one line."""
    if estimate is None:
        return "no value"
    if estimate.interval is None:
        return f"{number(estimate.value, digits)} ({interval(estimate, digits)})"
    return f"{number(estimate.value, digits)} {interval(estimate, digits)}"


def digits_for(values: Iterable[float | None]) -> int:
    """Decimals that show three to four digits of the largest of `values`."""
    largest = max((abs(value) for value in values if value is not None), default=0.0)
    return 0 if largest >= 1000 else 1 if largest >= 100 else 2 if largest >= 10 else 3


def plural(count: int, noun: str, many: str = "") -> str:
    """1 seed, 2 seeds."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {many or noun + 's'}"


def between(values: Iterable[int], noun: str) -> str:
    """10 seeds, or 3 to 10 seeds."""
    found = sorted(set(values))
    if not found:
        return f"no {noun}s"
    return plural(found[0], noun) if len(found) == 1 else f"{found[0]} to {found[-1]} {noun}s"


def listed(items: Sequence[str], most: int = 8) -> str:
    """a, b and c; what exceeds `most` is counted."""
    shown = list(items[:most])
    if len(items) > most:
        shown.append(f"{len(items) - most} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else "none"


def whole(value: float | None) -> str:
    """Without decimals, with separators."""
    return "–" if value is None else f"{value:,.0f}"


def significant(value: float | None) -> str:
    """With four digits; whole numbers with all of theirs."""
    if value is None:
        return "–"
    if isinstance(value, int) or 1e3 <= abs(value) < 1e15:
        return f"{value:,.0f}".replace("-", MINUS)
    return f"{value:.4g}".replace("-", MINUS)


def percent(share: float | None) -> str:
    """A share in per cent."""
    return "–" if share is None else f"{share * 100:.1f}\u00a0%"


def duration(seconds: float | None) -> str:
    """Seconds, minutes or hours, to two or three digits."""
    if seconds is None:
        return "–"
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def core_hours(hours: float) -> str:
    """To two or three digits."""
    return f"{hours:.3g} core-hours" if hours < 1000 else f"{hours:,.0f} core-hours"


def memory(size: int | None) -> str:
    """Binary gigabytes or megabytes."""
    if size is None:
        return "–"
    return f"{size / 2**30:.2f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def slug(name: str) -> str:
    """A file name without folders, spaces and signs, and of a length that leaves room for others."""
    stem = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-.") or "page"
    return stem if len(stem) <= LONGEST_SLUG else f"{stem[: LONGEST_SLUG - 9]}-{sha256(name.encode()).hexdigest()[:8]}"


def slugs(names: Iterable[str]) -> dict[str, str]:
    """A distinct file name for each name, on file systems that ignore case too."""
    found: dict[str, str] = {}
    used: set[str] = set()
    for name in sorted(set(names)):
        stem, count = slug(name), 1
        candidate = stem
        while candidate in used:
            count += 1
            candidate = f"{stem}-{count}"
        used.add(candidate)
        found[name] = candidate
    return found


def state(run: RunRow) -> str:
    """The badge of a run: where it comes from, or what is wrong with it."""
    if run.status == "failed":
        return "diverged" if (run.reason or "").startswith("diverged") else "failed"
    return {"reference": "committed", "own": "own run"}.get(run.presence, run.presence)


def coverage_words(coverage: Coverage) -> str:
    """10 of 12 runs; 1 missing, 1 crashed; 1 diverged or failed."""
    parts = [f"{coverage.found:,} of {coverage.planned:,} runs are here"]
    gone = [f"{getattr(coverage, kind)} {kind}" for kind in ("missing", "crashed", "corrupt") if getattr(coverage, kind)]
    if gone:
        parts.append(", ".join(gone))
    if coverage.failed:
        parts.append(f"{coverage.failed} diverged")
    return "; ".join(parts)


def sure(methods: Methods) -> str:
    """95 %, with a space that does not break."""
    return f"{methods.confidence * 100:g}\u00a0%"


def aggregate_basis(suite: SuiteReport, methods: Methods) -> str:
    """What every caption of an aggregate says: seeds, tasks, normalisation, intervals."""
    tasks = len(suite.overall.tasks)
    found = [row.n_found for task in suite.tasks for row in task.table if row.n_found]
    return (
        f"{between(found, 'seed')} of each variant on {'the one task' if tasks == 1 else f'each of {tasks} tasks'}; "
        "scores normalised per task by fixed reference scores (random policy 0, best known 1); "
        + intervals_basis(
            found,
            methods,
            f"{sure(methods)} intervals by stratified bootstrap over runs, {methods.resamples:,} resamples, stretched for the "
            "number of runs.",
        )
    )


def improvement_basis(suite: SuiteReport, methods: Methods) -> str:
    """The same for probabilities of improvement, which need no normalisation: only the order of runs counts."""
    tasks = sorted({entry.n_tasks for entry in suite.overall.improvement})
    found = [row.n_found for task in suite.tasks for row in task.table if row.n_found]
    return (
        f"{between(found, 'seed')} of each variant, final scores, not normalised, as only their order counts, on "
        f"{between(tasks, 'task')}; " + intervals_basis(found, methods, f"{sure(methods)} score intervals.")
    )


def task_basis(rows: Iterable[int], methods: Methods) -> str:
    """What every caption of one task's figure says of its means."""
    found = list(rows)
    return f"{between(found, 'seed')} of each variant; " + intervals_basis(
        found, methods, f"{sure(methods)} Student t intervals over seeds."
    )


def intervals_basis(seeds: Iterable[int], methods: Methods, method: str) -> str:
    """`method`, where there are intervals at all: of few runs there are none, and each is shown."""
    found = list(seeds)
    few = min(found, default=0) < methods.smallest_sample
    if max(found, default=0) >= methods.smallest_sample:
        return method + (f" Fewer than {methods.smallest_sample} runs: no interval, each is shown." if few else "")
    return f"no intervals, for they need {methods.smallest_sample} runs of each; the single runs are shown."


def pairs_basis(pairs: int) -> str:
    """Of tests of so many pairs."""
    return f"after Holm's correction for {'the one pair' if pairs == 1 else f'{pairs:,} pairs'}"
