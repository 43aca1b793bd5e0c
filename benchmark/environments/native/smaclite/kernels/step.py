"""All rows of a batch: start episodes, advance them, pay rewards and say how they ended."""

from __future__ import annotations

from benchmark.environments.native.smaclite.constants import (
    ENERGY,
    HP,
    MAX_HP,
    MAX_SHIELD,
    SHIELD,
    START_ENERGY,
    START_X,
    START_Y,
    WIN_REWARD,
    X,
    Y,
)
from benchmark.environments.native.smaclite.kernels.frame import run_step
from benchmark.environments.native.smaclite.kernels.geometry import kernel
from benchmark.environments.native.smaclite.kernels.observation import write_available, write_observation, write_state
from benchmark.environments.native.smaclite.kernels.starts import scatter_units


@kernel
def start_rows(count, units, targets, streams, scatter, rules, no_actions, observation, state, available, alive):
    """Puts the units of rows 0..count-1 at their start positions, with full health, loaded and without targets.

    `scatter`: see starts.scatter_units; 0 draws nothing.
    """
    for row in range(count):
        unit = units[row]
        unit[:] = 0.0
        unit[X] = rules.stats[START_X]
        unit[Y] = rules.stats[START_Y]
        if scatter > 0.0:
            scatter_units(unit, streams[row], scatter, rules)
        unit[HP] = rules.stats[MAX_HP]
        unit[SHIELD] = rules.stats[MAX_SHIELD]
        unit[ENERGY] = rules.stats[START_ENERGY]
        targets[row] = -1
        write_row(unit, rules, no_actions, observation[row], state[row], available[row], alive[row])


@kernel
def write_row(units, rules, actions, observation, state, available, alive):
    """Everything that is seen of one row."""
    write_available(units, rules, available)
    write_observation(units, rules, available, observation)
    write_state(units, rules, actions, state)
    for agent in range(len(rules.allies)):
        alive[agent] = units[HP, rules.allies[agent]] > 0.0


@kernel
def any_alive(units, members):
    for unit in members:
        if units[HP, unit] > 0.0:
            return True
    return False


@kernel
def pay(points, won, lost, rules, individual):
    """The team's reward of one step; fills individual [N], which sums to it.

    An agent gets the points of its unit's attacks and its part of the bonus for the victory; what nobody of the team has
    earned (enemies that blow themselves up) is split equally. `released` reproduces the defect of the code
    released with the dependence graphs: the points of unit u go to agent u if there is one, whichever team the unit is in,
    and are split equally otherwise.
    """
    agents = len(rules.allies)
    if rules.sparse:
        team = 1.0 if won else -1.0 if lost else 0.0
        individual[:] = team / agents
        return team
    total = 0.0
    for unit in range(len(points)):
        total += points[unit]
    if won:
        total += WIN_REWARD
    rest = total
    for agent in range(agents):
        own = points[agent if rules.released else rules.allies[agent]]
        individual[agent] = own / rules.reward_scale
        rest -= own
    share = rest / agents / rules.reward_scale
    for agent in range(agents):
        individual[agent] += share
    return total / rules.reward_scale


@kernel
def step_rows(
    actions, units, targets, streams, steps, imposed, rules, memory,
    observation, state, available, alive, running, team_reward, individual_reward, terminated, truncated, success,
):  # fmt: skip
    """Advances every running row. imposed [B, 0 or 8, U]: see frame.run_step."""
    for row in range(len(running)):
        team_reward[row] = 0.0
        individual_reward[row] = 0.0
        if not running[row]:
            continue
        run_step(actions[row], units[row], targets[row], streams[row], steps[row] == 0, imposed[row], rules, memory)
        steps[row] += 1
        write_row(units[row], rules, actions[row], observation[row], state[row], available[row], alive[row])
        won = not any_alive(units[row], rules.enemies)
        lost = not won and not any_alive(units[row], rules.allies)
        gone = won or not any_alive(units[row], rules.allies)
        team_reward[row] = pay(memory.points, won, lost, rules, individual_reward[row])
        terminated[row] = gone
        truncated[row] = not gone and steps[row] >= rules.horizon
        success[row] = won
        if gone or truncated[row]:
            running[row] = False
            available[row] = False
            available[row, :, 0] = True
