"""The tables of results: leaderboard, one task, the runs of a variant, lists of tasks and variants."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from markupsafe import Markup, escape

from benchmark.analysis.schema import Estimate, RunRow, SuiteReport, Summary, TaskReport, VariantRank, VariantSummary
from benchmark.report import formatting
from benchmark.report.context import ReportContext
from benchmark.report.figures.aggregate_scores import leading
from benchmark.report.palette import shortened
from benchmark.report.table import (
    Cell,
    Column,
    Group,
    Table,
    amount,
    badge,
    badged,
    count,
    estimate,
    estimate_column,
    html,
    plain_column,
    table,
    text,
)

_THE_LEADER = Cell(Markup("the leader"), (None, None, None), "num")
"""Where the others' probability of beating it stands."""


def leaderboard(context: ReportContext, suite: SuiteReport) -> Table:
    """Ordered by place; variants without a place stand apart, with the reason."""
    summaries = {entry.variant: entry for entry in suite.variants}
    finals = {entry.variant: entry for entry in suite.overall.final}
    absolutes = {entry.variant: entry for entry in suite.overall.absolute}
    leader = leading(suite)
    better = {(e.better, e.than): e.probability for e in suite.overall.improvement}
    ranks = {} if suite.smoke else {entry.variant: entry for entry in suite.overall.ranks}
    published = any(entry.published_iqm is not None for entry in suite.variants)
    unnormalised = {entry.variant: entry.estimate for entry in suite.overall.before_normalisation}

    def row(summary: VariantSummary) -> tuple[Cell, ...]:
        name = summary.variant
        final, absolute, rank = finals.get(name), absolutes.get(name), ranks.get(name)
        speed = _speed(context.runs(suite=suite.name, variant=name))
        gain = better.get((name, leader)) if leader and not suite.smoke else None
        return (
            context.who_cell(name),
            _place(rank),
            _status(suite, summary, rank),
            estimate(final.iqm if final else None),
            estimate(unnormalised.get(name)),
            amount(summary.published_iqm),
            estimate(absolute.iqm if absolute else None),
            _THE_LEADER if name == leader and not suite.smoke else estimate(gain),
            estimate(final.optimality_gap if final else None),
            _seeds(suite, name),
            html(escape(f"{summary.coverage.found}/{summary.coverage.planned}"), f"{summary.coverage.found}", "num"),
            amount(speed, 0, formatting.whole(speed)),
        )

    placed = sorted(ranks.values(), key=lambda entry: (entry.rank, entry.variant))
    groups = []
    if placed:
        groups.append(Group("Ranked and preliminary", tuple(row(summaries[entry.variant]) for entry in placed)))
    rest = [entry for entry in suite.variants if entry.variant not in ranks]
    if rest:
        heading = "Smoke, not evidence" if suite.smoke else "Not ranked, for the reason given"
        groups.append(Group(heading, tuple(row(entry) for entry in rest)))
    gain_title = "P(beats the leader)"
    columns: tuple[Column, ...] = (
        plain_column("Variant", "variant"),
        Column("Place", ("rank", "rank_low", "rank_high"), "num", "place by IQM, with its interval"),
        plain_column("Status", "status"),
        estimate_column("IQM, final", "iqm_final", "interquartile mean of normalised final scores"),
        estimate_column("IQM, raw", "iqm_raw", "of final scores as they are, to compare with the published"),
        plain_column("IQM, published", "iqm_published", "num", suite.published_source),
        estimate_column("IQM, absolute", "iqm_absolute", "the same of the best policy of each run on fresh episodes"),
        Column(
            gain_title, ("p_better", "p_better_low", "p_better_high"), "num", f"scores higher than {leader}" if leader else ""
        ),
        estimate_column("Optimality gap", "optimality_gap", "less is better"),
        plain_column("Seeds", "seeds", "num"),
        plain_column("Runs", "runs_found", "num", "found of planned"),
        plain_column("Steps/s", "steps_per_second", "num", "median, learning included"),
    )
    methods = context.aggregate.methods
    hidden = {"rank", "p_better"} if suite.smoke else set()  # smoke: neither place nor comparison
    if not published:
        hidden |= {"iqm_raw", "iqm_published"}
    shown = [k for k, column in enumerate(columns) if column.csv[0] not in hidden]
    columns = tuple(columns[k] for k in shown)
    groups = [Group(group.heading, tuple(tuple(row[k] for k in shown) for row in group.rows)) for group in groups]
    return Table(
        f"{formatting.slug(suite.name)}-leaderboard",
        f"{suite.title}: {'not a leaderboard' if suite.smoke else 'leaderboard'}",
        formatting.aggregate_basis(suite, methods)
        + ("" if suite.smoke else " Intervals in brackets; places too are uncertain.")
        + (f" Published: {suite.published_source}." if published else ""),
        columns,
        tuple(groups),
    )


