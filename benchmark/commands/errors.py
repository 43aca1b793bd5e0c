"""What a user can do wrong: said in one line, exit code 2, no traceback."""

from __future__ import annotations

from algorithms.entry_points import BrokenPlugin
from benchmark.experiment import ImpossibleRun
from benchmark.pipeline import ConfigError
from benchmark.plugins import UnknownName
from benchmark.records import CorruptRecord
from benchmark.suites import SuiteError
from benchmark.tasks import NoSimulator


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
