"""The defaults of a version never change, and every setting has a description and a source."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from algorithms import snapshots
from algorithms.registry import BUILT_IN, AlgorithmEntry
from algorithms.settings.base import Settings

IDS = [entry.name for entry in BUILT_IN]


def with_nested(settings: type[Settings]) -> Iterator[type[Settings]]:
    """The class, and those of its settings that are settings themselves."""
    yield settings
    for field in settings.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Settings):
            yield from with_nested(field.annotation)


@pytest.mark.parametrize("entry", BUILT_IN, ids=IDS)
def test_defaults_are_those_of_the_version(entry: AlgorithmEntry) -> None:
    file = snapshots.snapshot_file(entry)
    assert file.exists(), f"no snapshot of {entry.name} {entry.version}: uv run python -m algorithms.snapshots"
    assert json.loads(file.read_text()) == snapshots.defaults(entry), (
        f"the defaults of {entry.name} changed: raise its version in algorithms/registry.py, then write its snapshot"
    )


@pytest.mark.parametrize("entry", BUILT_IN, ids=IDS)
def test_every_setting_has_a_description_and_a_source(entry: AlgorithmEntry) -> None:
    for settings in with_nested(entry.settings):
        for name, field in settings.model_fields.items():
            assert field.description, name
            assert isinstance(field.json_schema_extra, dict), name
            assert field.json_schema_extra["source"], name


@pytest.mark.parametrize("entry", BUILT_IN, ids=IDS)
def test_unknown_and_impossible_settings_are_refused(entry: AlgorithmEntry) -> None:
    with pytest.raises(ValidationError, match="learning_rat\n"):
        entry.settings(learning_rat=1e-3)
    with pytest.raises(ValidationError, match="greater than 0"):
        entry.settings(learning_rate=0)


def test_only_what_differs_from_the_defaults_counts_as_changed() -> None:
    for entry in BUILT_IN:
        assert entry.settings().changed() == {}
        assert entry.settings(epochs=7, sharing="all").changed() == {"epochs": 7}


def test_a_missing_snapshot_is_written_and_a_changed_default_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "FOLDER", tmp_path)
    entry = BUILT_IN[0]
    assert snapshots.write_missing((entry,)) == [tmp_path / f"{entry.name}-{entry.version}.json"]
    assert snapshots.write_missing((entry,)) == []
    changed = snapshots.defaults(entry) | {"epochs": 99}
    snapshots.snapshot_file(entry).write_text(json.dumps(changed))
    with pytest.raises(ValueError, match="raise its version"):
        snapshots.write_missing((entry,))
