"""The leaderboard of a suite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from markupsafe import Markup, escape

from benchmark.analysis.schema import Improvement, RunRow, SuiteReport, VariantRank, VariantSummary
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
    estimate,
    estimate_column,
    html,
    plain_column,
)

_THE_LEADER = Cell(Markup("the leader"), (None, None, None), "num")
"""Where the others' probability of beating it stands."""


def leaderboard(context: ReportContext, suite: SuiteReport) -> Table:
    """Ordered by place; variants without a place stand apart, with the reason."""
    summaries = {entry.variant: entry for entry in suite.variants}
    finals = {entry.variant: entry for entry in suite.overall.final}
    absolutes = {entry.variant: entry for entry in suite.overall.absolute}
    leader = leading(suite)
    better = {(e.better, e.than): e for e in suite.overall.improvement}
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
            _THE_LEADER if name == leader and not suite.smoke else _gain(gain),
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
        Column("Place", ("rank", "rank_low", "rank_high"), "num", "by IQM, with the places that significant differences leave"),
        plain_column("Status", "status"),
        estimate_column("IQM, final", "iqm_final", "interquartile mean of normalised final scores"),
        estimate_column("IQM, raw", "iqm_raw", "of final scores as they are, to compare with the published"),
        plain_column("IQM, published", "iqm_published", "num", suite.published_source),
        estimate_column("IQM, absolute", "iqm_absolute", "the same of the best policy of each run on fresh episodes"),
        Column(
            gain_title,
            ("p_better", "p_better_low", "p_better_high"),
            "num",
            f"scores higher than {leader}" if leader else "",
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
        + ("" if suite.smoke else f" {_pairs(suite, len(placed), leader)}")
        + (f" Published: {suite.published_source}." if published else ""),
        columns,
        tuple(groups),
    )


def _pairs(suite: SuiteReport, placed: int, leader: str | None) -> str:
    """How places, ties and the column of the leader come about."""
    if placed < 2:
        return "Intervals in brackets."
    places = (
        "Intervals in brackets. Places: those that significant differences leave, by t tests of IQMs and of means "
        f"{formatting.pairs_basis(placed * (placed - 1) // 2)}; ties are the differences that are not significant."
    )
    if leader is None:
        return places
    pairs = formatting.pairs_basis(len(suite.overall.improvement) // 2)
    return f"{places} P(beats the leader): score intervals of one comparison each, bold where it differs from one half {pairs}."


def _gain(entry: Improvement | None) -> Cell:
    if entry is None:
        return estimate(None)
    cell = estimate(entry.probability)
    return replace(cell, html=Markup("<strong>{}</strong>").format(cell.html)) if entry.significant else cell


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
