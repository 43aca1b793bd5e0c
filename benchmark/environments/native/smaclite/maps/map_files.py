"""Maps, unit types and terrain: the format of the data files, and errors that name the field and what is allowed.

A map is one YAML file. Those that come with CreditBench lie in `data/maps`; a user's are found by their path or in the folder
that the environment variable CREDITBENCH_SMACLITE_MAPS names. data/README.md describes the format.
"""

from __future__ import annotations

import os
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from algorithms.plugins import UserError
from benchmark.environments.input_files import InvalidYaml, problem_lines, read_yaml
from benchmark.environments.native.smaclite.constants import BOARD

DATA = Path(__file__).parent / "data"
MAPS_VARIABLE = "CREDITBENCH_SMACLITE_MAPS"
FREE, WALL = ".", "#"
MOST_UNITS = 200

Attribute = Literal["light", "armored", "biological", "mechanical", "massive", "structure"]
Plane = Literal["ground", "air"]
Positive = Annotated[float, Field(gt=0, le=1e6)]
NotNegative = Annotated[float, Field(ge=0, le=1e6)]
Coordinate = Annotated[float, Field(ge=0, le=BOARD)]


Model = TypeVar("Model", bound=BaseModel)


class MapError(UserError):
    """A map, unit or terrain file that cannot be used. The message names file, field and what is allowed."""


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


class UnitType(_Checked):
    """One type of unit. Times in seconds, distances in cells, rates per second; `size` is the diameter."""

    hit_points: Positive
    shield: NotNegative = 0
    armor: NotNegative = 0
    damage: NotNegative
    attacks: Annotated[int, Field(ge=1, le=10)] = 1
    cooldown: NotNegative
    range: NotNegative
    scan_range: NotNegative = 5
    speed: NotNegative
    size: Annotated[float, Field(gt=0, le=8)]
    plane: Plane = "ground"
    attributes: tuple[Attribute, ...] = Field(default=(), strict=False)
    bonus: dict[Attribute, NotNegative] = {}
    targets: tuple[Plane, ...] = Field(strict=False, min_length=1)
    regeneration: NotNegative = 0
    role: Literal["fighter", "healer", "exploding", "beam"] = "fighter"
    energy: NotNegative = 0
    max_energy: NotNegative = 0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.bonus.values())) > 1:
            raise ValueError("bonus: one amount for all its attributes")
        if self.role == "healer" and self.max_energy <= 0:
            raise ValueError("max_energy: a healer needs more than 0")
        if self.energy > self.max_energy:
            raise ValueError(f"energy: at most max_energy, {self.max_energy}")
        if self.role != "healer" and self.cooldown <= 0:
            raise ValueError("cooldown: more than 0 unless role is healer")
        return self


class UnitCount(_Checked):
    """Some units of one type, placed one after the other."""

    type: str
    count: Annotated[int, Field(ge=1, le=MOST_UNITS)]


class Group(_Checked):
    """Units of one team that start together around `position`."""

    team: Literal["ally", "enemy"]
    position: tuple[Coordinate, Coordinate] = Field(strict=False)
    units: tuple[UnitCount, ...] = Field(strict=False, min_length=1)


class MapFile(_Checked):
    """A map as its file says it. `terrain` is a name or 32 rows of text; `units` adds types to the shipped ones."""

    description: str = ""
    terrain: str
    attack_point: tuple[Coordinate, Coordinate] = Field(strict=False)
    episode_limit: Annotated[int, Field(ge=1, le=100_000)]
    observed_types: tuple[str, ...] = Field(default=(), strict=False)
    units: dict[str, UnitType] = {}
    groups: tuple[Group, ...] = Field(strict=False, min_length=2)


class Map(_Checked):
    """A checked map: every unit type known and the terrain read. `walls` are rows of text, the top row (y = 31) first."""

    name: str
    description: str
    walls: tuple[str, ...]
    attack_point: tuple[float, float]
    episode_limit: int
    observed_types: tuple[str, ...]
    groups: tuple[Group, ...]
    types: dict[str, UnitType]

    def units(self, team: Literal["ally", "enemy"]) -> list[str]:
        """The types of a team's units, in the order of their numbers in the team."""
        return [unit for group in self.groups if group.team == team for unit in expand(group)]


def expand(group: Group) -> list[str]:
    """One type name for each unit of a group, in order of placement."""
    return [entry.type for entry in group.units for _ in range(entry.count)]


