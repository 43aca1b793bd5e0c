"""YAML files that people write: the values of YAML 1.2, and errors that name the line."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from benchmark.environments.input_files import InvalidYaml, parse_yaml, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10),
        ("0o10", 8),
        ("1_000_000", 1_000_000),
        ("-1_000", -1000),
        ("1e6", 1_000_000),
        ("1e-4", 1e-4),
        ("1.0e-8", 1e-8),
        ("0.5", 0.5),
        ("1:30", "1:30"),
        ("yes", "yes"),
        ("off", "off"),
        ("true", True),
        ("null", None),
        ("", None),
        ("x=y", "x=y"),
        ("[1, {a: b}]", [1, {"a": "b"}]),
    ],
)
def test_values_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    parsed = parse_yaml(text)
    assert parsed == value
    assert type(parsed) is type(value)


def test_only_whole_numbers_in_exponent_notation_without_a_point_become_integers() -> None:
    assert [type(parse_yaml(text)) for text in ("1e3", "1.0e3", "1.0", "1e-3", "1e400")] == [int, float, float, float, float]
    assert math.isinf(parse_yaml(".inf"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\nb: 3", 'line 3, column 1: found duplicate key "b"'),
        ("x:\n  a: 1\n  a: 1", 'line 3, column 3: found duplicate key "a"'),
        ("a:\n  1: b", "line 2, column 3: a key must be text; put quotes around a number"),
        ("{[b]: c}", "line 1, column 2: a key must be text"),
        ("a: [1", "line 1, column 6: "),
        ("a\n---\nb", "but found another document"),
        ("!!python/object/apply:os.getcwd []", "could not determine a constructor for the tag"),
        ("\x00", "unacceptable character"),
        ("2026-13-45", "month must be in 1..12"),
        ("9" * 5000, "digits"),
        ("[" * 5000, "recursion"),
    ],
)
def test_an_invalid_text_is_refused_in_one_line_that_names_the_place(text: str, problem: str) -> None:
    with pytest.raises(InvalidYaml) as error:
        parse_yaml(text)
    assert problem in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidYaml, match="No such file"):
        read_yaml(tmp_path / "absent.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"title: caf\xe9")
    with pytest.raises(InvalidYaml, match="utf-8"):
        read_yaml(tmp_path / "latin.yaml")
