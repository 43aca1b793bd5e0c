"""The committed results of studies in the aggregate: used where they can be believed, named with the reason where not."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark.analysis.aggregate import aggregate, read_aggregate
from benchmark.experiments.record_size import MAXIMUM_BYTES
from benchmark.experiments.store import Store
from benchmark.report.site import render
from tests.fixtures.made_up_experiments import made_up_study
from tests.fixtures.read_site import Reader

MARKUP = "<script>alert(1)</script>"


def put(root: Path, content: Any, name: str = "made-up-study") -> Path:
    path = root / "results" / "reference" / "studies" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_the_results_of_studies_are_taken_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b-study", "a-study"):
        put(tmp_path, made_up_study(name), name)
    found = aggregate([], Store(tmp_path), tmp_path / "out")
    assert [study.id for study in found.studies] == ["a-study", "b-study"]
    assert found.studies_refused == ()
    assert read_aggregate(tmp_path / "out") == found
    assert found.studies[0].tables[0].rows[0] == (2, 3.25e-7, 1e-8, None)


def test_without_studies_there_are_none(tmp_path: Path) -> None:
    assert aggregate([], Store(tmp_path), tmp_path / "out").studies == ()


def test_the_manifest_names_each_file_with_its_hashes(tmp_path: Path) -> None:
    path = put(tmp_path, made_up_study())
    found = aggregate([], Store(tmp_path), tmp_path / "out")
    (entry,) = json.loads((tmp_path / "out" / "manifest.json").read_text())["studies"]
    assert entry == {
        "path": "results/reference/studies/made-up-study.json",
        "content_sha256": found.studies[0].sha256,
        "file_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


def in_its_place(make: Callable[[Path], object]) -> Callable[[Path], object]:
    def spoil(path: Path) -> None:
        path.unlink()
        make(path)

    return spoil


def table(**changes: Any) -> list[dict[str, Any]]:
    return [made_up_study()["tables"][0] | changes]


HOSTILE: dict[str, tuple[Any, str]] = {
    "empty": ("", "EOF"),
    "no object": ("3", "study: Input should be an object"),
    "too large": (" " * (MAXIMUM_BYTES + 2), "larger than"),
    "nested": ("[" * 70_000, "recursion limit"),
    "markup": (made_up_study() | {MARKUP: 1}, "Extra inputs"),
    "escapes": (made_up_study(title="\x1b[2Jtitle"), "control characters"),
    "another study": (made_up_study("another"), "it is the result of the study 'another'"),
    "another verdict": (made_up_study(verdict="supported"), "the verdict of these predictions together is 'not supported'"),
    "a crooked table": (made_up_study(tables=table(rows=[[1, 2]])), "every row needs 4 cells"),
    "a huge number": (made_up_study(tables=table(rows=[[1, 1e300, 1, ""]])), "less than or equal to"),
    "not a number": (made_up_study(seconds=float("nan")), "finite number"),
    "a later schema": (made_up_study(schema_version=3), "written by a newer version (format 3; this one reads 2)"),
    "an earlier schema": (made_up_study(schema_version=1), "schema_version: Input should be 2"),
    "another command": (made_up_study(command="creditbench study other"), "is 'creditbench study made-up-study'"),
    "a folder": (in_its_place(Path.mkdir), "not a file"),
    "a pipe": (in_its_place(os.mkfifo), "not a file"),
    "a device": (in_its_place(lambda path: path.symlink_to("/dev/zero")), "not a file"),
    "a dangling link": (in_its_place(lambda path: path.symlink_to("nowhere")), "No such file"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_result_that_cannot_be_believed_is_refused_with_its_reason(kind: str, tmp_path: Path) -> None:
    content, reason = HOSTILE[kind]
    put(tmp_path, made_up_study("whole"), "whole")
    path = put(tmp_path, "{}" if callable(content) else content)
    if callable(content):
        content(path)
    found = aggregate([], Store(tmp_path), tmp_path / "out")
    assert [study.id for study in found.studies] == ["whole"]
    (refused,) = found.studies_refused
    assert refused.startswith("results/reference/studies/made-up-study.json: ")
    assert reason in refused
    assert refused.isprintable()
    site = render(tmp_path / "out", tmp_path / "site").parent
    for page in ("studies.html", "index.html"):
        assert reason in Reader(site / page).text
        assert MARKUP not in (site / page).read_text()
