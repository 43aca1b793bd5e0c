"""Errors of hand-written files, said in the words of who wrote them: where, what, and the nearest thing that is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError


def nearest(name: str, known: Iterable[str]) -> str:
    """ " Did you mean X or Y?" for the up to three nearest known names, empty if none is near."""
    found = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(found)}?" if found else ""


def problems(error: ValidationError, *models: type[BaseModel]) -> str:
    """One indented line per problem; an unknown key comes with the nearest field of `models`."""
    known = sorted({field for model in models for field in model.model_fields})
    lines = []
    for entry in error.errors():
        place = ".".join(map(str, entry["loc"])) or "file"
        message = entry["msg"]
        if entry["type"] == "extra_forbidden":
            message = f"there is no such key.{nearest(str(entry['loc'][-1]), known)}"
        lines.append(f"  {place}: {message}")
    return "\n".join(lines)


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping; YAML would quietly keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(
                    "while reading a mapping", node.start_mark, "a key must be one word or number", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    "while reading a mapping", node.start_mark, f"the key '{key}' stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    """The content of a YAML file. Raises yaml.YAMLError, also for a key that stands twice; OSError, UnicodeDecodeError."""
    return parsed(path.read_text(encoding="utf-8"))


def parsed(text: str) -> Any:
    """The value of a YAML text. Raises yaml.YAMLError."""
    try:
        return yaml.load(text, _UniqueKeys)
    except (ValueError, RecursionError) as error:  # a date or a number that cannot be; brackets in brackets
        raise yaml.YAMLError(f"it holds what cannot be read: {error}") from error
