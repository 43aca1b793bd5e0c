"""Provenance of a run: versions, commit, processor. No host or user names, no paths."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import tomllib
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

import numpy as np
import torch

from benchmark.experiments.record import Provenance

CHECKOUT = Path(__file__).resolve().parents[2]


def provenance(device: torch.device, threads: int) -> Provenance:
    """The provenance of this process."""
    commit, dirty = commit_of(CHECKOUT)
    return Provenance(
        commit=commit,
        dirty=dirty,
        lock_sha256=lock_sha256(CHECKOUT),
        python=platform.python_version(),
        torch=str(torch.__version__),
        numpy=np.__version__,
        processor=processor(),
        threads=threads,
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    )


def continued(before: Provenance, now: Provenance) -> Provenance:
    """The provenance of a run that was resumed: dirty unless both parts were clean and at the same commit."""
    if before.commit is None or now.commit is None:
        return now
    return now.model_copy(update={"dirty": bool(before.dirty or now.dirty or before.commit != now.commit)})


def commit_of(folder: Path) -> tuple[str | None, bool | None]:
    """The checkout's commit and whether files differ from it; (None, None) outside a checkout or without git."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=60
        ).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != folder.resolve():
            return None, None
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain"))
    except (OSError, subprocess.SubprocessError):
        return None, None


@cache
def lock_sha256(folder: Path) -> str:
    """sha256 over the sorted exact versions: the pins of the checkout's pyproject.toml, else what is installed."""
    try:
        pins = tomllib.loads((folder / "pyproject.toml").read_text())["tool"]["uv"]["constraint-dependencies"]
    except (OSError, KeyError):
        pins = {f"{package.metadata['Name'].lower()}=={package.version}" for package in distributions()}
    return hashlib.sha256("\n".join(sorted(pins)).encode()).hexdigest()


def processor() -> str:
    """The processor's model name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
