"""Commands that read a store: leaderboard, transfer and verify."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from suite.cli._words import AsJson, StoreUrl, app, told

if TYPE_CHECKING:
    from suite.leaderboard import Board
    from suite.spec import TaskSpec
    from suite.store import Contents


@dataclass(frozen=True)
class Filter:
    """Which of a store's records a board shows; all of them where nothing is said."""

    strategy: str | None = None
    protocol: str | None = None
    resample: str | None = None


@app.command()
def leaderboard(
    tasks: Annotated[list[str] | None, typer.Option("-t", "--task", help="The board's columns.")] = None,
    store: StoreUrl = "./results",
    strategy: Annotated[str | None, typer.Option("-s", "--strategy", help="Only this strategy.")] = None,
    protocol: Annotated[str | None, typer.Option(help="Only this protocol.")] = None,
    resample: Annotated[str | None, typer.Option(help="Only what was evaluated so: holdout, kfold:5, ...")] = None,
    form: Annotated[str, typer.Option("--format", help="table, csv, json or markdown.")] = "table",
) -> None:
    """Rank what a store holds."""
    with told():
        from suite import tables
        from suite.leaderboard import rank, read, tasks_in
        from suite.spec import SuiteError
        from suite.tasks import load

        forms = {"csv": tables.to_csv, "json": tables.to_json, "markdown": tables.to_markdown}
        if form != "table" and form not in forms:
            raise SuiteError(f"--format is '{form}'; expected table, csv, json or markdown.")
        contents = read(store)
        columns = [task for word in tasks or [] for task in load(word)] or tasks_in(contents)
        if form == "table":
            print_boards(columns, contents, Filter(strategy, protocol, resample))
            return
        board = rank(contents, columns, strategy, protocol, resample)
        typer.echo(forms[form](board), nl=form == "json")
        for note in board.left_out if form in ("csv", "json") else []:
            typer.echo(f"Left out: {note}", err=True)


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
    level: Annotated[str, typer.Option(help="rescore: from the stored predictions, bit for bit.")] = "rescore",
    store: StoreUrl = "./results",
    as_json: AsJson = False,
) -> None:
    """Derive again what records claim; one that fails is named, none is changed."""
    with told():
        from dataclasses import asdict

        from suite import verification
        from suite.spec import SuiteError

        if bool(keys) == every:
            raise SuiteError("Name the records to verify, or say --all; one of the two.")
        wrong = total = 0
        for check in verification.verify(store, keys or None, level):
            total, wrong = total + 1, wrong + (not check.ok)
            if as_json:
                typer.echo(json.dumps(asdict(check)))
            elif keys or not check.ok:
                typer.echo(f"{'ok    ' if check.ok else 'FAILED'}  {check.key[:12]}  {check.detail}")
        if not as_json:
            typer.echo(f"{total - wrong} of {total} records hold at level {level}.")
    raise typer.Exit(1 if wrong else 0)


def print_boards(
    columns: Sequence[TaskSpec],
    store: str | Contents,
    only: Filter,
    title: str = "",
) -> None:
    """Print one board a modality: no checkpoint reads both texts and images, so none could have a mean over both."""
    from suite import kinds
    from suite.leaderboard import rank, read

    groups: dict[str, list[TaskSpec]] = {}
    for task in columns:
        modality = kinds.get(task.kind).modality if task.kind in kinds.names() else task.kind
        groups.setdefault(modality, []).append(task)
    contents = read(store)
    notes: dict[str, None] = {}
    for group in groups.values() or [[]]:
        board = rank(contents, group, only.strategy, only.protocol, only.resample)
        notes |= dict.fromkeys(board.left_out)
        _show(board, title)
    for note in notes:
        typer.echo(f"Left out: {note}")


def _show(board: Board, title: str) -> None:
    from suite.display import board_table, console

    if board.rows:
        screen = console()
        screen.print(board_table(board, title, wide=screen.width >= 110))
    else:
        typer.echo("The store holds no record that fits. Make some: suite run -m MODEL -t TASK -s STRATEGY")


def print_transfer(store: str | Contents, tasks: Sequence[str] | None) -> None:
    """Print what sharing a trunk did to each task."""
    from suite.display import console, effects_table
    from suite.effects import transfer

    found = transfer(store, tasks)
    if found.effects:
        console().print(effects_table(found.effects))
    elif not found.missing:
        typer.echo("The store holds no joint run. Make some: suite run -m MODEL -t TASK TASK -s multitask")
    for note in found.missing:
        typer.echo(note)


def print_stages(contents: Contents, keys: set[str]) -> None:
    """Print how scores moved from stage to stage in the runs of these keys."""
    from suite.display import console, stages_table

    entries = [entry for entry in contents.entries if entry.record.key in keys]
    if entries:
        console().print(stages_table(entries))
