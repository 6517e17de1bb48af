"""Commands that read a store: leaderboard, transfer and verify."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from suite.cli._boards import print_boards, print_transfer
from suite.cli._words import AsJson, StoreUrl, app, told


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
    with told():
        from suite import tables
        from suite.admission import Filter, admit, read, tasks_in
        from suite.leaderboard import board_of
        from suite.spec import SuiteError
        from suite.tasks import load

        forms = {"csv": tables.to_csv, "json": tables.to_json, "markdown": tables.to_markdown}
        if form != "table" and form not in forms:
            raise SuiteError(f"--format is '{form}'; expected table, csv, json or markdown.")
        only = Filter(strategy, protocol, resample, tuple(tags or ()))
        contents = read(store)
        columns = [task for word in tasks or [] for task in load(word)] or tasks_in(contents, only.tags)
        if form == "table":
            print_boards(columns, contents, only)
            return
        board = board_of(admit(contents, columns, only))
        typer.echo(forms[form](board), nl=form == "json")
        for note in [*tables.notes(board), *(f"Left out: {note}" for note in board.left_out)]:
            if form in ("csv", "json"):
                typer.echo(note, err=True)


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
