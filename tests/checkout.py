"""A fresh checkout of this repository, packages to add to it, and its pipeline: for tests of the whole."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
FIXTURES = Path(__file__).parent / "fixtures"
EXAMPLE = FIXTURES / "plugin_package"
FAULTY = FIXTURES / "faulty_package"


def install(site: Path, *packages: Path) -> Path:
    """Installs packages into a folder as pip would, without a network: their modules, and the metadata of entry points."""
    for package in packages:
        project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
        for module in package.iterdir():
            if module.is_dir() and module.name != "__pycache__":
                shutil.copytree(module, site / module.name, ignore=shutil.ignore_patterns("__pycache__"))
        name = project["name"].replace("-", "_")
        metadata = site / f"{name}-{project['version']}.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
        lines = []
        for group, entries in project["entry-points"].items():
            lines += [f"[{group}]", *(f"{entry} = {target}" for entry, target in entries.items()), ""]
        (metadata / "entry_points.txt").write_text("\n".join(lines))
    return site


@dataclass
class Checkout:
    """A copy of the working tree: what git tracks or would track."""

    folder: Path
    site: Path | None = None
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def fresh(cls, folder: Path, *packages: Path) -> Checkout:
        """Skips the test where there is no git checkout to copy."""
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if listing.returncode != 0:
            pytest.skip("not a git checkout")
        copy = folder / "checkout"
        for name in listing.stdout.split("\0"):
            source = ROOT / name
            # Results are large and belong to no test; tests are not part of what is tested here.
            if name and source.is_file() and not name.startswith(("results/", "tests/")):
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, copy / name)
        return cls(copy, install(folder / "site", *packages) if packages else None)

    def _environment(self) -> dict[str, str]:
        paths = [str(self.folder), *([str(self.site)] if self.site else [])]
        # Processes are many and short: without bytecode files, each would compile all of torch's sources.
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return {**inherited, "PYTHONPATH": os.pathsep.join(paths), **self.environment}

    def start(self, *command: str) -> subprocess.Popen[str]:
        """`python -m command…` in the checkout, in a session of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=self.folder,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """`python -m command…`, to its end."""
        process = self.start(*command)
        output, _ = process.communicate(timeout=600)
        return subprocess.CompletedProcess(command, process.returncode, output)

    def pipeline(self, *arguments: str, cores: int = 2, suites: str = "mine.yaml") -> subprocess.CompletedProcess[str]:
        """`snakemake` as in README, on the suites of the test."""
        return self.run("snakemake", "--cores", str(cores), *arguments, "--config", f"suites=[{suites}]")

    def creditbench(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("benchmark.cli", *arguments)

    def planned(self, *arguments: str, suites: str = "mine.yaml", retrain: bool = False) -> list[str]:
        """The variants of the runs that the pipeline would train, sorted."""
        options = ["--config", f"suites=[{suites}]", f"retrain={str(retrain).lower()}"]
        result = self.run("snakemake", "-n", "--cores", "2", *arguments, *options)
        assert result.returncode == 0, result.stdout
        assert "Building DAG of jobs" in result.stdout
        return sorted(re.findall(r"^Job \d+: train (\S+) on ", result.stdout, re.M))

    def write_suite(self, name: str = "mine", **changes: Any) -> None:
        """A suite of runs of a second or two."""
        suite = {
            "name": name,
            "title": "Mine",
            "description": "For a test.",
            "tasks": [{"task": "example/signals", "budget": 3000}],
            "variants": {"plain": {"algorithm": "reinforce"}},
            "seeds": [0, 1],
            "evaluation": {"points": 3, "episodes": 8, "absolute_episodes": 16},
        } | changes
        (self.folder / f"{name}.yaml").write_text(yaml.safe_dump(suite))

    def records(self, kind: str = "runs") -> dict[str, dict[str, Any]]:
        """The records that are there, by their path below results/<kind>."""
        root = self.folder / "results" / kind
        return {
            path.parent.relative_to(root).as_posix(): json.loads(path.read_text())
            for path in sorted(root.glob("**/record.json"))
        }

    def aggregated(self) -> dict[str, Any]:
        """The aggregate of the one suite that was run."""
        content: dict[str, Any] = json.loads((self.folder / "results" / "aggregate" / "aggregate.json").read_text())
        return content
