"""One thread a process: small networks are fastest so, and several threads on busy cores wait for each other for minutes."""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"
