"""What the report shows of a suite, computed and drawn ahead of it: several suites in parallel, each kept until it changes."""

from __future__ import annotations

import gc
import multiprocessing
import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

from filelock import FileLock

from algorithms.plugins import UserError
from benchmark.analysis.aggregate import suite_part
from benchmark.analysis.inputs import suite_inputs
from benchmark.analysis.schema import SuiteReport
from benchmark.experiments.atomic_write import write_atomically
from benchmark.experiments.store import Store
from benchmark.experiments.suite import Suite
from benchmark.report.freshness import PREPARED, is_prepared, prepared_inputs
from benchmark.report.gallery import Gallery
from benchmark.report.palette import styles


class PreparationError(UserError):
    """What could not be prepared, and why."""


def prepare(
    suites: Sequence[Suite],
    store: Store,
    cache: Path,
    variants: Iterable[str],
    *,
    retrain: bool = False,
    pdf: bool = False,
    processes: int = 1,
) -> Iterator[SuiteReport]:
    """Aggregates and draws each suite into `cache`/<its name>; yields what was aggregated as each is ready.

    `variants`: those of the whole report, which decide the colours. What was made of the same records, code and variants
    before is left as it is. The importing takes longer than a small suite does: the `processes` share it by forking.
    """
    work = partial(_prepare, store=store, cache=cache, variants=frozenset(variants), retrain=retrain, pdf=pdf)
    ordered = sorted(suites, key=lambda suite: -sum(1 for _ in suite.runs()))  # the longest first
    if processes == 1 or len(ordered) == 1 or "fork" not in multiprocessing.get_all_start_methods():
        yield from map(work, ordered)
        return
    from rliable import library  # noqa: F401 - here, so that the children need not

    gc.freeze()
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_end_with, initargs=(os.getpid(),)) as pool:
        for done in as_completed([pool.submit(work, suite) for suite in ordered]):
            try:
                yield done.result()
            except BrokenProcessPool:
                raise PreparationError("a process was killed, by hand or for want of memory; fewer cores need less") from None


def _end_with(parent: int) -> None:
    """Ends this process soon after its parent, which may be killed."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _prepare(suite: Suite, *, store: Store, cache: Path, variants: frozenset[str], retrain: bool, pdf: bool) -> SuiteReport:
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f".{suite.name}.lock"):  # whoever prepares the same suite waits, and finds it done
        inputs, folder = suite_inputs(suite, store, retrain=retrain), cache / suite.name
        part = suite_part(suite, store, cache, retrain=retrain)
        (report,) = part.aggregate.suites
        if not is_prepared(folder, inputs, variants, pdf=pdf):
            aggregate = part.aggregate
            Gallery(folder / "figures", report, aggregate.runs, styles(variants), aggregate.methods, pdf=pdf).complete()
        write_atomically(folder / PREPARED, f"{prepared_inputs(inputs, variants, pdf=pdf)}\n".encode())
    return report
