"""The `creditbench` command. Everything heavy is imported inside the command that needs it."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence

import typer

from benchmark.commands import compare, listing, planned, studies, tools, train
from benchmark.commands.errors import USER_ERRORS

app = typer.Typer(
    name="creditbench",
    help="A reproducible benchmark for credit assignment in cooperative multi-agent reinforcement learning.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(listing.app, name="list")
app.command("plan")(planned.plan)
app.command("train")(train.train)
app.command("evaluate")(tools.evaluate)
app.command("aggregate")(compare.aggregate)
app.command("report")(compare.report)
app.command("watch")(tools.watch)
app.command("speed")(tools.speed)
app.command("random")(tools.random)
app.command("study")(studies.study)
app.command("compile", hidden=True)(tools.compile_kernels)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line. Bad input: one line on stderr, exit code 2. A file or folder that cannot be used: the same, 1."""
    try:
        app(args=None if arguments is None else list(arguments))
    except USER_ERRORS as error:
        print(f"creditbench: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(0) from None
    except OSError as error:
        if error.filename is None and error.errno != errno.ENOSPC:
            raise
        print(f"creditbench: {error}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
