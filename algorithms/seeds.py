"""Seeds of the parts, derived from the run's seed by name, so that one part's draws never shift another's."""

from __future__ import annotations

import hashlib


def derived_seed(seed: int, name: str) -> int:
    """A seed in 0..2^63-1 for the part `name` of the run `seed`."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1
