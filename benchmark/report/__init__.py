"""The report: a static site made from an aggregate."""

from __future__ import annotations

from benchmark.report.site import ReportError, render

__all__ = ["ReportError", "render"]
