"""The command line: one module for each command, which imports what it needs when it runs."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import typer

from layoutrt import __version__
from layoutrt.cli.build_engine import build_engine
from layoutrt.cli.calibrate import calibrate
from layoutrt.cli.demo import demo
from layoutrt.cli.doctor import doctor
from layoutrt.cli.estimate import estimate
from layoutrt.cli.evaluate import evaluate
from layoutrt.cli.export import export
from layoutrt.cli.import_checkpoint import import_checkpoint
from layoutrt.cli.info import info
from layoutrt.cli.profile import profile
from layoutrt.cli.sensitivity import sensitivity
from layoutrt.cli.studio import studio
from layoutrt.cli.synthesize import synthesize
from layoutrt.cli.train import train
from layoutrt.cli.train_segmenter import train_segmenter
from layoutrt.cli.verify import verify
from layoutrt.errors import LayoutRTError

app = typer.Typer(
    name="layoutrt",
    help="Semantic layouts to images in real time: train, export and run CC-FPSE on edge devices.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for _command in (
    demo,
    studio,
    synthesize,
    train,
    train_segmenter,
    import_checkpoint,
    evaluate,
    export,
    calibrate,
    build_engine,
    sensitivity,
    verify,
    profile,
    estimate,
    info,
    doctor,
):
    app.command()(_command)


@app.callback(invoke_without_command=True)
def _options(version: bool = typer.Option(False, "--version", help="Print the version.")) -> None:
    if version:
        typer.echo(f"layoutrt {__version__}")
        raise typer.Exit


def _heed_quota() -> None:
    """Give torch's and numpy's threads, which know nothing of CPU quotas, the number that a session has."""
    from layoutrt.runtime.processors import usable_processors

    threads = usable_processors()
    if threads < len(os.sched_getaffinity(0)):
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 done, 1 an error the user can put right, 2 wrong usage, 130 Ctrl-C.

    Args:
        arguments: without the program's name; those of the process by default.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # As on stderr: what the terminal's encoding lacks is written as an escape, not refused.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        _heed_quota()
        try:
            app(args=None if arguments is None else list(arguments), prog_name="layoutrt")
        except SystemExit:
            # A full disk is noticed here, or too late to tell of it. What else went wrong is told instead.
            if sys.stdout is not None:
                sys.stdout.flush()
            raise
    except LayoutRTError as error:
        # Some messages carry another library's text, which may have several lines.
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        # What may not be read is found in many places; an error without a name is not about the user's files.
        if error.errno == errno.EAGAIN:
            reason = "start another process or thread; allow this one more tasks (pids.max, ulimit -u)"
        elif error.filename is not None:
            reason = f"use {error.filename}: {error.strerror}; check the path, and that you may read it"
        elif error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EPIPE):
            reason = f"write what is printed, or a temporary file: {error.strerror}; make room"
            # What is still to be written would fail again when the process ends.
            if sys.stdout is not None:
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        else:
            raise
        # A closed pipe (`| head`) is not an error to tell of.
        if error.errno != errno.EPIPE:
            print("error: cannot", reason, file=sys.stderr)
        sys.exit(1)
    except RuntimeError as error:
        # Python's own words, of `threading.Thread.start`.
        if str(error) != "can't start new thread":
            raise
        print(
            "error: the system lets this process start no more threads; allow it more tasks "
            "(docker run --pids-limit, TasksMax=, ulimit -u)",
            file=sys.stderr,
        )
        sys.exit(1)
    raise AssertionError("typer exits")
