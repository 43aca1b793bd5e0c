"""The policy files of a run: everything that acting needs, as safetensors (no pickle), with the run's fingerprint.

Files may come from untrusted sources: size, names, shapes and types are checked against what the algorithm expects before
anything is loaded.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from algorithms.plugins import UserError
from benchmark.experiments.atomic_write import write_atomically

BEST_POLICY = "policy.safetensors"
FINAL_POLICY = "final.safetensors"
HEADER_ALLOWANCE = 1_000_000


class CorruptPolicy(UserError):
    """An invalid policy file. The message names the file and the problem."""


def detached(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies on the CPU, independent of further learning."""
    return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}


def all_finite(tensors: dict[str, Tensor]) -> bool:
    """Whether no tensor holds a NaN or an infinity."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values() if tensor.is_floating_point())


def write_policy(path: Path, tensors: dict[str, Tensor], fingerprint: str) -> None:
    """Writes the tensors of `Algorithm.policy_state` atomically."""
    # A single metadata entry: safetensors writes several in no fixed order.
    write_atomically(path, save(detached(tensors), metadata={"fingerprint": fingerprint}))


def read_policy(path: Path, expected: dict[str, Tensor], fingerprint: str) -> dict[str, Tensor]:
    """The tensors of a policy file, which must be those of `expected` by name, shape and type, finite, and of this run.

    Raises CorruptPolicy.
    """
    allowed = HEADER_ALLOWANCE + sum(tensor.numel() * tensor.element_size() for tensor in expected.values())
    try:
        if path.exists() and not path.is_file():
            raise CorruptPolicy(f"{path}: not a file")
        if path.stat().st_size > allowed:
            raise CorruptPolicy(f"{path}: {path.stat().st_size} bytes, where this policy takes {allowed} at most")
        with safe_open(path, framework="pt") as file:
            owner = (file.metadata() or {}).get("fingerprint")
            if owner != fingerprint:
                raise CorruptPolicy(f"{path}: the policy of another run ({str(owner)[:12]}, not {fingerprint[:12]})")
            missing, surplus = sorted(expected.keys() - file.keys()), sorted(set(file.keys()) - expected.keys())
            if missing or surplus:
                raise CorruptPolicy(f"{path}: missing tensors {missing[:5]}, unknown tensors {surplus[:5]}")
            tensors = {name: file.get_tensor(name) for name in expected}
    except SafetensorError as error:
        raise CorruptPolicy(f"{path}: {error}") from error
    except OSError as error:
        raise CorruptPolicy(f"{path}: {error.strerror or error}") from error
    for name, tensor in tensors.items():
        like = expected[name]
        if tensor.shape != like.shape or tensor.dtype != like.dtype:
            raise CorruptPolicy(
                f"{path}: {name} is {tensor.dtype} {list(tensor.shape)}, but must be {like.dtype} {list(like.shape)}"
            )
    if not all_finite(tensors):
        raise CorruptPolicy(f"{path}: not all of its numbers are finite")
    return tensors
