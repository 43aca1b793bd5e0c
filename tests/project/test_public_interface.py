"""`creditbench`, the public interface: light to import, and all that packages from outside import of this repository."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import creditbench
from tests.checkout import FIXTURES, ROOT

INTERNAL = {"algorithms", "benchmark", "tests"}
REFERENCE = ROOT / "results" / "reference"


def imported_packages(source: str) -> set[str]:
    """The top-level packages that a module imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def outside_sources() -> Iterator[tuple[str, str]]:
    """The Python of the example packages and of the documentation, with its place."""
    for package in ("plugin_package", "faulty_package"):
        for path in sorted((FIXTURES / package).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), path.read_text()
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))):
        for number, block in enumerate(re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.M | re.S)):
            yield f"{page.name}, block {number}", block


@pytest.mark.parametrize(("place", "source"), list(outside_sources()), ids=[place for place, _ in outside_sources()])
def test_packages_from_outside_import_creditbench_alone(place: str, source: str) -> None:
    assert not imported_packages(source) & INTERNAL


def test_the_examples_use_all_three_modules() -> None:
    text = "\n".join(source for _, source in outside_sources())
    for module in ("creditbench", "creditbench.methods", "creditbench.environments"):
        assert f"from {module} import" in text


def test_importing_it_loads_neither_torch_nor_numba() -> None:
    code = (
        "import sys, creditbench; print([name for name in ('torch', 'numba', 'pandas', 'matplotlib') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["creditbench", "creditbench.methods", "creditbench.environments"])
def test_the_names_of_a_module_are_those_it_imports_from_this_repository(name: str) -> None:
    module = import_module(name)
    public = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "").partition(".")[0] in {"creditbench", *INTERNAL}
    }
    assert public <= set(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


def test_records_are_loaded_in_the_order_of_their_paths() -> None:
    folder = REFERENCE / "alice_and_bob"
    records = creditbench.load_records(folder)
    paths = sorted(folder.rglob("record.json"))
    assert [record.fingerprint[:12] for record in records] == [path.parent.name.rpartition("-")[2] for path in paths]


def test_a_corrupt_record_is_named(tmp_path: Path) -> None:
    (source,) = sorted((REFERENCE / "alice_and_bob").rglob("record.json"))[:1]
    (tmp_path / "record.json").write_text(source.read_text().replace('"status":"ok"', '"status":"failed"'))
    with pytest.raises(creditbench.CorruptRecord, match=re.escape(str(tmp_path / "record.json"))):
        creditbench.load_records(tmp_path)


def test_an_environment_is_made_by_the_id_of_its_task() -> None:
    environment = creditbench.make_env("matrix/climbing", 3)
    environment.reset(np.arange(3, dtype=np.uint64))
    assert environment.running.tolist() == [True] * 3
    with pytest.raises(creditbench.UnknownName, match="matrix/climbing"):
        creditbench.make_env("matrix/climbin", 3)
