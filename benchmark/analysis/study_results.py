"""The committed results of studies: each read once and checked; what cannot be believed is named with the reason."""

from __future__ import annotations

import hashlib

from benchmark.analysis.runs.run_table import portable
from benchmark.analysis.schema import StudyFile
from benchmark.experiments.record import CorruptRecord
from benchmark.experiments.store import Store
from benchmark.experiments.study_result import StudyResult, read_study


class Studies:
    """`results`, by name; `files`, what they were read from; `refused`: reasons, one a file."""

    def __init__(self, store: Store) -> None:
        self.results: list[StudyResult] = []
        self.files: list[StudyFile] = []
        self.refused: list[str] = []
        for path in store.studies():
            try:
                result = read_study(path)
            except CorruptRecord as error:
                self.refused.append(portable(str(error), store))
                continue
            self.results.append(result)
            self.files.append(
                StudyFile(
                    path=path.relative_to(store.root).as_posix(),
                    content_sha256=result.sha256,
                    file_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
                )
            )
