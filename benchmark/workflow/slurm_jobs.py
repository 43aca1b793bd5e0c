"""The Slurm jobs that an ended snakemake has left in the queue: they go on without it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from algorithms.plugins import UserError

ANSWER_SECONDS = 60.0
# The Slurm plugin of Snakemake names all jobs of one snakemake after a random UUID, with a prefix if the profile gives one.
_NAME_OF_A_SNAKEMAKE = re.compile(r"(?:.+_)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class UnfinishedJobs(UserError):
    """An earlier snakemake of the folder has jobs that are queued or running."""


class NoAnswer(UserError):
    """`squeue` fails, or gives no answer in time."""


@dataclass(frozen=True)
class SlurmJobs:
    """Queued and running jobs: their ids, and the names of the snakemakes that submitted them."""

    ids: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


def unfinished_jobs(folder: Path, seconds: float = ANSWER_SECONDS) -> SlurmJobs:
    """This user's queued and running jobs that a snakemake in `folder` has submitted; none where there is no `squeue`.

    Raises NoAnswer if `squeue` fails or takes longer than `seconds`.
    """
    squeue = shutil.which("squeue")
    if squeue is None:
        return SlurmJobs()
    command = [squeue, "--me", "--noheader", "--format=%F|%j|%Z"]  # job (of an array: its first), name, working directory
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SQUEUE_")}
    try:
        answer = subprocess.run(
            command, env=environment, capture_output=True, text=True, errors="replace", timeout=seconds, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoAnswer(f"squeue does not answer: {error}") from error
    if answer.returncode != 0:
        said = (answer.stderr.strip() or f"exit code {answer.returncode}").splitlines()[-1]
        raise NoAnswer(f"squeue does not answer: {said}")
    found = [line.strip().split("|", 2) for line in answer.stdout.splitlines()]
    own = [
        (number, name)
        for number, name, directory in found
        if _NAME_OF_A_SNAKEMAKE.fullmatch(name) and Path(directory).resolve() == folder.resolve()
    ]
    return SlurmJobs(tuple(dict.fromkeys(number for number, _ in own)), tuple(dict.fromkeys(name for _, name in own)))


def require_no_unfinished_jobs(folder: Path, *, submits: bool) -> None:
    """Raises UnfinishedJobs, with the command that cancels them, if an earlier snakemake's jobs would be trained twice.

    `submits`: whether runs are submitted to Slurm, which then has to answer (else NoAnswer is raised).
    """
    try:
        jobs = unfinished_jobs(folder, ANSWER_SECONDS if submits else ANSWER_SECONDS / 10)
    except NoAnswer:
        if submits:
            raise
        return
    if not jobs.ids:
        return
    count = "1 Slurm job" if len(jobs.ids) == 1 else f"{len(jobs.ids)} Slurm jobs"
    cancel = " && ".join(f"scancel --name={name}" for name in jobs.names)
    raise UnfinishedJobs(
        f"{count} of an earlier snakemake in this folder would be trained twice; "
        f"let them end (squeue --me) or cancel them ({cancel}), then give the same command again"
    )
