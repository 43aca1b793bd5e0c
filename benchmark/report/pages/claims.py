"""The claims of the papers, with their verdicts."""

from __future__ import annotations

from benchmark.report import formatting
from benchmark.report.context import ReportContext
from benchmark.report.tables import claims as claim_rows
from benchmark.report.tables import study_rows


def claims(context: ReportContext) -> None:
    """Each suite's claims with their verdicts, and the studies beside them."""
    tables = [context.table(claim_rows.claims(context, suite)) for suite in context.aggregate.suites if suite.claims]
    verdicts = [claim.verdict for suite in context.aggregate.suites for claim in suite.claims]
    verdicts += [one.verdict for study in context.aggregate.studies for one in study.predictions if not study.quick]
    counts = formatting.counts(verdicts, formatting.VERDICTS)
    studies = context.table(study_rows.verdicts(context)) if context.aggregate.studies else None
    context.page("claims.html", "claims.html.j2", "Claims", tables=tables, studies=studies, counts=counts)