def agent_types(battle: Map) -> tuple[int, ...]:
    """[N] the type of every ally: numbered by first appearance."""
    units = battle.units("ally")
    order = list(dict.fromkeys(units))
    return tuple(order.index(name) for name in units)


def shipped_maps() -> tuple[str, ...]:
    """Names of the maps that come with CreditBench."""
    return tuple(sorted(path.stem for path in (DATA / "maps").glob("*.yaml")))


def find_map(name: str) -> Path | None:
    """The file of a map: a path ending in .yaml, a shipped name, or a name in the user's folder; None if there is none."""
    if name.endswith(".yaml"):
        return Path(name) if Path(name).is_file() else None
    if name in shipped_maps():
        return DATA / "maps" / f"{name}.yaml"
    folder = os.environ.get(MAPS_VARIABLE)
    path = Path(folder or ".") / f"{name}.yaml"
    return path if folder and Path(name).name == name and path.is_file() else None


def load_map(name: str) -> Map:
    """The map of that name or path. Raises MapError."""
    path = find_map(name)
    if path is None:
        raise MapError(
            f"There is no SMAClite map '{name}'. Allowed: {', '.join(shipped_maps())}, the path of a .yaml file, "
            f"or the name of one in the folder {MAPS_VARIABLE}."
        )
    return parse_map(_read_yaml(path), path.stem)


def parse_map(content: Any, name: str) -> Map:
    """Checks what a map file says. Raises MapError that names the map and every wrong field."""
    file = _validate(MapFile, content, f"map {name}")
    types = {**unit_types(), **file.units}
    problems = []
    for number, group in enumerate(file.groups):
        for index, entry in enumerate(group.units):
            if entry.type not in types:
                problems.append(f"groups.{number}.units.{index}.type: '{entry.type}' is none of {', '.join(sorted(types))}")
    used = Counter(entry.type for group in file.groups for entry in group.units)
    observed = file.observed_types
    if observed and (len(set(observed)) != len(observed) or set(observed) != set(used)):
        problems.append(f"observed_types: leave it out, or name each type of the map once: {', '.join(sorted(used))}")
    for team in ("ally", "enemy"):
        if not any(group.team == team for group in file.groups):
            problems.append(f"groups: needs at least one whose team is {team}")
    total = sum(entry.count for group in file.groups for entry in group.units)
    if total > MOST_UNITS:
        problems.append(f"groups: {total} units in all, allowed are {MOST_UNITS}")
    if problems:
        raise MapError(_message(f"map {name}", problems))
    return Map(
        name=name,
        description=file.description,
        walls=terrain_rows(file.terrain, f"map {name}"),
        attack_point=file.attack_point,
        episode_limit=file.episode_limit,
        observed_types=observed,
        groups=file.groups,
        types={kind: types[kind] for kind in used},
    )


@cache
def unit_types() -> dict[str, UnitType]:
    """The unit types that come with CreditBench."""
    content = _read_yaml(DATA / "units.yaml")
    return {name: _validate(UnitType, fields, f"units.yaml: {name}") for name, fields in content.items()}


def terrain_rows(terrain: str, source: str) -> tuple[str, ...]:
    """32 rows of `.` (free) and `#` (wall), top row first, from a shipped terrain's name or from the text itself."""
    text = terrain
    if "\n" not in terrain:
        known = sorted(path.stem for path in (DATA / "terrain").glob("*.txt"))
        if terrain not in known:
            raise MapError(f"{source}: terrain: '{terrain}' is none of {', '.join(known)}, nor {BOARD} rows of text")
        text = (DATA / "terrain" / f"{terrain}.txt").read_text(encoding="utf-8")
    rows = tuple(row.strip() for row in text.strip().split("\n"))
    if len(rows) != BOARD:
        raise MapError(f"{source}: terrain: needs {BOARD} rows, got {len(rows)}")
    for number, row in enumerate(rows):
        if len(row) != BOARD or set(row) - {FREE, WALL}:
            raise MapError(
                f"{source}: terrain: row {number + 1} needs {BOARD} characters, each '{FREE}' or '{WALL}', got '{row}'"
            )
    return rows


def _read_yaml(path: Path) -> Any:
    try:
        return read_yaml(path)
    except InvalidYaml as error:
        raise MapError(f"{path.name}: cannot be read as YAML: {error}") from error


def _validate(model: type[Model], content: Any, source: str) -> Model:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise MapError(_message(source, problem_lines(error))) from error


def _message(source: str, problems: list[str]) -> str:
    return f"{source}: " + "; ".join(problems)
