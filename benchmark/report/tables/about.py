"""The tables about how things were done: settings, claims, reproduction, cost, versions, records."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from markupsafe import Markup, escape
from pydantic import BaseModel

from algorithms.registry import algorithms
from benchmark.analysis.schema import SuiteReport, VariantSummary
from benchmark.report import formatting
from benchmark.report.context import ReportContext
from benchmark.report.table import (
    Cell,
    Column,
    Table,
    amount,
    badge,
    badged,
    count,
    html,
    plain_column,
    table,
    text,
)


def settings(suite: SuiteReport, variant: VariantSummary) -> Table | None:
    """All settings of a variant: value, default, and where the default comes from. None if the algorithm is unknown here."""
    entry = algorithms().get(variant.algorithm)
    if entry is None or entry.version != variant.algorithm_version:
        return None
    rows = []
    for name, default, description, source in _defaults(entry.settings):
        value = variant.settings.get(name, default)
        changed = value != default
        rows.append(
            (
                Cell(Markup("<code>{}</code>").format(name), (name,), "nowrap"),
                html(
                    Markup("<code>{}</code>").format(_shown(value)) + (" " + badge("changed") if changed else ""), _shown(value)
                ),
                html(Markup("<code>{}</code>").format(_shown(default)), _shown(default)),
                text(description, "text small"),
                text(source, "text small"),
            )
        )
    columns = (
        plain_column("Setting", "setting"),
        plain_column("Value", "value"),
        plain_column("Default", "default"),
        plain_column("What it is", "description"),
        plain_column("Source of the default", "source"),
    )
    source = f" Changed values come from: {suite.settings_source}." if suite.settings_source else ""
    source += f" Preset: {suite.preset}." if suite.preset else ""
    return table(
        f"{formatting.slug(suite.name)}-{formatting.slug(variant.variant)}-settings",
        f"{variant.variant}: settings in {suite.title}",
        f"{formatting.plural(len(variant.settings), 'setting differs', 'settings differ')} from the defaults.{source}",
        columns,
        rows,
    )


def claims(context: ReportContext, suite: SuiteReport) -> Table:
    """What was published beside what was found."""
    rows = []
    for claim in suite.claims:
        subject = context.who(claim.variant)
        if claim.than:
            subject += Markup('<br><span class="small muted">against</span> ') + context.who(claim.than)
        where = context.task_link(claim.task) if claim.task else Markup("all tasks")
        rows.append(
            (
                text(claim.statement, "text"),
                text(claim.source, "small"),
                Cell(subject, (claim.variant + (f" against {claim.than}" if claim.than else ""),), "nowrap"),
                html(where, claim.task or "all tasks", "nowrap"),
                text(claim.expected),
                text(claim.found),
                badged(claim.verdict, claim.reason),
                text(claim.estimator, "small"),
            )
        )
    columns = (
        plain_column("Statement", "statement"),
        plain_column("Source", "source"),
        plain_column("Variant", "variant"),
        plain_column("Task", "task"),
        plain_column("Expected", "expected"),
        plain_column("Found", "found"),
        plain_column("Verdict", "verdict"),
        plain_column("By", "estimator"),
    )
    caption = "A verdict needs the whole interval on one side; 'undecided' says that the runs do not settle it."
    return table(f"{formatting.slug(suite.name)}-claims", f"{suite.title}: claims", caption, columns, rows)


def reproduction(context: ReportContext, suite: SuiteReport) -> Table:
    """Own runs beside the committed ones."""
    digits = formatting.digits_for(entry.committed_mean for entry in suite.reproduction)
    rows = []
    for entry in suite.reproduction:
        ends = entry.prediction
        expected = f"[{formatting.number(ends.low, digits)}, {formatting.number(ends.high, digits)}]" if ends else "–"
        rows.append(
            (
                html(context.task_link(entry.task), entry.task, "nowrap"),
                context.who_cell(entry.variant),
                count(entry.n_committed),
                count(entry.n_own),
                html(escape(f"{entry.identical}/{entry.n_compared}"), entry.identical, "num"),
                amount(entry.committed_mean, digits),
                amount(entry.own_mean, digits),
                amount(entry.difference, digits),
                Cell(escape(expected), (ends.low if ends else None, ends.high if ends else None), "num"),
                badged(entry.verdict, entry.reason),
            )
        )
    columns = (
        plain_column("Task", "task"),
        plain_column("Variant", "variant"),
        plain_column("Committed", "n_committed", "num", "runs"),
        plain_column("Own", "n_own", "num", "runs"),
        plain_column("Identical", "identical", "num", "bit for bit, of those compared"),
        plain_column("Committed mean", "committed_mean", "num"),
        plain_column("Own mean", "own_mean", "num"),
        plain_column("Difference", "difference", "num"),
        Column("Expected within", ("expected_low", "expected_high"), "num", "95 % prediction interval of the own mean"),
        plain_column("Verdict", "verdict"),
    )
    caption = "Final scores in the task's own units."
    return table(f"{formatting.slug(suite.name)}-own-runs", f"{suite.title}: own runs", caption, columns, rows)


def cost(context: ReportContext) -> Table:
    """Steps per second, time, memory and core-hours by task and algorithm."""
    rows = []
    for entry in context.aggregate.cost:
        gone = [f"{entry.failed} diverged"] * bool(entry.failed) + [f"{entry.untimed} crashed, not timed"] * bool(entry.untimed)
        name = context.task_link(entry.task) if entry.task in context.task_pages else escape(entry.task)
        rows.append(
            (
                html(name, entry.task, "nowrap"),
                text(f"{entry.algorithm} v{entry.algorithm_version}"),
                text(entry.backend),
                Cell(
                    Markup('{} <span class="ci">{}</span>').format(entry.runs, ", ".join(gone)),
                    (entry.runs, entry.failed, entry.untimed),
                    "num",
                ),
                amount(entry.steps_per_second, 0, formatting.whole(entry.steps_per_second)),
                html(escape(formatting.duration(entry.seconds)), entry.seconds, "num"),
                html(escape(formatting.percent(entry.reward_model_share)), entry.reward_model_share, "num"),
                html(escape(formatting.memory(entry.peak_memory_bytes)), entry.peak_memory_bytes, "num"),
                amount(entry.core_hours),
                text("; ".join(entry.processors), "small"),
            )
        )
    columns = (
        plain_column("Task", "task"),
        plain_column("Algorithm", "algorithm"),
        plain_column("Backend", "backend"),
        Column("Runs", ("runs", "failed", "untimed"), "num"),
        plain_column("Steps/s", "steps_per_second", "num", "median; environment steps, learning included"),
        plain_column("Time of a run", "seconds", "num", "median"),
        plain_column("of it in the reward model", "reward_model_share", "num", "share of the seconds of all its runs"),
        plain_column("Peak memory", "peak_memory_bytes", "num", "largest of the runs"),
        plain_column("Core-hours", "core_hours", "num", "all runs with a record, failed ones included"),
        plain_column("Processor", "processors"),
    )
    caption = "Over all runs with a record, failed ones included. Times were taken where each run was trained."
    return table("cost", "Cost by task and algorithm", caption, columns, rows)


def versions(context: ReportContext) -> Table:
    """With what the runs were computed: one row for each distinct combination."""
    found = Counter(run.provenance for run in context.aggregate.runs if run.provenance is not None)
    rows = []
    for provenance, number in sorted(found.items(), key=lambda pair: (-pair[1], pair[0].model_dump_json())):
        commit = provenance.commit or "not known"
        rows.append(
            (
                html(Markup("<code>{}</code>{}").format(commit, " with changes" if provenance.dirty else ""), commit, "nowrap"),
                count(number),
                html(Markup("<code>{}</code>").format(provenance.lock_sha256[:12]), provenance.lock_sha256, "nowrap"),
                text(provenance.python),
                text(provenance.torch),
                text(provenance.numpy),
                text(provenance.processor),
                count(provenance.threads),
                text(provenance.device),
                html(Markup("yes" if provenance.dirty else "no"), "yes" if provenance.dirty else "no"),
            )
        )
    columns = (
        plain_column("Commit", "commit"),
        plain_column("Runs", "runs", "num"),
        plain_column("Pins", "lock_sha256", "", "sha256 of the pinned versions, first digits"),
        plain_column("Python", "python"),
        plain_column("torch", "torch"),
        plain_column("numpy", "numpy"),
        plain_column("Processor", "processor"),
        plain_column("Threads", "threads", "num"),
        plain_column("Device", "device"),
        plain_column("Uncommitted changes", "dirty"),
    )
    caption = "Runs are equal bit for bit only within a row."
    return table("versions", "Distinct combinations", caption, columns, rows)


def records(context: ReportContext) -> Table:
    """Every record that was used, with its hashes."""
    rows = []
    seen: set[str] = set()
    for entry in context.manifest.records:
        short = entry.fingerprint[:12]
        anchor = Markup(' id="r-{}"').format(short) if short not in seen else Markup()
        seen.add(short)
        rows.append(
            (
                Cell(Markup("<code{}>{}</code>").format(anchor, short), (entry.fingerprint,), "nowrap"),
                badged({"reference": "committed", "own": "own run"}.get(entry.presence, entry.presence)),
                html(Markup("<code>{}</code>").format(entry.path), entry.path, "text"),
                html(Markup("<code>{}</code>").format(entry.outcome_sha256[:12]), entry.outcome_sha256),
                html(Markup("<code>{}</code>").format(entry.file_sha256[:12]), entry.file_sha256),
            )
        )
    columns = (
        plain_column("Fingerprint", "fingerprint"),
        plain_column("From", "presence"),
        plain_column("Path", "path"),
        plain_column("Outcome", "outcome_sha256", "", "sha256 of what was computed, first digits"),
        plain_column("File", "file_sha256", "", "sha256 of the file, first digits"),
    )
    return table("records", "Records", "The CSV has the full hashes.", columns, rows)


def _defaults(model: type[BaseModel], prefix: str = "") -> list[tuple[str, Any, str, str]]:
    """(dotted name, default, description, source) of every field, nested models opened."""
    found = []
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            found += _defaults(type(default), f"{prefix}{name}.")
            continue
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        found.append((prefix + name, _plain(default), field.description or "", str(extra.get("source", ""))))
    return found


def _plain(value: Any) -> Any:
    """As JSON has it: records hold JSON, defaults hold Python."""
    return json.loads(json.dumps(value, default=str))


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
