"""The settings of a variant beside the defaults."""

from __future__ import annotations

import json
from typing import Any

from markupsafe import Markup
from pydantic import BaseModel

from algorithms.registry import algorithms
from benchmark.analysis.schema import SuiteReport, VariantSummary
from benchmark.report import formatting
from benchmark.report.table import (
    Cell,
    Table,
    badge,
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
