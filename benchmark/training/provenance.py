"""Provenance of a run: commit, installed versions, processor. No host or user names, no paths."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path

import numpy as np
import torch

from benchmark.experiments.record import Provenance

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGES = ("algorithms", "benchmark", "creditbench")
"""The folders of the checkout whose files a run may read, whether git tracks them or not."""
CODE = (".py", ".yaml", ".yml", ".json", ".txt")
"""Endings of the files that they read."""
COMPILERS = ("numba", "llvmlite")


def provenance(device: torch.device, threads: int) -> Provenance:
    """The provenance of this process."""
    state = state_of(CHECKOUT)
    return Provenance(
        commit=state.commit,
        commit_unknown=state.unknown,
        dirty=state.dirty,
        installed_sha256=hashlib.sha256("\n".join(installed()).encode()).hexdigest(),
        packages=deciding_packages(),
        python=platform.python_version(),
        torch=str(torch.__version__),
        numpy=np.__version__,
        processor=processor(),
        threads=threads,
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    )


def continued(before: Provenance, now: Provenance) -> Provenance:
    """The provenance of a resumed run, true of both its parts.

    Dirty unless both were clean and at the same commit; without a commit if one part has none; without a hash of what was
    installed if that has changed; with the packages of both.
    """
    unchanged = before.installed_sha256 == now.installed_sha256
    both: dict[str, object] = {
        "installed_sha256": now.installed_sha256 if unchanged else None,
        "packages": tuple(sorted({*(before.packages or ()), *(now.packages or ())})),
    }
    if before.commit is None:
        both |= {"commit": None, "commit_unknown": before.commit_unknown, "dirty": None}
    elif now.commit is not None:
        both |= {"dirty": bool(before.dirty or now.dirty or before.commit != now.commit)}
    return now.model_copy(update=both)


@dataclass(frozen=True)
class CheckoutState:
    """The commit of a checkout and whether its code differs from it; or None twice, and why that is `unknown`."""

    commit: str | None
    dirty: bool | None
    unknown: str | None


def state_of(folder: Path) -> CheckoutState:
    """The state of the checkout at `folder`.

    It is dirty if a tracked file was changed, or if the folders of the packages hold code that git neither tracks nor ignores:
    a run may read it. Other new files (notes, a suite, a report in another folder) change no run: what a suite asks for is in
    the record itself.
    """

    def git(*arguments: str) -> str:
        # The language of git's messages is fixed, as the reason is read from them.
        environment = {**os.environ, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=environment).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != folder.resolve():
            return CheckoutState(None, None, "no checkout: the code lies within another repository")
        commit = git("rev-parse", "--verify", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no")
        untracked = git("ls-files", "--others", "--exclude-standard", "--", *PACKAGES)
    except FileNotFoundError:
        return CheckoutState(None, None, "git is not installed")
    except subprocess.TimeoutExpired:
        return CheckoutState(None, None, "git did not answer within 60 seconds")
    except subprocess.CalledProcessError as error:
        return CheckoutState(None, None, _refusal(error.stderr))
    except OSError as error:
        return CheckoutState(None, None, f"git cannot be run: {error.strerror}")
    new_code = any(name.rstrip('"').endswith(CODE) for name in untracked.splitlines())
    return CheckoutState(commit, bool(changed) or new_code, None)


def _refusal(message: str) -> str:
    """Why git failed, from its message, without the paths in it."""
    for words, reason in (
        ("dubious ownership", "git refuses the folder: dubious ownership (see git's setting safe.directory)"),
        ("not a git repository", "no checkout"),
        ("Needed a single revision", "the checkout has no commit yet"),
    ):
        if words in message:
            return reason
    return "git failed"


@cache
def installed() -> tuple[str, ...]:
    """name==version of every installed package, sorted."""
    return tuple(sorted(_line(package) for package in _packages()))


@cache
def deciding_packages() -> tuple[str, ...]:
    """The compiler of the simulators and the packages that add tasks, algorithms or studies, as in `installed`."""
    adding = {_line(package) for package in _packages() if any(map(_is_ours, package.entry_points))}
    return tuple(sorted({*adding, *(line for line in installed() if line.partition("==")[0] in COMPILERS)}))


def _is_ours(point: EntryPoint) -> bool:
    return point.group.startswith("creditbench.")


def _packages() -> Iterator[Distribution]:
    """Of every name the one that is imported, the first on the path; not what an interrupted installation has left."""
    seen = set()
    for package in distributions():
        name = package.metadata["Name"]
        if name and package.version and _canonical(name) not in seen:
            seen.add(_canonical(name))
            yield package


def _line(package: Distribution) -> str:
    return f"{_canonical(package.metadata['Name'])}=={package.version}"


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def processor() -> str:
    """The processor's model name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
