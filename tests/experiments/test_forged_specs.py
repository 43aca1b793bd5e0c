"""Records whose specification no run has: each is refused with a line that names the problem."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmark.experiments.outcome_checks import contradiction
from benchmark.experiments.record import CorruptRecord, SettingsOrigin, make_record, read_record, write_record
from benchmark.experiments.run_spec import Package, RunSpec, get_algorithm
from tests.experiments.test_forged_records import SPEC, outcome_of, spec_of
from tests.experiments.test_records import EXECUTION

FORGED: dict[str, tuple[RunSpec, dict[str, Any], str]] = {
    "both modes by the first protocol": (SPEC, {"protocol_version": 1}, "both is of version 2 of the protocol, not of 1"),
    "one mode by the second protocol": (spec_of("sample"), {"protocol_version": 2}, "sample is of version 1 of the protocol"),
    "a protocol before the first": (SPEC, {"protocol_version": 0}, "both is of version 2 of the protocol, not of 0"),
    "a default written out": (SPEC, {"settings": {"episodes_per_update": 128}}, "differ from the defaults are {}"),
    "an empty group of settings": (
        SPEC,
        {
            "algorithm": "ippo+tar2",
            "algorithm_version": get_algorithm("ippo+tar2").version,
            "regime": "episodic",
            "settings": {"redistribution": {}},
        },
        "differ from the defaults are {}",
    ),
    "another spelling of a number": (
        SPEC,
        {"settings": {"learning_rate": 1}},
        'differ from the defaults are {"learning_rate":1.0}',
    ),
    "an unknown setting": (SPEC, {"settings": {"luck": 1}}, "luck: Extra inputs"),
    "a setting out of its range": (SPEC, {"settings": {"episodes_per_update": 0}}, "episodes_per_update"),
    "escapes in a setting": (SPEC, {"settings": {"\x1b[2J\n": 1}}, "Extra inputs"),
    "a regime that it cannot learn under": (SPEC, {"regime": "episodic"}, "cannot learn under the episodic reward regime"),
    "a path for a task": (SPEC, {"task": "../../elsewhere"}, "cannot be a name of a task"),
    "no name of an algorithm": (SPEC, {"algorithm": "../ippo"}, "cannot be a name of an algorithm"),
    "a package of our own simulator": (SPEC, {"package": Package(name="lbforaging", version="1")}, "simulated by no package"),
    "a backend that the task has not": (
        spec_of(task="synergy/2-b2", algorithm="ippo"),
        {"backend": "reference"},
        "has no reference backend",
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_specification_that_no_run_has_is_refused_with_the_problem(tmp_path: Path, name: str) -> None:
    spec, changes, message = FORGED[name]
    forged = make_record(spec.model_copy(update=changes), SettingsOrigin(source="made up"), outcome_of(spec), EXECUTION)
    write_record(tmp_path / "record.json", forged)
    with pytest.raises(CorruptRecord) as refused:
        read_record(tmp_path / "record.json")
    assert message in str(refused.value)
    assert str(refused.value).isprintable()


def test_a_setting_that_differs_from_its_default_is_accepted() -> None:
    changed = SPEC.model_copy(update={"settings": {"learning_rate": 1.0}})
    assert contradiction(changed, outcome_of(changed)) is None


@pytest.mark.parametrize("changes", [{"algorithm": "nothing"}, {"algorithm_version": 99}], ids=["unknown", "another version"])
def test_settings_of_an_algorithm_that_is_not_known_here_are_not_checked(changes: dict[str, Any]) -> None:
    elsewhere = SPEC.model_copy(update={"settings": {"luck": 1}, **changes})
    assert contradiction(elsewhere, outcome_of(SPEC)) is None


def test_a_later_protocol_is_not_checked() -> None:
    assert contradiction(SPEC.model_copy(update={"protocol_version": 3}), outcome_of(SPEC)) is None
