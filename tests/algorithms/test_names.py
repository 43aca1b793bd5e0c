"""What algorithms, tasks, suites and variants may be called."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from algorithms.names import LONGEST, InvalidName, validate_distinct, validate_name
from algorithms.registry import algorithms
from benchmark.environments.tasks.registry import TaskFamily, get_task, task_names
from benchmark.experiments.suite import SuiteError, load_suite, load_suites, suite_names
from benchmark.papers.studies import studies

IMPOSSIBLE = {
    "empty": "",
    "folder": "mine/v2",
    "parent": "..",
    "hidden": ".mine",
    "option": "-mine",
    "plus first": "+mine",
    "space": "my method",
    "space at the end": "mine ",
    "line break": "mi\nne",
    "line break at the end": "mine\n",
    "null": "mi\0ne",
    "wildcard of Snakemake": "{mine}",
    "pattern": "min*",
    "class of a pattern": "min[e]",
    "of a shell": "mine;ls",
    "backslash": "mi\\ne",
    "letter beyond ASCII": "λ-return",
    "looks like a, is another": "mіne",
    "too long": "m" * (LONGEST + 1),
}


@pytest.mark.parametrize("name", IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_what_a_path_a_wildcard_or_a_command_takes_for_something_else_is_no_name(name: str) -> None:
    with pytest.raises(InvalidName, match="allowed are letters a-z") as error:
        validate_name("an algorithm", name)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["/mine", "mine/", "a//b", "a/../b", "a/.b", "a/-b", "a b/c", "a/" + "b" * LONGEST])
def test_a_task_is_parts_each_of_which_is_a_name(name: str) -> None:
    validate_name("a task", "a/b/c", parts=True)
    with pytest.raises(InvalidName, match="slashes between such parts"):
        validate_name("a task", name, parts=True)


def test_a_number_is_no_name() -> None:
    with pytest.raises(InvalidName, match="3 cannot be a name of an algorithm"):
        validate_name("an algorithm", 3)


def test_every_name_that_comes_with_creditbench_is_one() -> None:
    for name in task_names():
        validate_name("a task", name, parts=True)
    suites = [load_suite(name) for name in suite_names()]
    for name in (*algorithms(), *suite_names(), *studies(), *(variant for suite in suites for variant in suite.variants)):
        validate_name("a name", name)


def test_names_that_differ_in_case_alone_are_refused() -> None:
    validate_distinct("variants", ["ippo", "mappo"])
    with pytest.raises(InvalidName, match="'ippo' and 'IPPO' cannot both be variants"):
        validate_distinct("variants", ["ippo", "mappo", "IPPO"])


def test_an_algorithm_with_an_impossible_name_is_not_even_made() -> None:
    with pytest.raises(InvalidName, match="'mine/v2' cannot be a name of an algorithm"):
        replace(algorithms()["ippo"], name="mine/v2")


@pytest.mark.parametrize(("name", "listed"), [("a/b", ()), ("..", ()), ("a", ("a/../b",)), ("a", ("a/x", "a/X"))])
def test_a_family_with_impossible_names_is_not_even_made(name: str, listed: tuple[str, ...]) -> None:
    with pytest.raises(InvalidName):
        TaskFamily(name, "A family", listed, {}.get)


@pytest.mark.parametrize("name", ["any/../other", "any//other", "any/a b"])
def test_a_task_that_a_family_knows_without_listing_it_is_checked_too(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    climbing = get_task("matrix/climbing")
    family = TaskFamily("any", "Any", (), lambda asked: replace(climbing, id=asked))
    monkeypatch.setattr("benchmark.environments.tasks.registry.families", lambda: {"any": family})
    assert get_task("any/other").id == "any/other"
    with pytest.raises(InvalidName, match="cannot be a name of a task"):
        get_task(name)


SUITE = (
    "{{name: '{suite}', title: Λ, description: d, tasks: [{{task: matrix/climbing, budget: 200}}], seeds: [0],"
    " variants: {{{variants}}}, evaluation: {{points: 2, episodes: 2, absolute_episodes: 2}}}}"
)


def written(folder: Path, suite: str, *variants: str) -> str:
    path = folder / f"{suite}.yaml"
    entries = ", ".join(f"{json.dumps(variant)}: {{algorithm: ippo, title: λ/2}}" for variant in variants)
    path.write_text(SUITE.format(suite=suite, variants=entries), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("variant", IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_a_variant_with_an_impossible_name_is_refused(variant: str, tmp_path: Path) -> None:
    assert load_suite(written(tmp_path, "mine", "c-0.5")).variants
    with pytest.raises(SuiteError, match=r"mine\.yaml:|cannot be read as YAML"):
        load_suite(written(tmp_path, "mine", "ippo", variant))


def test_variants_that_differ_in_case_alone_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="'ippo' and 'IPPO' cannot both be variants"):
        load_suite(written(tmp_path, "mine", "ippo", "IPPO"))


@pytest.mark.parametrize("suite", [".mine", "-mine", "{mine}", "my suite", "miné", "m" * (LONGEST + 1)])
def test_a_suite_with_an_impossible_name_is_refused(suite: str, tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="cannot be a name of a suite"):
        load_suite(written(tmp_path, suite, "ippo"))


def test_suites_that_differ_in_case_alone_are_refused_together(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    paths = [written(tmp_path / "one", "mine", "ippo"), written(tmp_path / "two", "Mine", "ippo")]
    with pytest.raises(InvalidName, match="'mine' and 'Mine' cannot both be suites"):
        load_suites(paths)
