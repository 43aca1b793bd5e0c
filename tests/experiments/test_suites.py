"""Suites: settings in layers, presets, declared costs, and the names that claims and ablations speak of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark.experiments.settings_layers import merged
from benchmark.experiments.suite import SUITE_FOLDER, Override, Suite, SuiteError, Variant, load_suite, suite_names
from tests.fixtures.command_line import call
from tests.fixtures.synthetic_records import RETURNS, SUCCESSES, synthetic_registry, synthetic_suite


@pytest.fixture
def made_up() -> Iterator[None]:
    with synthetic_registry():
        yield


def settings_of(suite: Suite, task: str = RETURNS, variant: str = "strong") -> dict[str, Any]:
    return suite.run(task, variant, 0).spec.settings


# Layers


def test_later_layers_win_key_by_key() -> None:
    low = {"rate": 1, "model": {"width": 8, "deep": {"a": 1, "b": 2}}, "kept": [1, 2]}
    high = {"model": {"width": 16, "deep": {"b": 3}}, "kept": [3], "new": {"c": 4}}
    assert merged(low, high) == {
        "rate": 1,
        "model": {"width": 16, "deep": {"a": 1, "b": 3}},
        "kept": [3],
        "new": {"c": 4},
    }


def test_merging_changes_none_of_the_layers() -> None:
    low, middle, high = {"model": {"width": 8}}, {"model": {"depth": 2}}, {"model": {"width": 16}}
    merged(low, middle, high)["model"]["width"] = 0
    assert (low, middle, high) == ({"model": {"width": 8}}, {"model": {"depth": 2}}, {"model": {"width": 16}})


def test_a_value_and_a_dictionary_replace_each_other() -> None:
    assert merged({"model": {"width": 8}}, {"model": None}, {"model": {"depth": 1}}) == {"model": {"depth": 1}}


@pytest.mark.usefixtures("made_up")
def test_overrides_change_single_settings_of_a_nested_model() -> None:
    suite = synthetic_suite(
        variants={"strong": Variant(algorithm="strong", settings={"model": {"coalitions": "exact"}})},
        overrides=(Override(settings={"model": {"width": 16}}), Override(task=SUCCESSES, settings={"model": {"rate": 0.5}})),
    )
    assert settings_of(suite) == {"model": {"width": 16, "coalitions": "exact"}}
    assert settings_of(suite, SUCCESSES) == {"model": {"width": 16, "coalitions": "exact", "rate": 0.5}}


@pytest.mark.usefixtures("made_up")
def test_an_unknown_setting_within_a_nested_one_is_named() -> None:
    suite = synthetic_suite(overrides=(Override(settings={"model": {"widht": 16}}),))
    with pytest.raises(SuiteError, match=r"model\.widht"):
        list(suite.runs())


# Presets


@pytest.mark.usefixtures("made_up")
def test_a_preset_lies_below_the_variants_settings_and_those_below_the_overrides() -> None:
    suite = synthetic_suite(
        variants={"strong": Variant(algorithm="strong", settings={"rate": 0.5, "model": {"width": 77}})},
        preset="small",
        overrides=(Override(settings={"model": {"width": 99}}),),
    )
    assert settings_of(suite) == {"rate": 0.5, "model": {"width": 99, "coalitions": "all"}}
    assert settings_of(suite.model_copy(update={"overrides": ()})) == {"rate": 0.5, "model": {"width": 77, "coalitions": "all"}}


@pytest.mark.usefixtures("made_up")
def test_an_algorithm_without_the_preset_keeps_its_defaults() -> None:
    suite = synthetic_suite(variants=("strong", "weak", "oracle"), preset="small")
    assert settings_of(suite, variant="weak") == settings_of(suite, variant="oracle") == {}
    assert settings_of(suite)["rate"] == 0.01
    assert settings_of(synthetic_suite()) == {}


@pytest.mark.usefixtures("made_up")
def test_a_preset_that_no_algorithm_of_the_suite_offers_is_refused() -> None:
    for preset, variants, said in (
        ("smal", ("strong", "oracle"), r"the preset 'smal'\. Did you mean small\? They offer large, small\."),
        ("small", ("weak",), r"the preset 'small'\. They offer none\."),
    ):
        suite = synthetic_suite(variants=variants, preset=preset)
        with pytest.raises(SuiteError, match=said):
            list(suite.runs())
        with pytest.raises(SuiteError, match=said):
            suite.run(RETURNS, variants[0], 0)


# Numbers


def suite_file(folder: Path, budget: str = "10", seeds: str = "[0]", smoke: str = "false") -> str:
    path = folder / "mine.yaml"
    path.write_text(
        f"{{name: mine, title: M, description: d, smoke: {smoke}, seeds: {seeds}, variants: {{ippo: {{algorithm: ippo}}}},"
        f" tasks: [{{task: matrix/climbing, budget: {budget}}}]}}"
    )
    return str(path)


@pytest.mark.parametrize(("text", "budget"), [("010", 10), ("1_000_000", 10**6), ("1e6", 10**6), ("+5", 5), ("0x10", 16)])
def test_a_budget_is_a_yaml_1_2_number(text: str, budget: int, tmp_path: Path) -> None:
    assert load_suite(suite_file(tmp_path, budget=text)).tasks[0].budget == budget


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"budget": "true"}, "tasks.0.budget: Input should be a valid integer, got True"),
        ({"budget": "yes"}, "tasks.0.budget: Input should be a valid integer, got 'yes'"),
        ({"budget": "1:30"}, "tasks.0.budget: Input should be a valid integer, got '1:30'"),
        ({"budget": "'10'"}, "tasks.0.budget: Input should be a valid integer, got '10'"),
        ({"budget": "1.5"}, "tasks.0.budget: Input should be a valid integer, got 1.5"),
        ({"seeds": "[true, 2]"}, "seeds.0: Input should be a valid integer, got True"),
        ({"smoke": "yes"}, "smoke: Input should be a valid boolean, got 'yes'"),
    ],
)
def test_a_boolean_or_a_text_is_no_number_and_a_text_no_boolean(fields: dict[str, str], problem: str, tmp_path: Path) -> None:
    path = suite_file(tmp_path, **fields)
    with pytest.raises(SuiteError) as error:
        load_suite(path)
    assert str(error.value) == f"{path}:\n  {problem}"


# What is declared


def written(folder: Path, more: str) -> Path:
    text = (SUITE_FOLDER / "lbf-baselines.yaml").read_text().replace("name: lbf-baselines", "name: mine")
    path = folder / "mine.yaml"
    path.write_text("\n".join(line for line in text.splitlines() if not line.startswith("core_hours:")) + "\n" + more)
    return path


@pytest.mark.parametrize("name", suite_names())
def test_every_suite_declares_its_core_hours(name: str) -> None:
    declared = load_suite(name).core_hours
    assert declared is not None
    assert declared > 0


def test_the_plan_shows_declared_core_hours_beside_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = str(written(tmp_path, "core_hours: 2.5\n"))
    assert call("plan", path) == 0
    assert capsys.readouterr().out.endswith("The suite declares 2.5 core-hours for all 40 runs.\n")
    assert call("plan", path, "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["declared_core_hours"] == 2.5
    assert plan["core_hours"] > 0
    assert call("plan", str(written(tmp_path, ""))) == 0
    assert "declares" not in capsys.readouterr().out


def test_the_list_of_suites_shows_what_each_declares(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("list", "suites") == 0
    header, *lines = (line for line in capsys.readouterr().out.splitlines() if line.strip())
    assert "core-hours" in header
    declared = f"{load_suite('lbf-baselines').core_hours:g}"
    assert any(declared in line.split() for line in lines if "lbf-baselines" in line)


ABLATION = """ablations:
  - id: critic
    title: The critic
    question: What does the state add?
    base: mappo
    variants: [ippo]
    expected: little
    source: made up
