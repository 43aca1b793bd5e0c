"""The base class of settings: unknown names are errors, and every default has a description and a source."""

from __future__ import annotations

from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from algorithms.team import TimeLimit


class Settings(BaseModel):
    """Base of all settings. Immutable; a misspelt name is an error, and nothing is converted: a boolean or a text is no number.

    A setting that is a tuple needs `setting(…, strict=False)`: settings files have lists.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, strict=True)

    def changed(self) -> dict[str, Any]:
        """The settings that differ from the defaults, nested ones as nested dictionaries, ready for JSON."""
        return _difference(self.model_dump(mode="json"), type(self)().model_dump(mode="json"))

    def model_work(self, n_agents: int, horizon: int, episodes: float) -> float:
        """Multiplications spent on models other than actors and critics, such as a reward model, in training on `episodes`.

        Planning estimates the run time from it where no record of a similar run exists.
        """
        return 0.0

    def refusal(self, n_agents: int, time_limit: TimeLimit) -> str | None:
        """Why a team of `n_agents` cannot be trained with these settings and this value of the time limit; None if it can."""
        return None


class MethodDescription(NamedTuple):
    """What pages print about a method: its title, the paper it is from, and one sentence about what it does."""

    title: str
    source: str
    summary: str


def setting(default: Any, text: str, source: str, **limits: Any) -> Any:
    """A field with a one-line description and the source of its default. `limits`: pydantic's (gt, ge, le …)."""
    return Field(default=default, description=text, json_schema_extra={"source": source}, **limits)


def _difference(values: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    for name, value in values.items():
        default = defaults[name]
        if isinstance(value, dict) and isinstance(default, dict):
            inner = _difference(value, default)
            if inner:
                changed[name] = inner
        elif value != default:
            changed[name] = value
    return changed
