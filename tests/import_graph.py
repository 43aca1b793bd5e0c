"""Prints which room imports which, top layer first: `uv run python -m tests.import_graph`.

Rooms are the layers of the import-linter contract in pyproject.toml; in brackets, how many modules of the room do so.
Exits with 1 if a room imports from one above it.
"""

import re
import tomllib
from pathlib import Path

import grimp


def room_imports() -> dict[str, dict[str, int]]:
    """Per room, in layer order, the other rooms it imports from, with the number of its modules that do."""
    contract = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["tool"]["importlinter"]
    rooms = next(entry["layers"] for entry in contract["contracts"] if entry["type"] == "layers")
    graph = grimp.build_graph(*contract["root_packages"], cache_dir=None)
    imports = {}
    for room in rooms:
        modules = {room, *graph.find_descendants(room)}
        by_module = [" ".join(graph.find_modules_directly_imported_by(module)) for module in modules]
        counts = {other: sum(re.search(rf"\b{other}\b", names) is not None for names in by_module) for other in rooms}
        imports[room] = {other: count for other, count in counts.items() if count and other != room}
    return imports


def main() -> int:
    imports = room_imports()
    rooms = list(imports)
    for room, imported in imports.items():
        print(f"{room:23} -> {', '.join(f'{name} ({count})' for name, count in imported.items()) or 'no other room'}")
    upward = [f"{room} -> {name}" for room in rooms for name in imports[room] if rooms.index(name) < rooms.index(room)]
    print(f"upward arrows: {', '.join(upward)}" if upward else "no upward arrow")
    return 1 if upward else 0


if __name__ == "__main__":
    raise SystemExit(main())