"""


def test_an_ablation_names_variants_and_a_task_of_the_suite(tmp_path: Path) -> None:
    (ablation,) = load_suite(str(written(tmp_path, ABLATION))).ablations
    assert (ablation.base, ablation.variants, ablation.task) == ("mappo", ("ippo",), None)
    wrong = {
        "base: mappo": ("base: mapo", "ablation critic: the suite has no variant 'mapo'. Did you mean mappo"),
        "[ippo]": ("[ippo, ipo]", "no variant 'ipo'"),
        "variants: [ippo]": ("variants: []", "at least 1 item"),
        "variants: [": ("variants: [mappo, ", "'mappo' stands twice among base and variants"),
        "source: made up": ("source: made up\n    task: lbf/8x8", "no task 'lbf/8x8'"),
        "question:": ("qestion:", "there is no such key. Did you mean question"),
        "    expected: little\n": ("", "expected: Field required"),
        ABLATION: (ABLATION + ABLATION.partition("\n")[2], "the ids of ablations must be distinct"),
    }
    for old, (new, message) in wrong.items():
        with pytest.raises(SuiteError) as error:
            load_suite(str(written(tmp_path, ABLATION.replace(old, new, 1))))
        assert message in str(error.value), old


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "share_at_most", "than": "ippo"}, "a claim of kind share_at_most needs 'value'"),
        ({"kind": "share_at_most", "value": 0.5}, "a claim of kind share_at_most needs 'than'"),
        ({"kind": "share_at_most", "value": 0.5, "than": "ippo", "measure": "area"}, "it has no other measure"),
        ({"kind": "at_least", "than": "ippo"}, "a claim of kind at_least needs 'value'"),
        ({"kind": "better", "value": 0.5}, "a claim of kind better needs 'than'"),
        ({"kind": "better", "than": "ippo", "measure": "absolute"}, "measure: Input should be 'final' or 'area'"),
        ({"kind": "equal", "than": "ippo"}, "kind: Input should be 'at_least', 'better' or 'share_at_most'"),
    ],
)
def test_a_claim_that_lacks_what_its_kind_needs_is_refused(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    claim = {"id": "mine", "statement": "s", "source": "made up", "variant": "mappo", **fields}
    path = written(tmp_path, "")
    text = path.read_text()
    path.write_text(text[: text.index("claims:")] + f"claims: [{json.dumps(claim)}]\n")
    with pytest.raises(SuiteError) as error:
        load_suite(str(path))
    assert message in str(error.value)
