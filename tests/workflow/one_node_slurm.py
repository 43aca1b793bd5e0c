"""A private Slurm of one node, without systemd and beside any other Slurm: for the tests of profiles/slurm.

    uv run python -m tests.workflow.one_node_slurm FOLDER    # runs until Ctrl-C and prints what other shells have to export

Debian: apt-get install slurm-wlm munge. All files lie in FOLDER, the ports are free ones, everything runs as the present user.
There is no accounting, and memory limits are enforced by sampling (every 2 s), without cgroups.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

PROGRAMS = ("munged", "mungekey", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "sinfo", "scontrol")
CPUS = 2
MEMORY_MB = 16_000
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])
_CONFIGURATION = """\
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
MpiDefault=none
ReturnToService=2
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill
SchedulerParameters=sched_interval=5,bf_interval=5
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
MinJobAge=300
AccountingStorageType=accounting_storage/none
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def absent_programs() -> list[str]:
    """What has to be installed before a OneNodeSlurm can be started."""
    return [name for name in PROGRAMS if shutil.which(name, path=_PATH) is None]


class OneNodeSlurm:
    """Slurm for as long as the `with` block lasts; `environment` is what its users have to export.

    `folder` must be absolute, of this user, and short: the name of a socket has at most 107 bytes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            "PATH": os.pathsep.join([str(folder / "bin"), _PATH]),
            "SLURM_CONF": str(folder / "slurm.conf"),
        }
        self._daemons: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> OneNodeSlurm:
        self.folder.chmod(0o755)  # munged refuses a folder that others can write to
        (self.folder / "state").mkdir()
        (self.folder / "spool").mkdir()
        controller_port, node_port = _free_ports(2)
        configuration = _CONFIGURATION.format(
            host=socket.gethostname().partition(".")[0],
            user=getpass.getuser(),
            folder=self.folder,
            controller_port=controller_port,
            node_port=node_port,
            cpus=CPUS,
            memory=MEMORY_MB,
        )
        (self.folder / "slurm.conf").write_text(configuration)
        (self.folder / "cgroup.conf").write_text("CgroupAutomount=no\n")
        # The Slurm plugin of Snakemake starts a job's step without SLURM_CONF.
        srun = self.folder / "bin" / "srun"
        srun.parent.mkdir()
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {shutil.which("srun", path=_PATH)} "$@"\n')
        srun.chmod(0o755)
        try:
            self._start_munge()
            self._start("slurmctld", "-D")
            self._start("slurmd", "-D")
            self._wait(lambda: self.run("sinfo", "--noheader", "--format=%t").stdout.strip() == "idle")
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop()

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command of Slurm, to its end."""
        environment = {**os.environ, **self.environment}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

    def _start_munge(self) -> None:
        names = {"socket": "munge.socket", "key-file": "munge.key", "pid-file": "munge.pid", "seed-file": "munge.seed"}
        files = [f"--{option}={self.folder / name}" for option, name in names.items()]
        made = self.run("mungekey", "--create", f"--keyfile={self.folder / 'munge.key'}")
        assert made.returncode == 0, made.stderr
        self._start("munged", "--foreground", *files, f"--log-file={self.folder / 'munged.log'}")
        self._wait((self.folder / "munge.socket").exists)

    def _start(self, *command: str) -> None:
        with (self.folder / f"{command[0]}.out").open("wb") as output:
            environment = {**os.environ, **self.environment}
            self._daemons.append(
                subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
            )

    def _wait(self, ready: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            ended = [daemon.args for daemon in self._daemons if daemon.poll() is not None]
            if ended or time.monotonic() > deadline:
                said = "\n".join(f"{path.name}: {path.read_text()[-2000:]}" for path in sorted(self.folder.glob("*.out")))
                raise RuntimeError(f"Slurm does not start ({ended or 'no answer'})\n{said}")
            time.sleep(0.1)

    def _stop(self) -> None:
        if len(self._daemons) > 1:  # no job outlives its Slurm
            self.run("scancel", f"--user={getpass.getuser()}")
            deadline = time.monotonic() + 40
            while self.run("squeue", "--noheader").stdout.strip() and time.monotonic() < deadline:
                time.sleep(0.2)
        for daemon in reversed(self._daemons):
            daemon.terminate()
            try:
                daemon.wait(timeout=30)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def main(arguments: list[str]) -> int:
    """FOLDER"""
    if len(arguments) != 1 or absent_programs():
        absent = ", ".join(absent_programs()) or "nothing"
        print(f"usage: one_node_slurm FOLDER; to be installed first: {absent}", file=sys.stderr)
        return 2
    folder = Path(arguments[0]).resolve()
    folder.mkdir(parents=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with OneNodeSlurm(folder) as slurm:
        for name, value in slurm.environment.items():
            print(f"export {name}={value}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
