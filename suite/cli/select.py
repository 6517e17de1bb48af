"""Commands that choose a checkpoint: screen, race and recommend."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated

import typer

from suite.cli._words import AsJson, Models, StoreUrl, Tasks, app, prepare, say, told
from suite.cli._workers import EngineName, GpusPerRun, RayAddress, Workers

if TYPE_CHECKING:
    from suite.grid import Done
    from suite.selection import Advice, Raced, Screened
    from suite.spec import Failure
    from suite.stats.racing import Look

Init = Annotated[str, typer.Option(help="pretrained, or random for the control from scratch.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Threads = Annotated[int | None, typer.Option(help="Threads a run; all cores by default.")]
Offline = Annotated[bool, typer.Option(help="Never ask the network.")]


@app.command()
def screen(
    models: Models,
    tasks: Tasks,
    protocol: Annotated[str, typer.Option(help="Whose limits and lengths hold: a name or a YAML file.")] = "quick",
    init: Init = "pretrained",
    device: Device = "auto",
    threads: Threads = None,
    offline: Offline = False,
    as_json: AsJson = False,
) -> None:
    """Say before any training how well checkpoints may serve: LogME, H-score, LEEP, and size as the control."""
    prepare(offline)
    with told():
        from suite.selection import screen

        _check_init(init)
        found = screen(
            models, tasks, protocol=protocol, init=init, offline=offline, device=device, threads=threads,
            progress=None if as_json else lambda spec, event: _say(spec.checkpoint.label, spec.tasks[0].name, event),
        )  # fmt: skip
        if as_json:
            _print_cells(found)
        else:
            _print_screened(found)
    raise typer.Exit(1 if found.failed else 0)


def _say(model: str, task: str, event: dict[str, str]) -> None:
    if event.get("phase") == "reading":
        say(f"measuring {model} on {task}", err=True)


def _print_cells(found: Screened) -> None:
    from dataclasses import asdict

    for cell in found.cells:
        typer.echo(json.dumps(asdict(cell) | {"advisory": True}, allow_nan=False))
    for note in found.notes:
        say(note, err=True)


def _print_screened(found: Screened) -> None:
    from suite.cli._choices import cells_table, ranks_tables
    from suite.display import console

    screen = console()
    screen.print(cells_table(found))
    for table in ranks_tables(found):
        screen.print(table)
    failed = [f"failed  {cell.label} on {cell.task}: {cell.reason}" for cell in found.failed]
    for line in [*failed, *found.notes, found.advice]:
        screen.say(line)


@app.command()
def race(
    models: Models,
    tasks: Tasks,
    strategy: Annotated[str, typer.Option("-s", "--strategy", help="How to adapt: full, lora, linear_probe.")] = "full",
    alpha: Annotated[float, typer.Option(help="The risk that the best is removed.")] = 0.05,
    seeds: Annotated[int | None, typer.Option(help="The most that anyone runs; by default the protocol's.")] = None,
    protocol: Annotated[str, typer.Option(help="A protocol's name or a YAML file.")] = "standard",
    store: StoreUrl = "./results",
    engine: EngineName = "local",
    workers: Workers = 1,
    device: Device = "auto",
    threads: Threads = None,
    gpus_per_run: GpusPerRun = None,
    ray_address: RayAddress = None,
    init: Init = "pretrained",
    offline: Offline = False,
    allow_unpinned: Annotated[
        bool, typer.Option("--allow-unpinned", help="Take a data set's commit of today.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Spend runs where the ranking is undecided; end in the set that may hold the best."""
    prepare(offline)
    with told():
        from suite.cli._race_display import RaceDisplay
        from suite.display import console
        from suite.selection import race

        _check_init(init)
        display = RaceDisplay(console(err=True), quiet=as_json)

        def watch(raced: Raced, event: Done | Failure | Look | None) -> None:
            display.watch(raced, event)
            if as_json:
                _print_look(raced, event)

        request = {"seeds": seeds, "protocol": protocol, "init": init, "offline": offline}
        request |= {"allow_unpinned": allow_unpinned}
        place = {"engine": engine, "workers": workers, "device": device, "threads": threads}
        place |= {"gpus_per_run": gpus_per_run, "ray_address": ray_address}
        with display:
            found = race(
                models, tasks, strategy, alpha=alpha, store=store, progress=display.event, watch=watch,
                **request, **place,
            )  # fmt: skip
        _print_raced(found, store, as_json)
    raise typer.Exit(1 if found.failed else 0)


