"""The table of tasks in docs/protocol.md says what the registry says."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

from algorithms.plugins import load
from benchmark.environments.tasks.registry import FAMILIES, Task, get_task

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"
HEADER = "| tasks | random starts | random dynamics | horizon | success | score |\n|---|---|---|---|---|---|\n"


def rows() -> list[tuple[list[str], list[str]]]:
    """Patterns of ids and the other cells of each row."""
    table = PAGE.read_text(encoding="utf-8").partition(HEADER)[2].partition("\n\n")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return [(re.findall("`(.*?)`", tasks), rest) for tasks, *rest in cells]


def in_words(tasks: list[Task]) -> list[str]:
    """The cells of a row that these tasks make; several values of one cell would show as such."""
    values = [
        {"yes" if task.random_starts else "no" for task in tasks},
        {"yes" if task.random_dynamics else "no" for task in tasks},
        {task.horizon for task in tasks},
        {task.success for task in tasks},
        {task.score for task in tasks},
    ]
    return [", ".join(map(str, sorted(cell))) for cell in values]  # type: ignore[type-var]


def test_every_listed_task_is_in_the_table_as_the_registry_has_it() -> None:
    table = rows()
    members: list[list[Task]] = [[] for _ in table]
    for family in map(load, FAMILIES):
        for name in family.names:
            fitting = [number for number, (patterns, _) in enumerate(table) if any(fnmatchcase(name, p) for p in patterns)]
            assert fitting, name
            members[fitting[0]].append(get_task(name))
    for (patterns, cells), tasks in zip(table, members, strict=True):
        assert tasks, patterns
        assert cells == in_words(tasks), patterns
