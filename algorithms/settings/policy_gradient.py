"""Settings of the on-policy learner and of its two plain instances, IPPO and MAPPO."""

from __future__ import annotations

from typing import Literal

from algorithms.settings.base import Settings, setting


class PolicyGradientSettings(Settings):
    """What every method on the on-policy learner shares."""