def _check_init(init: str) -> None:
    from suite.spec import SuiteError

    if init not in ("pretrained", "random"):
        raise SuiteError(f"--init is '{init}'; expected pretrained or random.")


def _print_look(raced: Raced, event: Done | Failure | Look | None) -> None:
    from suite.stats.racing import Look

    if isinstance(event, Look):
        typer.echo(json.dumps(raced.look_json(event), allow_nan=False))


def _print_raced(found: Raced, store: str, as_json: bool) -> None:
    from suite.cli._race_display import race_table
    from suite.display import console

    if as_json:
        typer.echo(json.dumps(found.as_json(), allow_nan=False))
        return
    screen = console()
    screen.print(race_table(found))
    screen.say(found.words)
    say(f"{found.runs - found.stored} run, {found.stored} stored before. Results in {store}", err=True)


@app.command()
def recommend(
    tasks: Annotated[list[str] | None, typer.Option("-t", "--task", help="What M is the mean over.")] = None,
    store: StoreUrl = "./results",
    max_params: Annotated[str | None, typer.Option(help="The most parameters that fit: 30M, 810k, ...")] = None,
    max_seconds: Annotated[float | None, typer.Option(help="The most seconds a run that fit.")] = None,
    strategy: Annotated[str | None, typer.Option("-s", "--strategy", help="Only this strategy.")] = None,
    protocol: Annotated[str | None, typer.Option(help="Only this protocol.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say which checkpoint to take: the Pareto front of score, size and cost, from stored records."""
    with told():
        from suite.cli._choices import front_table
        from suite.display import console

        screen = console()
        for advice in _advices(tasks or [], store, (max_params, max_seconds), strategy, protocol):
            if as_json:
                typer.echo(json.dumps(advice.as_json(), allow_nan=False))
                continue
            if advice.front:
                screen.print(front_table(advice))
            for line in _advice_lines(advice):
                screen.say(line)


def _advices(
    words: list[str], store: str, most: tuple[str | None, float | None], strategy: str | None, protocol: str | None
) -> list[Advice]:
    """Return advice on texts and on images, as far as there are records of either.

    Raises:
        SuiteError: there are none.
    """
    from suite.admission import read, tasks_in
    from suite.selection import by_modality, recommend
    from suite.spec import SuiteError
    from suite.tasks import load

    max_params = _count(most[0])
    contents = read(store)
    columns = [task for word in words for task in load(word)] or tasks_in(contents)
    found, problems = [], []
    for group in by_modality(columns).values() or [[]]:
        try:
            found.append(
                recommend(
                    contents, group, max_params=max_params, max_seconds=most[1], strategy=strategy, protocol=protocol
                )
            )
        except SuiteError as error:
            problems.append(error)
    if problems and not found:
        raise problems[0]
    return found


def _count(word: str | None) -> int | None:
    """Return the number that `30M` or `810k` means.

    Raises:
        SuiteError: it means none.
    """
    from suite.spec import SuiteError

    if word is None:
        return None
    found = re.fullmatch(r"(\d+(?:[._]\d+)*)\s*([kKmMgGbB]?)", word.strip())
    sizes = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9}
    try:
        value = float(found[1].replace("_", "")) * sizes[found[2].lower()] if found else 0.0
    except ValueError:
        value = 0.0
    if value < 1:
        raise SuiteError(f"--max-params is '{word}'; expected a number above 0, such as 30M, 810k or 1500000.")
    return int(value)


def _advice_lines(advice: Advice) -> list[str]:
    """Return what is said under the front."""
    lines = [advice.sentence]
    if advice.provisional and advice.front:
        lines.append(f"Without scores on all tasks, and so left aside: {', '.join(advice.provisional)}.")
    return lines + [f"Left out: {note}" for note in advice.left_out]
