"""Statements of a suite about its variants: claims, each with a test, and ablations, each with an expectation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from benchmark.experiments.validation import Strict

Measure = Literal["final", "area"]
"""What is compared: the final score, or the area under the learning curve (the mean over the evaluation points)."""


class Claim(Strict):
    """A published statement and its test. `kind` decides which fields are needed (see benchmark.analysis.findings.claims)."""

    id: str
    statement: str
    source: str
    kind: Literal["at_least", "better", "share_at_most"]
    measure: Measure = "final"
    variant: str
    task: str | None = None
    value: float | None = None
    than: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> Claim:
        needed = {"at_least": ("value",), "better": ("than",), "share_at_most": ("value", "than")}[self.kind]
        for name in needed:
            if getattr(self, name) is None:
                raise ValueError(f"a claim of kind {self.kind} needs '{name}'")
        if self.kind == "share_at_most" and self.measure != "final":
            raise ValueError("a claim of kind share_at_most is about final scores; it has no other measure")
        return self


class Ablation(Strict):
    """Compares `variants` with the `base` from which each differs in one thing, on `task` or on every task.

    `expected`: the prediction of `source`, a paper or a specification. `measure`: what is compared.
    """

    id: str
    title: str
    question: str
    base: str
    variants: tuple[str, ...] = Field(min_length=1, strict=False)
    expected: str
    source: str
    measure: Measure = "final"
    task: str | None = None

    @model_validator(mode="after")
    def _each_once(self) -> Ablation:
        named = (self.base, *self.variants)
        twice = next((name for name in named if named.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"'{twice}' stands twice among base and variants")
        return self
