"""The command that writes a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from suite.cli._words import StoreUrl, app, say, told


@app.command()
def report(
    output: Annotated[Path, typer.Option("-o", "--output", help="The page to write.")] = Path("report.html"),
    tasks: Annotated[
        list[str] | None,
        typer.Option("-t", "--task", help="The boards' columns: a task, a collection, or a YAML file."),
    ] = None,
    store: StoreUrl = "./results",
    strategy: Annotated[str | None, typer.Option("-s", "--strategy", help="Only this strategy.")] = None,
    protocol: Annotated[str | None, typer.Option(help="Only this protocol.")] = None,
    resample: Annotated[str | None, typer.Option(help="Only what was evaluated so: holdout, kfold:5, ...")] = None,
    tags: Annotated[list[str] | None, typer.Option("--tag", help="Only tasks with this tag; several: all.")] = None,
    plots: Annotated[Path | None, typer.Option(help="A folder for every figure as a file of its own.")] = None,
    plot_format: Annotated[str, typer.Option("--plot-format", help="svg or png.")] = "svg",
) -> None:
    """Write one self-contained page of what a store holds: boards, plots, protocol and pins."""
    with told():
        from suite.admission import Filter
        from suite.report import write_report
        from suite.tasks import load

        only = Filter(strategy, protocol, resample, tuple(tags or ()))
        columns = [task for word in tasks or [] for task in load(word)] or None
        made = write_report(output, store, columns, only, plots, plot_format)
        if not made.boards:
            say(f"{made.page} is written, but the store holds no record that fits.")
            return
        say(f"{made.page} is written: {made.records} records on {made.boards} board{'s' * (made.boards > 1)}.")
        if plots:
            say(f"{len(made.plots)} figures are in {plots}.")
