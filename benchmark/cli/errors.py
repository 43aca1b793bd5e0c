"""What a user can do wrong: said in one line, exit code 2, no traceback."""

from __future__ import annotations

from algorithms.plugins import BrokenPlugin, UnknownName
from benchmark.environments.tasks.registry import NoSimulator
from benchmark.experiments.record import CorruptRecord
from benchmark.experiments.run_spec import ImpossibleRun
from benchmark.experiments.suite import SuiteError
from benchmark.workflow.pipeline import ConfigError


class BadInput(ValueError):
    """An argument that cannot be used. The message says why and what is allowed."""


USER_ERRORS = (
    BadInput,
    BrokenPlugin,
    ConfigError,
    CorruptRecord,
    ImpossibleRun,
    NoSimulator,
    SuiteError,
    UnknownName,
)
