"""What changed between two aggregates, as tables."""

from __future__ import annotations

from typing import Any

from benchmark.analysis.verdict_changes import changes, tables


def aggregate(verdict: str, comparison: str, places: dict[str, int], name: str = "suite") -> dict[str, Any]:
    claim = {"id": "c", "verdict": verdict, "found": "0.8 [0.6, 0.9]", "reason": f"because {verdict}"}
    rows = [{"variant": "base", "comparison": "base", "reason": ""}]
    rows.append({"variant": "other", "comparison": comparison, "reason": f"because {comparison}"})
    ranks = [{"variant": v, "rank": place, "low": 1, "high": 2, "tied_with": ["x"]} for v, place in places.items()]
    ablation = {"id": "a", "tasks": [{"task": "t", "rows": rows}]}
    return {"suites": [{"name": name, "claims": [claim], "ablations": [ablation], "overall": {"ranks": ranks}}]}


def test_every_claim_comparison_and_place_has_a_row_and_what_changed_its_reason() -> None:
    found = changes(aggregate("supported", "better", {"v": 1}), aggregate("undecided", "better", {"v": 2, "w": 1}))
    assert found["Claims"] == [("suite: c", "supported (0.8 [0.6, 0.9])", "undecided (0.8 [0.6, 0.9])", "because undecided")]
    assert found["Ablations"] == [("suite: a, t, other", "better", "better", "")]
    assert found["Places"] == [
        ("suite: v", "1 [1 to 2], 1 ties", "2 [1 to 2], 1 ties", ""),
        ("suite: w", "no place", "1 [1 to 2], 1 ties", ""),
    ]


def test_the_tables_have_what_changed_and_count_the_rest() -> None:
    text = tables(aggregate("supported", "better", {}), aggregate("supported", "worse", {}))
    assert "## Claims: 0 of 1 changed; supported -> supported: 1" in text
    assert "| suite: a, t, other | better | worse | because worse |" in text
    assert "suite: c" not in text


def test_suites_of_one_side_alone_are_left_out() -> None:
    found = changes(aggregate("supported", "better", {}), aggregate("supported", "better", {}, name="another"))
    assert found == {"Claims": [], "Ablations": [], "Places": []}
