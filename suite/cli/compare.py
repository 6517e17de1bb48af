"""The command that compares checkpoints by their records."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from suite.cli._words import AsJson, StoreUrl, app, prepare, say, told

if TYPE_CHECKING:
    from suite.comparison import Comparisons, Disagreement
    from suite.spec import TaskSpec


@app.command()
def compare(
    models: Annotated[list[str], typer.Argument(help="Two or more: NAME, NAME@REVISION, or NAME:STRATEGY.")],
    tasks: Annotated[list[str] | None, typer.Option("-t", "--task", help="Only these tasks.")] = None,
    store: StoreUrl = "./results",
    strategy: Annotated[str | None, typer.Option("-s", "--strategy", help="Only this strategy.")] = None,
    protocol: Annotated[str | None, typer.Option(help="Only this protocol.")] = None,
    resample: Annotated[str | None, typer.Option(help="Only what was evaluated so: holdout, kfold:5, ...")] = None,
    examples: Annotated[int, typer.Option(help="Show so many test examples a task on which they disagree most.")] = 0,
    offline: Annotated[bool, typer.Option(help="Never ask the network.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say whether checkpoints differ: different, the same or undecided, and what would decide it."""
    prepare(offline)
    with told():
        from suite import comparison
        from suite.spec import SuiteError
        from suite.tasks import load

        if examples < 0:
            raise SuiteError(f"--examples is {examples}; expected 0 or more.")
        columns = [task for word in tasks or [] for task in load(word)]
        found = comparison.compare(
            *models, store=store, tasks=columns, strategy=strategy, protocol=protocol, resample=resample
        )
        shown = found.disagreements(examples) if examples else [[] for _ in found.pairs]
        if as_json:
            _print_json(found, shown)
        else:
            _print(found, shown, columns)


def _print_json(found: Comparisons, shown: Sequence[Sequence[Disagreement]]) -> None:
    from dataclasses import asdict

    for pair, some in zip(found.pairs, shown, strict=True):
        examples = {"examples": [asdict(one) for one in some]} if some else {}
        typer.echo(json.dumps(pair.as_json() | examples, ensure_ascii=False, allow_nan=False))


def _print(found: Comparisons, shown: Sequence[Sequence[Disagreement]], columns: Sequence[TaskSpec]) -> None:
    from suite.display import comparison_table, console

    screen = console()
    for pair, cells, some in zip(found.pairs, found.cells, shown, strict=True):
        screen.say(pair.words)
        if pair.verdict != "not comparable":
            screen.print(comparison_table(pair))
        if some:
            specs = {task: ours[0].task_spec for task, (ours, _) in cells.items()} | {t.name: t for t in columns}
            _print_examples(some, specs)


def _print_examples(some: Sequence[Disagreement], specs: dict[str, TaskSpec]) -> None:
    """Print each example with what it is, as far as its data can be had here."""
    from suite import examples
    from suite.display import console, example
    from suite.spec import SuiteError

    screen = console()
    for task in dict.fromkeys(one.task for one in some):
        of_task = [one for one in some if one.task == task]
        inputs: dict[str, dict[str, Any]] = {}
        try:
            inputs = examples.find(specs[task], [one.id for one in of_task])
        except SuiteError as error:
            say(f"The rows of {task} are not shown: {error}", err=True)
        for one in of_task:
            screen.print(example(one, inputs.get(one.id, {}), screen.is_terminal))
