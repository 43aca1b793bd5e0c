"""Every package is pinned, every module is in the wheel, and no path of a machine is in the repository."""

from __future__ import annotations

import re
import subprocess
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# What creates an environment and is not installed by it, and the optional packages of docs/cluster.md, added by hand.
TOOLS = {"pip", "setuptools", "wheel", "uv", "creditbench"}
BY_HAND = {"smaclite", "gfootball", "rtree", "scikit-learn", "joblib", "threadpoolctl", "opencv-python-headless", "six"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned() -> dict[str, set[str]]:
    pins: dict[str, set[str]] = {}
    for line in PROJECT["tool"]["uv"]["constraint-dependencies"]:
        name, _, rest = line.partition("==")
        pins.setdefault(normal(name), set()).add(rest.partition(";")[0].strip())
    return pins


def tracked_files() -> list[str]:
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listing.returncode != 0:
        pytest.skip("not a git checkout")
    return listing.stdout.splitlines()


def test_every_installed_distribution_has_its_pin() -> None:
    pins = pinned()
    unpinned = []
    for distribution in distributions():
        name = normal(distribution.metadata["Name"])
        if name not in TOOLS | BY_HAND and distribution.version.partition("+")[0] not in pins.get(name, set()):
            unpinned.append(f"{name}=={distribution.version}")
    assert not unpinned, f"not pinned in pyproject.toml: {sorted(unpinned)}"


def test_every_direct_dependency_is_pinned() -> None:
    pins = pinned()
    requirements = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]
    for extra in PROJECT["project"]["optional-dependencies"].values():
        requirements += extra
    missing = [line for line in requirements if normal(re.match(r"[\w.-]+", line)[0]) not in pins]
    assert not missing


def test_no_lock_file_is_tracked() -> None:
    locks = re.compile(r"(^|/)(uv\.lock|poetry\.lock|Pipfile\.lock|package-lock\.json)$")
    assert not [path for path in tracked_files() if locks.search(path)]


def test_no_path_of_a_machine_is_tracked() -> None:
    pattern = re.compile(r"(^|[^A-Za-z0-9_.])/(work|root|home|opt|farm)/[a-zA-Z]")
    lines = []
    for path in tracked_files():
        file = ROOT / path
        if file.suffix in {".npz", ".safetensors", ".png", ".gif", ".pdf"} or not file.is_file():
            continue
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
            if pattern.search(line):
                lines.append(f"{path}:{number}")
    assert not lines


def test_the_wheel_has_every_package_of_the_repository() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert packages == set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert packages == set(PROJECT["tool"]["importlinter"]["root_packages"]) == set(PROJECT["tool"]["mypy"]["packages"])
