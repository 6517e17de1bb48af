"""What every command shares: the application, its options, and how mistakes are told."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from suite import legible

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="How well does a pre-trained checkpoint adapt? Fine-tune, probe, score, store and rank.",
)

Models = Annotated[list[str], typer.Option("-m", "--model", help="org/name[@revision], a folder, or bundled/NAME.")]
Tasks = Annotated[list[str], typer.Option("-t", "--task", help="A task, a collection, or a YAML file.")]
StoreUrl = Annotated[str, typer.Option("--store", help="A folder or an fsspec URL.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_LONGEST = 4_000
"""Characters of one refusal that are shown."""


@contextlib.contextmanager
def told(unread: str = "") -> Iterator[None]:
    """Turn our errors into sentences and exit codes; nothing else is caught.

    `unread` is what to say where whoever read the output went away; by default nothing, as `head` expects it.
    """
    from suite.lifetime import interruptible
    from suite.spec import SuiteError

    try:
        with interruptible():
            yield
    except SuiteError as error:
        for line in str(error).splitlines():
            say(f"error: {line if len(line) <= _LONGEST else f'{line[:_LONGEST]}…'}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo("Interrupted. All runs that had finished are stored; the same command does the rest.", err=True)
        raise typer.Exit(130) from None
    except BrokenPipeError:
        if not unread:
            raise
        leave_output(unread)
        raise typer.Exit(1) from None


def leave_output(sentence: str) -> None:
    """Say why a command ends, where that is still heard, and let go of what of its output was not written."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # Python would try again at its exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    typer.echo(sentence, err=True)


def say(line: str = "", err: bool = False) -> None:
    """Print a line for people: strangers' words in it neither steer a terminal nor begin a line of their own."""
    typer.echo(legible.line(line), err=err)


def prepare(offline: bool) -> None:
    """Set what libraries read when they are imported."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
