"""Files that people write: YAML 1.2 in, and one line per problem out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from algorithms.plugins import did_you_mean

MAXIMUM_BYTES = 1_000_000
"""Of a file that a person writes; the largest that comes with CreditBench has 8,000."""


class InvalidYaml(ValueError):
    """A text that is no YAML 1.2, or a file that cannot be read. The message names line, column and problem."""


class _Constructor(SafeConstructor):
    """Plain Python values only. ruamel.yaml refuses duplicate keys; keys must be strings."""

    def check_mapping_key(self, node: Any, key_node: Any, mapping: Any, key: Any, value: Any) -> bool:
        if not isinstance(key, str):
            raise ConstructorError(None, None, "a key must be text; put quotes around a number", key_node.start_mark)
        return bool(super().check_mapping_key(node, key_node, mapping, key, value))

    def construct_yaml_float(self, node: Any) -> float:
        """`1e6` is the integer 1000000, as `1_000_000` is: integer fields take both. `1.0` and `1.0e6` stay floats."""
        value = float(super().construct_yaml_float(node))
        return int(value) if value.is_integer() and "." not in node.value else value


_Constructor.add_constructor("tag:yaml.org,2002:float", _Constructor.construct_yaml_float)


def parse_yaml(text: str) -> Any:
    """The value of a YAML 1.2 text: `010` is 10, `1:30` and `yes` are strings, only `true` and `false` are booleans.

    Raises InvalidYaml, also for duplicate keys and keys that are not strings.
    """
    reader = YAML(typ="safe", pure=True)
    reader.version = (1, 2)
    reader.Constructor = _Constructor
    try:
        return reader.load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
        raise InvalidYaml(f"{where}{error.problem or error.context}") from error
    except YAMLError as error:  # a character that YAML does not allow
        raise InvalidYaml(" ".join(str(error).split())) from error
    except (ValueError, RecursionError) as error:  # an impossible date or a number of too many digits; nested too deeply
        raise InvalidYaml(str(error)) from error


def read_yaml(path: Path) -> Any:
    """The content of a YAML 1.2 file in UTF-8. Raises InvalidYaml, also where the file cannot be read."""
    try:
        if path.stat().st_size > MAXIMUM_BYTES:
            raise InvalidYaml(f"larger than {MAXIMUM_BYTES} bytes")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidYaml(error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise InvalidYaml(str(error)) from error
    return parse_yaml(text)


_IN_PYTHON = {"valid tuple": "Input should be a list", "valid dictionary": "Input should be keys with values"}
"""Types of Python that pydantic names, and what a file has instead."""


def problem_lines(error: ValidationError, *models: type[BaseModel], root: str = "file", limit: int | None = None) -> list[str]:
    """One line "field: what is wrong" per problem, at most `limit`; `root` names the whole content.

    With `models`, an unknown key comes with the nearest of their fields.
    """
    known = sorted({field for model in models for field in model.model_fields})
    entries = error.errors()
    parents = {entry["loc"][:depth] for entry in entries for depth in range(len(entry["loc"]))}
    # pydantic counts invalid items as absent: a sequence with an invalid item is also "too short".
    entries = [entry for entry in entries if not (entry["type"] == "too_short" and entry["loc"] in parents)]
    lines = []
    for entry in entries[:limit]:
        message = entry["msg"].removeprefix("Value error, ")
        if entry["type"] == "extra_forbidden" and known:
            message = f"there is no such key.{did_you_mean(str(entry['loc'][-1]), known)}"
        elif entry["type"] in ("int_type", "float_type", "bool_type") and isinstance(entry["input"], bool | int | float | str):
            message = f"{message}, got {entry['input']!r}"
        else:
            plain = (said for words, said in _IN_PYTHON.items() if words in message)
            message = next(plain, message.removeprefix("Value error, "))
        lines.append(f"{'.'.join(map(str, entry['loc'])) or root}: {message}")
    return lines
