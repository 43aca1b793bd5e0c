"""What changed between two aggregates in verdicts, comparisons and places, as Markdown tables.

    python -m benchmark.analysis.verdict_changes BEFORE/aggregate.json AFTER/aggregate.json

They may be of different versions of the model: the files are read as they are.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Row = tuple[str, str, str, str]
"""(what, before, after, why)."""


def changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, list[Row]]:
    """By title, one row for every claim, comparison and place of the suites that both have."""
    suites = {suite["name"]: suite for suite in after["suites"]}
    pairs = [(suite, suites[suite["name"]]) for suite in before["suites"] if suite["name"] in suites]
    return {
        "Claims": [row for pair in pairs for row in _claims(*pair)],
        "Ablations": [row for pair in pairs for row in _ablations(*pair)],
        "Places": [row for pair in pairs for row in _places(*pair)],
    }


def _claims(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Row]:
    found = {claim["id"]: claim for claim in after["claims"]}
    for claim in before["claims"]:
        new = found.get(claim["id"])
        if new:
            yield (
                f"{before['name']}: {claim['id']}",
                f"{claim['verdict']} ({claim['found']})",
                f"{new['verdict']} ({new['found']})",
                new["reason"] if new["verdict"] != claim["verdict"] else "",
            )


def _ablations(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Row]:
    found = dict(_ablation_rows(after))
    for key, row in _ablation_rows(before):
        new = found.get(key)
        if new and row["comparison"] != "base":
            reason = new["reason"] if new["comparison"] != row["comparison"] else ""
            yield f"{before['name']}: {', '.join(key)}", row["comparison"], new["comparison"], reason


def _ablation_rows(suite: dict[str, Any]) -> Iterator[tuple[tuple[str, str, str], dict[str, Any]]]:
    for ablation in suite["ablations"]:
        for task in ablation["tasks"]:
            for row in task["rows"]:
                yield (ablation["id"], task["task"], row["variant"]), row


def _places(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Row]:
    old, new = ({rank["variant"]: rank for rank in suite["overall"]["ranks"]} for suite in (before, after))
    for variant in {**old, **new}:
        yield f"{before['name']}: {variant}", _place(old.get(variant)), _place(new.get(variant)), ""


def _place(rank: dict[str, Any] | None) -> str:
    if rank is None:
        return "no place"
    return f"{rank['rank']} [{rank['low']} to {rank['high']}], {len(rank['tied_with'])} ties"


def tables(before: dict[str, Any], after: dict[str, Any]) -> str:
    """The rows that changed, each kind under its title with the count of what did not."""
    text = []
    for title, rows in changes(before, after).items():
        changed = [row for row in rows if row[1].partition(" (")[0] != row[2].partition(" (")[0]]
        counts = Counter((row[1].partition(" (")[0], row[2].partition(" (")[0]) for row in rows)
        summary = "" if title == "Places" else "".join(f"; {old} -> {new}: {n}" for (old, new), n in sorted(counts.items()))
        text += [
            f"## {title}: {len(changed)} of {len(rows)} changed{summary}",
            "",
            "| what | before | after | why |",
            "|---|---|---|---|",
        ]
        text += [f"| {' | '.join(row)} |" for row in changed] + [""]
    return "\n".join(text)


if __name__ == "__main__":
    print(tables(*(json.loads(Path(path).read_text()) for path in sys.argv[1:3])))
