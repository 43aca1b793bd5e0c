"""Study moved-starts.

Question: do SMAClite's policies win because they can fight, or because they know one battle by heart?
Design: every committed policy of a SMAClite battle (the best, and the final one where it is kept) plays fresh battles with
greedy and with sampled actions, on the map's fixed starts and with every unit moved by a uniform draw from [-w, w] in x and
in y. A share of battles won has Wilson's interval; means over policies are not weighted.
Predictions: with greedy actions on fixed starts, a policy that was trained on them wins nearly all battles or nearly none;
moving the starts by a tenth of a cell changes that share; policies trained on scattered starts win as often with starts that
are moved less.
Source: ours, after Ellis et al. 2023, arXiv 2212.07489 (SMACv2), who show that SMAC can be won by action sequences that do not
depend on what is seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from algorithms.seeds import derive
from benchmark.environments.tasks.registry import Task
from benchmark.environments.tasks.smaclite import SCATTER, SCATTERED
from benchmark.experiments.run_spec import ImpossibleRun
from benchmark.experiments.store import Store
from benchmark.experiments.study_result import Cell, Findings, Prediction, Progress, Table, Verdict
from benchmark.papers.toolkit.estimators import above, below, mean_interval, share
from benchmark.training.evaluation import Evaluator
from benchmark.training.trained_policy import FILES, PolicyFile, TrainedRun, load_trained

SEED = 2212
EPISODES, QUICK_EPISODES = 200, 20
WIDTHS = (0.0, 0.1, SCATTER)
"""Half-widths of the moves, in cells."""
MODES: tuple[Literal["greedy", "sample"], ...] = ("greedy", "sample")
EXTREME = 0.1
"""A share of battles won is extreme within this distance of 0 or 1; differences up to it are negligible."""

Condition = tuple[Literal["greedy", "sample"], float]


@dataclass(frozen=True)
class Won:
    """The shares of battles that one policy won, by mode and half-width of the moves."""

    run: TrainedRun
    policy_file: PolicyFile
    shares: dict[Condition, float]

    @property
    def scattered(self) -> bool:
        """Whether it was trained on scattered starts."""
        return self.run.spec.task.endswith(SCATTERED)


def study(quick: bool, progress: Progress) -> Findings:
    """Runs the study on the committed policies; `quick` plays few battles. Raises ImpossibleRun if there are none."""
    folder = Store().root / "results" / "reference" / "smaclite"
    policies = committed_policies(folder)
    if not policies:
        raise ImpossibleRun(f"{folder} holds no policies")
    episodes, won = QUICK_EPISODES if quick else EPISODES, []
    for number, (run, policy_file) in enumerate(policies):
        progress(number, len(policies), f"{run.spec.path} {policy_file}")
        won.append(Won(run, policy_file, shares(run, policy_file, episodes)))
    progress(len(policies), len(policies), "done")
    return findings(won, episodes)


def committed_policies(folder: Path) -> list[tuple[TrainedRun, PolicyFile]]:
    """Every policy below a folder of records, ordered by task, algorithm and seed. Raises CorruptRecord."""
    runs = [load_trained(path.parent) for path in sorted(folder.rglob("record.json"))]
    runs.sort(key=lambda run: (run.spec.task, run.spec.algorithm, run.spec.regime, run.spec.seed, run.spec.fingerprint))
    return [(run, name) for run in runs for name, file in FILES.items() if (run.folder / file).is_file()]


def with_moves(task: Task, width: float) -> Task:
    """The task with starts that are moved by at most `width` cells in x and in y."""
    assert task.native is not None
    return replace(task, native=replace(task.native, parameters={**task.native.parameters, "scatter": width}))


def shares(run: TrainedRun, policy_file: PolicyFile, episodes: int) -> dict[Condition, float]:
    """The share of battles won in each condition; battle k of equal widths starts alike in both modes."""
    won: dict[Condition, float] = {}
    for width in WIDTHS:
        evaluator = Evaluator(with_moves(run.task, width), "native", episodes, torch.device("cpu"))
        actor = run.algorithm(evaluator.team, torch.device("cpu"), policy_file)
        for mode in MODES:
            won[mode, width] = evaluator.evaluate(actor, mode, derive(SEED, "battles"), 0, 0).success_rate
        evaluator.close()
    return won


def findings(won: Sequence[Won], episodes: int) -> Findings:
    """Predictions and the table."""
    fixed = [each for each in won if not each.scattered]
    scattered = [each for each in won if each.scattered]
    predictions = (_by_heart(fixed), _moved(fixed), _robust(scattered))
    return Findings(
        design=(
            f"{len(won)} policies of {len({each.run.folder for each in won})} committed runs; {episodes} battles for each of "
            f"{len(MODES)} modes and {len(WIDTHS)} half-widths of the moves: {', '.join(map(str, WIDTHS))} cells."
        ),
        predictions=predictions,
        tables=(_table(won, episodes),),
    )


def _by_heart(fixed: Sequence[Won]) -> Prediction:
    extreme = [min(each.shares["greedy", 0.0], 1 - each.shares["greedy", 0.0]) <= EXTREME for each in fixed]
    expected = f"Greedy on fixed starts, most policies trained on them win at most {EXTREME:.0%} or at least {1 - EXTREME:.0%}."
    if not extreme:
        return _none(expected)
    interval = share(sum(extreme), len(extreme))
    return Prediction(expected=expected, found=f"{interval.text} of {len(extreme)} policies.", verdict=above(interval, 0.5))


def _moved(fixed: Sequence[Won]) -> Prediction:
    width = WIDTHS[1]
    expected = f"Moves of at most {width} cells change their greedy share of battles won by more than {EXTREME:.0%} on average."
    changes = [abs(each.shares["greedy", width] - each.shares["greedy", 0.0]) for each in fixed]
    if len(changes) < 2:
        return _none(expected)
    interval = mean_interval(changes)
    return Prediction(expected=expected, found=f"By {interval.text}.", verdict=above(interval, EXTREME))


def _robust(scattered: Sequence[Won]) -> Prediction:
    expected = (
        f"Trained on scattered starts, policies win with moves of at most {WIDTHS[1]} cells what they win with those of "
        f"{SCATTER}: the greedy shares differ by less than {EXTREME:.0%} on average."
    )
    changes = [abs(each.shares["greedy", WIDTHS[1]] - each.shares["greedy", SCATTER]) for each in scattered]
    if len(changes) < 2:
        return _none(expected)
    interval = mean_interval(changes)
    return Prediction(expected=expected, found=f"By {interval.text}.", verdict=below(interval, EXTREME))


def _none(expected: str) -> Prediction:
    undecided: Verdict = "undecided"
    return Prediction(expected=expected, found="Too few such policies are committed.", verdict=undecided)


def _table(won: Sequence[Won], episodes: int) -> Table:
    conditions = [(mode, width) for mode in MODES for width in WIDTHS]
    names = [f"{mode}, {f'moved by {width}' if width else 'fixed'}" for mode, width in conditions]
    rows: list[list[Cell]] = []
    for each in won:
        spec = each.run.spec
        head: list[Cell] = [spec.task, spec.algorithm, spec.regime, spec.seed, f"{each.policy_file}, {spec.evaluation.scored}"]
        rows.append([*head, *(each.shares[condition] for condition in conditions)])
    return Table.of(
        f"Share of {episodes} battles won. A share of 0.5 has a 95 % interval of ±{_half_width(episodes):.2f}.",
        ["trained on", "algorithm", "reward", "seed", "policy", *names],
        rows,
    )


def _half_width(episodes: int) -> float:
    interval = share(episodes // 2, episodes)
    return (interval.high - interval.low) / 2
