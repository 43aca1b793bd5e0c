"""What depends on how far a run is: learning rates, and the phase that is logged of each update."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from algorithms.policy_gradient.learner import PolicyGradient
from benchmark.experiments.run_spec import ImpossibleRun, RunSpec, resolve
from benchmark.training.run import Run
from tests.fixtures.known_toys import known_toys  # noqa: F401
from tests.fixtures.train_toy import same

pytestmark = pytest.mark.usefixtures("known_toys")

MODEL = {"width": 4, "heads": 1, "batch_episodes": 4, "warm_up_episodes": 16, "gradient_steps_per_episode": 0.1}
LINEAR = {"learning_rate": 0.003, "critic_learning_rate": 0.001, "learning_rate_schedule": "linear"}
SMALL = {"episodes_per_update": 8, "hidden_size": 4}


def spec_of(algorithm: str, regime: str, budget: int = 250, time_limit: str = "terminal", **settings: Any) -> RunSpec:
    return resolve(
        task="toy/signs",
        algorithm=algorithm,
        regime=regime,  # type: ignore[arg-type]
        seed=0,
        budget=budget,
        settings={**SMALL, **settings},
        time_limit=time_limit,  # type: ignore[arg-type]
    )


def warming_up(**settings: Any) -> RunSpec:
    """Its first two updates are warm-up."""
    return spec_of("mappo+stas", "episodic", redistribution={**MODEL, "fit_interval": 1}, **settings)


def rates(run: Run) -> tuple[float, float]:
    """The learning rates of actor and critic."""
    assert isinstance(run.algorithm, PolicyGradient)
    return run.algorithm._optimiser.learning_rate, run.algorithm.estimator._optimiser.learning_rate  # type: ignore[attr-defined]


def test_a_linear_learning_rate_reaches_zero_at_the_budget_whatever_part_was_warm_up() -> None:
    run = Run(warming_up(**LINEAR), torch.device("cpu"))
    phases = []
    while run.steps_done < run.spec.budget:
        left = 1 - run.steps_done / run.spec.budget
        assert rates(run) == pytest.approx((0.003 * left, 0.001 * left))
        phases.append(run.advance().phase)
    assert phases[:3] == ["warm-up", "warm-up", "training"]
    assert rates(run) == (0.0, 0.0)
    run.close()


def test_a_resumed_run_goes_on_with_the_learning_rate_of_its_step() -> None:
    spec = warming_up(**LINEAR)
    run, resumed = (Run(spec, torch.device("cpu")) for _ in range(2))
    for _ in range(3):
        run.advance()
    resumed.load_state_dict(copy.deepcopy(run.state_dict()))
    assert rates(resumed) == rates(run)
    assert resumed.advance().monitors == run.advance().monitors
    assert same(resumed.algorithm.policy_state(), run.algorithm.policy_state())
    for each in (run, resumed):
        each.close()


@pytest.mark.parametrize("algorithm", ["mappo+stas", "ippo+ircr", "ippo+uniform"])
def test_an_update_is_called_warm_up_if_and_only_if_the_policy_learned_nothing(algorithm: str) -> None:
    settings = {"redistribution": {**MODEL, "fit_interval": 1}} if algorithm == "mappo+stas" else {}
    run = Run(spec_of(algorithm, "episodic", **settings), torch.device("cpu"))
    phases = []
    for _ in range(4):
        before = {name: tensor.clone() for name, tensor in run.algorithm.policy_state().items()}
        phase = run.advance().phase
        assert phase == ("warm-up" if same(before, run.algorithm.policy_state()) else "training")
        phases.append(phase)
    assert ("warm-up" in phases) == (algorithm == "mappo+stas")
    run.close()


@pytest.mark.parametrize("algorithm", ["ippo", "mappo+dg", "ippo+stas"])
def test_no_value_is_bootstrapped_that_a_critic_of_the_time_cannot_learn(algorithm: str) -> None:
    """At the time limit the critic sees time 1, and it is fitted at the steps before, whose times are below 1."""
    regime = "episodic" if "stas" in algorithm else "individual"
    with pytest.raises(ImpossibleRun, match=r"cannot be trained on toy/signs: .* needs critic_sees_time: false"):
        spec_of(algorithm, regime, time_limit="bootstrap", critic_sees_time=True)
    allowed = spec_of(algorithm, regime, time_limit="bootstrap", critic_sees_time=False)
    assert (allowed.time_limit, allowed.resolved_settings().critic_sees_time) == ("bootstrap", False)  # type: ignore[attr-defined]
