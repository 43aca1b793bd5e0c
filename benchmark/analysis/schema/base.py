"""What every part of the model is made of: strict models, numbers with intervals, the words of a standing and a verdict."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Status = Literal["ranked", "preliminary", "unranked"]
Verdict = Literal["supported", "not supported", "undecided"]
Numbers = tuple[float | None, ...]


class Model(BaseModel):
    """Frozen; a field that nobody knows and a number that is not finite are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Interval(Model):
    """Two-sided, 95 %."""

    low: float
    high: float


class Estimate(Model):
    """A number and how sure it is.

    `interval` is None where there is none to give: of fewer than five runs, whose single numbers are then in `runs` where
    the number is one of theirs or its like over the tasks; or of runs without any spread, where nothing bounds it.
    """

    value: float
    interval: Interval | None
    runs: tuple[float, ...] = ()


class Summary(Model):
    """Of one number per run, over seeds: n runs, mean (t interval), IQM (stretched bootstrap), sd (None for one run), extremes.

    `mean`, `sd`, `iqm`, `minimum`, `maximum` are None where there is no run, or one without a value.
    """

    n: int
    mean: Estimate | None
    sd: float | None
    iqm: Estimate | None
    minimum: float | None
    maximum: float | None
