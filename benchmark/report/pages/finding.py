"""The finding of a suite in one or two sentences."""

from __future__ import annotations

from markupsafe import Markup

from benchmark.analysis.schema import SuiteReport
from benchmark.report import formatting
from benchmark.report.context import ReportContext
from benchmark.report.figures import aggregate_scores


def finding(context: ReportContext, suite: SuiteReport) -> Markup:
    """One or two sentences: who leads, how surely, and from which variants it does not differ significantly."""
    if suite.smoke:
        return Markup("A smoke suite: it shows that everything works and is evidence of nothing.")
    leader = aggregate_scores.leading(suite)
    if leader is None:
        return Markup("No variant can be placed yet: {}").format(without_aggregate(suite) or "runs are missing.")
    rank = next(entry for entry in suite.overall.ranks if entry.variant == leader)
    estimate = next(entry.iqm for entry in suite.overall.final if entry.variant == leader)
    some = "" if len(suite.overall.ranks) == len(suite.variants) else "Of the variants that can be placed, "
    text = Markup("{}{} has the highest interquartile mean, {}").format(
        some, context.who(leader), formatting.estimated(estimate)
    )
    if len(suite.overall.ranks) > 1:
        places = f"place {rank.low}" if rank.low == rank.high else f"places {rank.low} to {rank.high}"
        text += f"; its interval covers {places} of {len(suite.overall.ranks)}."
        if rank.tied_with:
            names = Markup(", ").join(context.who(name) for name in rank.tied_with[:4])
            more = f" and {len(rank.tied_with) - 4} more" if len(rank.tied_with) > 4 else ""
            text += Markup(" It is not significantly different from {}{}.").format(names, more)
    else:
        text += "; no other variant can be placed."
    if rank.status == "preliminary":
        text += " All this is preliminary: there are too few seeds."
    return text


def without_aggregate(suite: SuiteReport) -> str:
    """Why there is no normalised aggregate at all, or what one task means."""
    tasks = suite.overall.tasks
    if not tasks:
        return "no task of this suite has reference scores, so nothing is normalised; its task pages have the numbers."
    return ""
