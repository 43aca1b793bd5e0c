"""The `creditbench` command. Everything heavy is imported inside the command that needs it."""

from __future__ import annotations

import errno
from collections.abc import Sequence

import typer

from algorithms.plugins import UserError
from benchmark.cli.commands import aggregate, evaluate, plan, prepare, random_policy, report, speed, study, train, watch
from benchmark.cli.commands import compile as kernels
from benchmark.cli.commands import list as listing
from benchmark.cli.streams import flush_stdout, prepare_streams, print_error
from benchmark.training.progress import silence_stdout

app = typer.Typer(
    name="creditbench",
    help="A reproducible benchmark for credit assignment in cooperative multi-agent reinforcement learning.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(listing.app, name="list")
app.command("plan")(plan.plan)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("aggregate")(aggregate.aggregate)
app.command("report")(report.report)
app.command("watch")(watch.watch)
app.command("speed")(speed.speed)
app.command("random")(random_policy.random)
app.command("study")(study.study)
app.command("prepare", hidden=True)(prepare.prepare)
app.command("compile", hidden=True)(kernels.compile_kernels)


IMPOSSIBLE_PATH = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ENOENT, errno.ELOOP)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line. A UserError, and a path that cannot be, is one line on stderr and exit code 2; what the system
    refuses (a full disk, a closed pipe, a folder without permission), one line and exit code 1."""
    prepare_streams()
    try:
        try:
            app(args=None if arguments is None else list(arguments))
        finally:
            flush_stdout()
    except UserError as error:
        print_error(str(error))
        raise SystemExit(2) from None
    except BrokenPipeError:  # whoever reads the output has seen enough
        silence_stdout()
        raise SystemExit(1) from None
    except MemoryError as error:
        print_error(f"out of memory: MemoryError: {error}")
        raise SystemExit(1) from None
    except OSError as error:
        print_error(str(error))
        raise SystemExit(2 if error.errno in IMPOSSIBLE_PATH else 1) from None
