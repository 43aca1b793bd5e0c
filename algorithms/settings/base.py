"""What all settings share: unknown names refused, a line of text and a source for each default."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Base of all settings. Immutable; a misspelt name is an error, and nothing is converted: a boolean or a text is no number.

    A setting that is a tuple needs `setting(…, strict=False)`: settings files have lists.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, strict=True)

    def changed(self) -> dict[str, Any]:
        """The settings that differ from the defaults, nested ones as nested dictionaries, ready for JSON."""
        return _difference(self.model_dump(mode="json"), type(self)().model_dump(mode="json"))

    def model_work(self, n_agents: int, horizon: int, episodes: float) -> float:
        """Multiplications spent on models beside actors and critics (a reward model, say) when training on so many episodes:
        what planning prices where no record tells."""
        return 0.0

    def refusal(self, n_agents: int) -> str | None:
        """Why no team of so many agents can be trained with these settings; None if it can."""
        return None


def setting(default: Any, text: str, source: str, **limits: Any) -> Any:
    """A field with its one-line explanation and where its default comes from. `limits`: pydantic's (gt, ge, le …)."""
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
