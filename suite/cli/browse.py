"""Commands that show and check what there is: tasks, validate, new-task and models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from suite.cli._words import AsJson, app, prepare, say, told

if TYPE_CHECKING:
    from pydantic import JsonValue

    from suite.spec import TaskSpec


@app.command("tasks")
def list_tasks(
    name: Annotated[str | None, typer.Argument(help="Show one task or collection.")] = None,
    as_json: AsJson = False,
    look: Annotated[
        bool | None,
        typer.Option(
            "--look/--no-look",
            help="Look for test rows among the training rows; by default where this machine has the data.",
        ),
    ] = None,
    offline: Annotated[bool, typer.Option(help="Never ask the network.")] = False,
) -> None:
    """List tasks and collections, or show one with its pins and the test rows that its training rows hold too."""
    fetch = bool(look) and not offline
    prepare(not fetch)
    with told():
        from suite import tasks

        if not name:
            _list_tasks(as_json)
            return
        collection = tasks.load_collection(name) if name in tasks.collection_files() else None
        chosen = tasks.load(name)
        shown = collection.model_dump(mode="json") if collection else chosen[0].model_dump(mode="json", by_alias=True)
        if look is not False:
            shown["contamination"] = _contamination(chosen, collection is not None, fetch)
    typer.echo(json.dumps(shown, indent=2, ensure_ascii=False))


def _contamination(chosen: list[TaskSpec], together: bool, fetch: bool) -> dict[str, JsonValue]:
    from suite import contamination
    from suite.environment import count_cores

    if not together:
        return contamination.of_task(chosen[0], fetch, count_cores())
    say(f"Comparing the rows of {len(chosen)} tasks; --no-look leaves that out.", err=True)
    return contamination.of_collection(chosen, fetch, count_cores())


def _list_tasks(as_json: bool) -> None:
    from suite import tasks

    specs = [tasks.load_file(path) for path in tasks.task_files().values()]
    collections = [tasks.load_collection(name) for name in tasks.collection_files()]
    if as_json:
        both = {
            "tasks": [spec.model_dump(mode="json", by_alias=True) for spec in specs],
            "collections": [collection.model_dump(mode="json") for collection in collections],
        }
        typer.echo(json.dumps(both, indent=2, ensure_ascii=False))
        return
    for spec in specs:
        say(f"{spec.name:<24} v{spec.version}  {spec.kind:<22} {spec.description}")
    say()
    for collection in collections:
        say(f"{collection.name:<24} v{collection.version}  collection: {', '.join(collection.tasks)}")


@app.command()
def validate(
    files: Annotated[list[Path] | None, typer.Argument(help="Task files.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of a task file.")] = False,
    within: Annotated[
        bool, typer.Option("--within", help="The files are strangers': their data must lie in their own folders.")
    ] = False,
) -> None:
    """Check task files: their words, columns, splits, labels and every row."""
    with told():
        from suite.spec import SuiteError, TaskSpec
        from suite.validation import check_file

        if schema:
            typer.echo(json.dumps(TaskSpec.model_json_schema(mode="validation"), indent=2))
            return
        if not files:
            raise SuiteError("No file is given; expected suite validate FILE ... or suite validate --schema.")
        wrong = []
        for path in files:
            try:
                say(f"{path}: {check_file(path, within)}")
            except SuiteError as error:
                wrong.append(str(error))
        if wrong:
            raise SuiteError("\n".join(wrong))


@app.command("new-task")
def new_task(
    source: Annotated[str, typer.Argument(help="A data file, a folder, or a Hub data set: owner/name[:config].")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Where to write the task file.")] = None,
    name: Annotated[str | None, typer.Option(help="The task's name.")] = None,
    kind: Annotated[str | None, typer.Option(help="The task's kind, where the guess would be another.")] = None,
    offline: Annotated[bool, typer.Option(help="Never ask the network.")] = False,
) -> None:
    """Write a first task file by looking at the data."""
    prepare(offline)
    with told():
        from suite import drafting
        from suite.validation import check_file

        draft = drafting.draft(source, name, kind)
        path = drafting.write(draft, output)
        say(f"{path} is written.")
        for note in draft.notes:
            say(f"- {note}")
        say(f"{path}: {check_file(path)}")


@app.command("models")
def list_models(as_json: AsJson = False) -> None:
    """List the bundled checkpoints."""
    with told():
        from suite import hub

        rows = [
            {"name": f"bundled/{name}", "installed": path is not None, "folder": str(path) if path else None}
            for name, path in hub.bundled().items()
        ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        note = "" if row["installed"] else "  (not installed: pip install 'transfer-suite[demo]')"
        say(f"{row['name']}{note}")