def results(context: ReportContext, suite: SuiteReport, task: TaskReport) -> Table:
    """Final and absolute numbers of all variants on a task, the published values beside them."""
    by_success = task.score == "success"
    known = sorted(task.table, key=lambda row: (-_mean(row.final_success if by_success else row.final_return), row.variant))
    digits = formatting.digits_for([_value(row.final_return.mean) for row in known] + [row.published for row in known])
    published = any(row.published is not None for row in known)
    normalised = any(row.normalised_final is not None for row in known)
    noted = any(row.notes for row in known)
    rows = []
    for row in known:
        lost = row.n_planned - row.n_found
        marks = [badge("diverged", row.n_failed)] * bool(row.n_failed) + [badge("absent", lost)] * bool(lost)
        runs = Markup("{}/{}").format(row.n_found, row.n_planned) + Markup("").join(Markup("<br>") + mark for mark in marks)
        cells = [
            context.who_cell(row.variant),
            html(runs, f"{row.n_found}/{row.n_planned}, {row.n_failed} diverged", "num"),
            estimate(row.final_return.mean, digits),
            _spread(row.final_return, digits),
            estimate(row.final_return.iqm, digits),
        ]
        if published:
            cells.append(amount(row.published, digits))
        cells += [
            estimate(row.final_success.mean),
            estimate(row.absolute_return.mean, digits),
            estimate(row.absolute_success.mean),
        ]
        if normalised:
            cells.append(estimate(row.normalised_final.mean if row.normalised_final else None))
        if noted:
            cells.append(text("; ".join(row.notes), "text small"))
        rows.append(cells)
    columns = [
        plain_column("Variant", "variant"),
        plain_column("Runs", "runs", "num", "found of planned"),
        estimate_column("Final return, mean", "final_return"),
        Column("sd; range", ("sd", "minimum", "maximum"), "num", "over seeds"),
        estimate_column("Final return, IQM", "final_return_iqm"),
    ]
    if published:
        columns.append(plain_column("Published", "published", "num"))
    columns += [
        estimate_column("Final success rate", "final_success"),
        estimate_column("Absolute return", "absolute_return", "best policy of each run on fresh episodes"),
        estimate_column("Absolute success rate", "absolute_success"),
    ]
    if normalised:
        columns.append(estimate_column("Normalised final", "normalised_final", "0 random policy, 1 best known"))
    if noted:
        columns.append(plain_column("Notes", "notes"))
    sources = sorted({row.published_source for row in known if row.published is not None})
    evaluation = suite.evaluation
    methods = context.aggregate.methods
    return table(
        f"{formatting.slug(suite.name)}-{formatting.slug(task.task)}-results",
        f"{task.task}: results",
        f"Final: last evaluation, {evaluation.episodes} episodes a run. Absolute: best policy of each run on "
        f"{evaluation.absolute_episodes} fresh episodes. Brackets: {formatting.sure(methods)} intervals over seeds "
        "(Student t for means, bootstrap for IQM)." + (f" Published: {'; '.join(sources)}." if sources else ""),
        columns,
        rows,
    )


