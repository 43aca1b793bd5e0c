"""How many bytes a record may have, and how many each part of it takes at most.

A schedule whose record could be larger is refused before the run is trained, so the record of a permitted run always fits. The
bounds are those of canonical JSON: a floating-point number has up to 24 characters, a count of steps 16.
"""

from __future__ import annotations

from typing import NamedTuple

MAXIMUM_BYTES = 200_000

SPEC_BYTES, SOURCE_BYTES = 4000, 1000
"""Of the specification, and of the text that says where the settings come from."""
BYTES_BESIDE_THE_OUTCOME = 10_000
"""Reserved for the rest of a record: specification, origin and execution."""

MAXIMUM_MONITORS, MONITOR_NAME_BYTES = 24, 60
"""As many monitors an algorithm may report, with such names; the methods here have up to 19."""
MAXIMUM_MEASUREMENTS = 5
"""Of credit; see credit_measurements.quarter_points."""

_NUMBER, _COUNT, _TRUTH, _STEPS_OF_AN_EPISODE = 24, 16, len("false"), 4
_POINT = len('{"lengths":[],"returns":[],"step":,"steps_done":,"successes":[]},') + 2 * _COUNT
_INTERVAL = len('{"episodes":,"mean_length":,"mean_return":,"step":,"success_rate":},') + 2 * _COUNT + 3 * _NUMBER
_AGREEMENT = len('{"auroc":,"density":,"f1":,"oracle":"state and reward","precision":,"recall":},') + 5 * _NUMBER
_MEASUREMENT = (
    len('{"agreement":[],"density":,"drawn":null,"episodes":,"kind":"graph","mean_claimed":null,"mean_true":null,')
    + len('"step":,"steps_done":},')
    + 4 * _AGREEMENT
    + _NUMBER
    + 3 * _COUNT
)
_REST = 500
"""Names of the outcome's parts, its status, its steps, and the reason of a failure, which names a monitor."""


class Evaluations(NamedTuple):
    """What of a schedule decides the size of a record. `modes`: how often every evaluation is played."""

    points: int
    episodes: int
    absolute_episodes: int
    modes: int


def largest_record(schedule: Evaluations, horizon: int = 0) -> int:
    """The most bytes that the record of a run may have, without pictures of its measurements of credit.

    `horizon`: of the task. Up to 9999 it makes no difference.
    """
    steps = max(_STEPS_OF_AN_EPISODE, len(str(horizon)))
    episode = _NUMBER + _TRUTH + steps + len(",,,")
    evaluated = (schedule.points + 1) * _POINT + (schedule.points * schedule.episodes + schedule.absolute_episodes) * episode
    interval = _INTERVAL + MAXIMUM_MONITORS * (_NUMBER + len(","))
    return (
        BYTES_BESIDE_THE_OUTCOME
        + _REST
        + schedule.modes * evaluated
        + (schedule.points - 1) * interval
        + MAXIMUM_MONITORS * (MONITOR_NAME_BYTES + len('"":[],'))
        + MAXIMUM_MEASUREMENTS * _MEASUREMENT
    )


def size_problem(schedule: Evaluations, horizon: int = 0) -> str | None:
    """Why the record of such a run might not fit; None if it always fits."""
    size = largest_record(schedule, horizon)
    if size <= MAXIMUM_BYTES:
        return None
    twice = ", each sampled and greedy," if schedule.modes == 2 else ""
    return (
        f"the record of {schedule.points} points of {schedule.episodes} episodes and {schedule.absolute_episodes} absolute "
        f"ones{twice} may take {size} bytes; allowed are {MAXIMUM_BYTES}: choose fewer points or episodes"
    )
