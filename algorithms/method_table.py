"""The built-in algorithms as a Markdown table, printed by `python -m algorithms.method_table`."""

from __future__ import annotations

from algorithms.registry import BUILT_IN, AlgorithmEntry

COLUMNS = ("name", "what it does", "reward regimes", "privileged data", "file", "source")


def method_table(entries: tuple[AlgorithmEntry, ...] = BUILT_IN) -> str:
    """One row per algorithm, in the order of the registry."""
    rows = [COLUMNS, ("---",) * len(COLUMNS), *map(_row, entries)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def file_of(entry: AlgorithmEntry) -> str:
    """The file that holds the method, relative to the folder of its package, e.g. "algorithms/redistribution/arel.py"."""
    return entry.module.replace(".", "/") + ".py"


def _row(entry: AlgorithmEntry) -> tuple[str, ...]:
    privileged = ", ".join(f"`{name}`" for name in entry.requires) or "none"
    return f"`{entry.name}`", entry.summary, ", ".join(entry.regimes), privileged, f"`{file_of(entry)}`", entry.source


if __name__ == "__main__":
    print(method_table(), end="")
