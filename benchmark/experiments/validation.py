"""The base of all models of suites, runs, records and study results."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """Immutable; unknown keys, NaN and infinity are errors, and nothing is converted: a boolean or a text is no number.

    An integer is accepted for a float. A model that is read from YAML, whose sequences are lists, declares its tuples with
    `Field(strict=False)`; JSON needs no such exception.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)
