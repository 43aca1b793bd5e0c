"""With what the runs were computed, and every record that was used."""

from __future__ import annotations

from collections import Counter

from markupsafe import Markup

from benchmark.report.context import ReportContext
from benchmark.report.table import (
    Cell,
    Table,
    badged,
    count,
    html,
    plain_column,
    table,
    text,
)


def versions(context: ReportContext) -> Table:
    """With what the runs were computed: one row for each distinct combination."""
    found = Counter(run.provenance for run in context.aggregate.runs if run.provenance is not None)
    rows = []
    for provenance, number in sorted(found.items(), key=lambda pair: (-pair[1], pair[0].model_dump_json())):
        commit = provenance.commit or provenance.commit_unknown or "not known"
        installed = provenance.installed_sha256 or provenance.lock_sha256 or "not known"
        rows.append(
            (
                html(Markup("<code>{}</code>{}").format(commit, " with changes" if provenance.dirty else ""), commit, "nowrap"),
                count(number),
                html(Markup("<code>{}</code>").format(installed[:12]), installed, "nowrap"),
                text(provenance.python),
                text(provenance.torch),
                text(provenance.numpy),
                text(", ".join(provenance.packages or ())),
                text(provenance.processor),
                count(provenance.threads),
                text(provenance.device),
                html(Markup("yes" if provenance.dirty else "no"), "yes" if provenance.dirty else "no"),
            )
        )
    columns = (
        plain_column("Commit", "commit"),
        plain_column("Runs", "runs", "num"),
        plain_column("Installed", "installed_sha256", "", "sha256 of what was installed (older records: of the pins)"),
        plain_column("Python", "python"),
        plain_column("torch", "torch"),
        plain_column("numpy", "numpy"),
        plain_column("Others", "packages", "", "compiler of the simulators; packages that add tasks or algorithms"),
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
