"""Commands that read a store: leaderboard, transfer and verify."""

from __future__ import annotations

import contextlib
import gc
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from suite.cli._boards import print_boards, print_transfer
from suite.cli._words import AsJson, StoreUrl, app, prepare, say, told

if TYPE_CHECKING:
    from suite.verification import Summary


@app.command()
def leaderboard(
    tasks: Annotated[list[str] | None, typer.Option("-t", "--task", help="The board's columns.")] = None,
    store: StoreUrl = "./results",
    strategy: Annotated[str | None, typer.Option("-s", "--strategy", help="Only this strategy.")] = None,
    protocol: Annotated[str | None, typer.Option(help="Only this protocol.")] = None,
    resample: Annotated[str | None, typer.Option(help="Only what was evaluated so: holdout, kfold:5, ...")] = None,
    tags: Annotated[list[str] | None, typer.Option("--tag", help="Only tasks with this tag; several: all.")] = None,
    form: Annotated[str, typer.Option("--format", help="table, csv, json or markdown.")] = "table",
) -> None:
    """Rank what a store holds."""
    with told(), _kept():
        from suite import tables
        from suite.admission import Filter, read
        from suite.boards import boards
        from suite.spec import SuiteError
        from suite.tasks import load

        forms = {"csv": tables.to_csv, "json": tables.to_json, "markdown": tables.to_markdown}
        if form != "table" and form not in forms:
            raise SuiteError(f"--format is '{form}'; expected table, csv, json or markdown.")
        only = Filter(strategy, protocol, resample, tuple(tags or ()))
        contents = read(store)
        columns = [task for word in tasks or [] for task in load(word)]
        if form == "table":
            print_boards(columns, contents, only)
            return
        found = boards(contents, columns, only)
        typer.echo(forms[form](found), nl=form == "json")
        if form in ("csv", "json"):
            for note in tables.all_notes(found):
                say(note, err=True)


@contextlib.contextmanager
def _kept() -> Iterator[None]:
    """Look for no garbage meanwhile: all that a board is made of stays until it is printed."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@app.command()
def transfer(
    tasks: Annotated[list[str] | None, typer.Option("-t", "--task", help="Only these tasks' scores.")] = None,
    store: StoreUrl = "./results",
    as_json: AsJson = False,
) -> None:
    """Say what sharing a trunk did to each task: joint minus single, helped or harmed."""
    with told():
        from dataclasses import asdict

        from suite.effects import transfer
        from suite.tasks import load

        names = [task.name for word in tasks or [] for task in load(word)] or None
        if not as_json:
            print_transfer(store, names)
            return
        for effect in transfer(store, names).effects:
            typer.echo(json.dumps(asdict(effect)))


@app.command()
def verify(
    keys: Annotated[list[str] | None, typer.Argument(help="Keys, or how they begin (6 digits).")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every record, all attempts.")] = False,
    level: Annotated[
        str,
        typer.Option(
            help="rescore: from the stored predictions, bit for bit. infer: by the kept weights. "
            "retrain: by the run again, which is kept as a further attempt."
        ),
    ] = "rescore",
    store: StoreUrl = "./results",
    models: Annotated[
        list[str] | None, typer.Option("-m", "--model", help="Folders of checkpoints that records were made from.")
    ] = None,
    tasks: Annotated[
        list[str] | None, typer.Option("-t", "--task", help="YAML files of tasks that records were made from.")
    ] = None,
    engine: Annotated[str, typer.Option(help="Where runs are carried out again.")] = "local",
    workers: Annotated[int, typer.Option(help="Runs at once.")] = 1,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda; the record's own by default.")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads a run; the record's own by default.")] = None,
    offline: Annotated[bool, typer.Option(help="Never ask the network.")] = False,
    as_json: AsJson = False,
) -> None:
    """Derive again what records claim; one that fails is named, none is changed."""
    prepare(offline)
    with told():
        from suite.spec import SuiteError

        if bool(keys) == every:
            raise SuiteError("Name the records to verify, or say --all; one of the two.")
        where = {"models": models or (), "tasks": tasks or ()}
        how = {"engine": engine, "workers": workers, "device": device, "threads": threads}
        quiet: AbstractContextManager[dict[str, Any]] = contextlib.nullcontext({})
        with _shown(store, keys, as_json) if level == "retrain" else quiet as display:
            summary = _verify(store, keys, level, {**where, **how, **display}, as_json)
    raise typer.Exit(1 if summary.failed else 2 if summary.unchecked and not summary.held else 0)


@contextlib.contextmanager
def _shown(store: str, keys: list[str] | None, quiet: bool) -> Iterator[dict[str, Any]]:
    """Show how runs go, as `run` does; give what is to be told of them."""
    from suite.display import GridDisplay, console
    from suite.store import Store

    total = len(keys) if keys else len({name.rpartition("-")[0] for name in Store(store).names()})
    with GridDisplay(total, console(err=True), quiet) as display:
        yield {"progress": display.event, "finished": display.finished}


def _verify(store: str, keys: list[str] | None, level: str, means: dict[str, Any], as_json: bool) -> Summary:
    """Print each check that was asked for by name, or does not hold; return what they come to."""
    from suite.verification import Tally, verify

    tally, found = Tally(), verify(store, keys or None, level, **means)
    with _counted(found.total, as_json or level == "retrain") as advance:
        for check in found.once():
            tally.add(check)
            advance()
            if as_json:
                typer.echo(json.dumps(vars(check)))
            elif keys or not check.ok or level == "retrain":
                word = "ok     " if check.ok else "FAILED " if check.checked else "unknown"
                say(f"{word}  {check.key[:12]}-{check.attempt}  {check.detail}")
    if not as_json:
        say(tally.summary().sentence())
    return tally.summary()


@contextlib.contextmanager
def _counted(total: int, quiet: bool) -> Iterator[Callable[[], None]]:
    """Show on a terminal how many records are done; what is printed to another place goes there all the same."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from suite.display import console

    screen = console(err=True)
    columns = (TextColumn("records"), BarColumn(20), MofNCompleteColumn(), TimeRemainingColumn())
    shown = screen.is_terminal and not quiet
    with Progress(
        *columns, console=screen, transient=True, disable=not shown, redirect_stdout=sys.stdout.isatty()
    ) as bar:
        task = bar.add_task("records", total=total)
        yield lambda: bar.advance(task)