def faulty_runs(
    context: ReportContext, name: str, found: Sequence[RunRow], title: str = "Failed and absent runs"
) -> Table | None:
    """Runs that failed or are not there, with the reason and what was done. None if all is well."""
    faulty = sorted((run for run in found if run.status != "ok"), key=lambda run: (run.task, run.seed, run.fingerprint))
    rows = []
    for run in faulty:
        names = sorted({planned.variant for planned in run.planned})
        rows.append(
            (
                html(context.task_link(run.task), run.task, "nowrap"),
                html(Markup("<br>").join(context.who(entry) for entry in names), ", ".join(names), "nowrap"),
                count(run.seed),
                Cell(badge(formatting.state(run)), (formatting.state(run),), "nowrap"),
                text(_run_reason(run), "text small"),
                count(run.steps_done),
                html(context.record_link(run), run.fingerprint, "nowrap"),
            )
        )
    columns = (
        plain_column("Task", "task"),
        plain_column("Variant", "variant"),
        plain_column("Seed", "seed", "num"),
        plain_column("State", "state"),
        plain_column("Reason", "reason"),
        plain_column("Steps done", "steps_done", "num"),
        plain_column("Record", "fingerprint", "", "first digits of the run's fingerprint"),
    )
    caption = f"{formatting.plural(len(rows), 'run')}. Diverged runs count in every number; the others have no number."
    return table(name, title, caption, columns, rows) if rows else None


def runs(context: ReportContext, name: str, title: str, found: Sequence[RunRow]) -> Table:
    """Runs with their state and numbers."""
    digits = formatting.digits_for(run.final_return for run in found)
    rows = []
    for run in sorted(found, key=lambda run: (run.task, run.seed, run.fingerprint)):
        cells = [html(context.task_link(run.task), run.task, "nowrap"), count(run.seed)]
        cells += [
            badged(formatting.state(run), _run_reason(run)),
            amount(run.final_return, digits),
            amount(run.final_success),
            amount(run.absolute_return, digits),
            html(escape("–" if run.steps_done is None else f"{run.steps_done:,}"), run.steps_done, "num"),
            amount(run.steps_per_second, 0, formatting.whole(run.steps_per_second)),
            html(escape(formatting.duration(run.total_seconds)), run.total_seconds, "num"),
            html(context.record_link(run), run.fingerprint, "nowrap"),
        ]
        rows.append(cells)
    columns = [plain_column("Task", "task"), plain_column("Seed", "seed", "num")]
    columns += [
        plain_column("State", "state"),
        plain_column("Final return", "final_return", "num"),
        plain_column("Final success", "final_success", "num"),
        plain_column("Absolute return", "absolute_return", "num"),
        plain_column("Steps done", "steps_done", "num"),
        plain_column("Steps/s", "steps_per_second", "num"),
        plain_column("Time", "seconds", "num", "wall clock, from start to end"),
        plain_column("Record", "fingerprint", "", "first digits of the run's fingerprint"),
    ]
    return table(name, title, f"{formatting.plural(len(found), 'run')}; each fingerprint leads to its record.", columns, rows)


def task_list(context: ReportContext) -> Table:
    """All tasks with what they are and how far their runs are."""
    rows = []
    for name, places in context.tasks.items():
        task = places[0][1]
        planned = sum(row.n_planned for _, place in places for row in place.table)
        found = sum(row.n_found for _, place in places for row in place.table)
        reference = task.reference
        digits = formatting.digits_for([reference.random, reference.best]) if reference else 2
        rows.append(
            (
                html(context.task_link(name), name, "nowrap"),
                text(", ".join(suite.title for suite, _ in places)),
                count(task.n_agents),
                count(task.horizon),
                html(escape(f"v{task.version}"), f"{task.version}"),
                text(", ".join(dict.fromkeys(place.backend for _, place in places))),
                html(escape(", ".join(dict.fromkeys(f"{p.budget:,}" for _, p in places))), places[0][1].budget, "num"),
                amount(reference.random if reference else None, digits),
                amount(reference.best if reference else None, digits),
                html(escape(f"{found}/{planned}"), found, "num"),
            )
        )
    columns = (
        plain_column("Task", "task"),
        plain_column("Suite", "suites"),
        plain_column("Agents", "agents", "num"),
        plain_column("Horizon", "horizon", "num", "steps an episode lasts at most"),
        plain_column("Version", "version"),
        plain_column("Backend", "backend", "", "our own simulator (native) or the real package (reference)"),
        plain_column("Budget", "budget", "num", "environment steps a run"),
        plain_column("Random", "random", "num", "score of the random policy"),
        plain_column("Best", "best", "num", "best known score"),
        plain_column("Runs", "runs", "num", "found of planned"),
    )
    return table("tasks", "Tasks", "Random and best are the fixed scores that normalise a task.", columns, rows)


def method_list(context: ReportContext) -> Table:
    """All variants with their status in each suite."""
    rows = []
    for name, places in context.variants.items():
        entry = places[0][1]
        states = Markup("<br>").join(
            badge("smoke" if suite.smoke else found.status) + Markup(' <span class="small muted">{}</span>').format(suite.title)
            for suite, found in places
        )
        plain = "; ".join(f"{suite.name}: {'smoke' if suite.smoke else found.status}" for suite, found in places)
        rows.append(
            (
                context.who_cell(name),
                text(f"{entry.algorithm_title} (v{entry.algorithm_version})"),
                text(", ".join(dict.fromkeys(found.regime for _, found in places))),
                count(len(entry.settings)),
                Cell(states, (plain,), "nowrap"),
                html(
                    escape(f"{sum(f.coverage.found for _, f in places)}/{sum(f.coverage.planned for _, f in places)}"),
                    sum(found.coverage.found for _, found in places),
                    "num",
                ),
            )
        )
    columns = (
        plain_column("Variant", "variant"),
        plain_column("Algorithm", "algorithm"),
        plain_column("Reward regime", "regime"),
        plain_column("Changed settings", "changed_settings", "num", "that differ from the defaults of the algorithm"),
        plain_column("Status", "status"),
        plain_column("Runs", "runs", "num", "found of planned"),
    )
    return table("methods", "Variants", "A variant is an algorithm with a reward regime and settings.", columns, rows)


def _place(rank: VariantRank | None) -> Cell:
    if rank is None:
        return Cell(Markup('<span class="nothing">–</span>'), (None, None, None), "num")
    ends = f"{rank.low}" if rank.low == rank.high else f"{rank.low} to {rank.high}"
    shown = Markup('{} <span class="ci">[{}]</span>').format(rank.rank, ends)
    return Cell(shown, (rank.rank, rank.low, rank.high), "num")


def _status(suite: SuiteReport, summary: VariantSummary, rank: VariantRank | None) -> Cell:
    word = "smoke" if suite.smoke else summary.status
    parts = [badge(word)]
    reasons = list(summary.reasons)
    if summary.privileged:
        parts.append(badge("privileged"))
    if rank is not None and rank.tied_with:
        parts.append(badge("tie"))
        reasons.append(f"not significantly different from {formatting.listed([shortened(name) for name in rank.tied_with], 4)}")
    if suite.smoke:
        reasons = [reason for reason in reasons if "smoke" not in reason]
    shown = Markup(" ").join(parts)
    if reasons:
        shown += Markup('<br><span class="small muted">{}</span>').format("; ".join(reasons))
    return Cell(shown, ("; ".join([word, *reasons]),), "text" if reasons else "nowrap")


def _seeds(suite: SuiteReport, variant: str) -> Cell:
    found = sorted({row.n_found for task in suite.tasks for row in task.table if row.variant == variant})
    shown = "0" if not found else str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"
    return html(escape(shown), found[0] if found else 0, "num")


def _speed(found: Sequence[RunRow]) -> float | None:
    values = [run.steps_per_second for run in found if run.steps_per_second is not None]
    return median(values) if values else None


def _spread(summary: Summary, digits: int) -> Cell:
    if summary.minimum is None:
        return Cell(Markup('<span class="nothing">–</span>'), (None, None, None), "num")
    ends = f"{formatting.number(summary.minimum, digits)} to {formatting.number(summary.maximum, digits)}"
    shown = Markup('{} <span class="ci">{}</span>').format(formatting.number(summary.sd, digits), ends)
    return Cell(shown, (summary.sd, summary.minimum, summary.maximum), "num")


def _run_reason(run: RunRow) -> str:
    reason = run.reason or ""
    for known in ("diverged:", "diverged"):
        reason = reason.removeprefix(known).strip()
    return f"{reason}; scored as the random policy".lstrip("; ") if run.scored_as_random else reason


def _value(value: Estimate | None) -> float | None:
    return value.value if value else None


def _mean(summary: Summary) -> float:
    return summary.mean.value if summary.mean else float("-inf")
