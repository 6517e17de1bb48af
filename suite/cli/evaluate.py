"""Commands that evaluate: run and demo."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from suite import timing
from suite.cli._boards import print_boards, print_stages, print_transfer
from suite.cli._profile import Profile
from suite.cli._words import AsJson, Models, StoreUrl, Tasks, app, prepare, say, told
from suite.cli._workers import EngineName, GpusPerRun, RayAddress, Workers, shares

if TYPE_CHECKING:
    from suite.grid import Place
    from suite.spec import RunSpec

UNREAD = "Nobody reads the output any more. All runs that had finished are stored; the same command does the rest."


@app.command()
def run(
    models: Models,
    tasks: Tasks,
    strategies: Annotated[
        list[str], typer.Option("-s", "--strategy", help="full, lora, linear_probe, few_shot, multitask.")
    ],
    seeds: Annotated[int | None, typer.Option(help="Runs per cell; the protocol's number by default.")] = None,
    protocol: Annotated[str, typer.Option(help="A protocol's name or a YAML file.")] = "standard",
    store: StoreUrl = "./results",
    engine: EngineName = "local",
    workers: Workers = 1,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="Threads a run; all cores by default.")] = None,
    gpus_per_run: GpusPerRun = None,
    ray_address: RayAddress = None,
    offline: Annotated[bool, typer.Option(help="Never ask the network.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be run.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Run stored ones again, beside the first.")] = False,
    init: Annotated[str, typer.Option(help="pretrained, or random for the control from scratch.")] = "pretrained",
    resample: Annotated[
        str, typer.Option(help="holdout, kfold:K, loo, bootstrap:B, partition:P[:sequential].")
    ] = "holdout",
    allow_unpinned: Annotated[
        bool, typer.Option("--allow-unpinned", help="Take a data set's commit of today.")
    ] = False,
    joint: Annotated[bool, typer.Option("--joint", help="The tasks share one trunk, one head each.")] = False,
    sampling: Annotated[
        str | None, typer.Option(help="Of joint tasks: proportional, uniform, temperature:T or TASK=RATE,...")
    ] = None,
    weights: Annotated[str | None, typer.Option(help="What a joint task's loss counts: TASK=WEIGHT,...")] = None,
    tasks_per_step: Annotated[
        int | None, typer.Option(help="Batches (of joint tasks in turn) that one optimiser step accumulates.")
    ] = None,
    keep_weights: Annotated[
        bool, typer.Option("--keep-weights", help="File what was trained too; stored runs without it are run again.")
    ] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Say at the end where the runs' time went.")] = False,
    as_json: AsJson = False,
) -> None:
    """Evaluate checkpoints on tasks; results are stored as they come."""
    prepare(offline)
    with told(UNREAD):
        from suite.display import console
        from suite.grid import Place, without_weights
        from suite.mixtures import parse_mixture
        from suite.plan import Request, plan
        from suite.spec import SuiteError

        if init not in ("pretrained", "random"):
            raise SuiteError(f"--init is '{init}'; expected pretrained or random.")
        words = (tuple(models), tuple(tasks), tuple(strategies))
        mixture = parse_mixture(sampling, weights, tasks_per_step)
        request = Request(*words, seeds, protocol, init, resample, offline, allow_unpinned, joint, mixture)  # type: ignore[arg-type]
        specs = plan(request)
        place = Place(store, engine, workers, device, threads, gpus_per_run, ray_address)
        if keep_weights and (note := without_weights(specs)):
            say(note, err=True)
        if dry_run:
            _print_plan(specs, place, force, keep_weights)
            return
        with timing.measure() as clock:
            failed, spent = _carry_out(specs, place, force, as_json, keep_weights)
        if profile and spent.runs:
            console(err=True).print(spent.table(clock))
        if not as_json:
            _print_outcome(specs, store)
    raise typer.Exit(1 if failed else 0)


def _print_outcome(specs: Sequence[RunSpec], store: str) -> None:
    """Print the boards of what was asked for, and what only joint or staged runs have to tell."""
    from suite.admission import Filter, read

    contents = read(store)
    columns = {task.name: task for spec in specs for task in spec.tasks}
    print_boards(list(columns.values()), contents, Filter(protocol=specs[0].protocol.name, resample=specs[0].resample))
    if any(spec.mixture for spec in specs):
        print_transfer(contents, list(columns))
    if specs[0].resample.endswith(":sequential"):
        print_stages(contents, {spec.key() for spec in specs})


def _print_plan(specs: Sequence[RunSpec], place: Place, force: bool, keep: bool) -> None:
    from suite.display import run_name
    from suite.grid import split
    from suite.store import Store

    held, missing = split(specs, Store(place.store), force, keep)
    keys = {spec.key() for spec in held}
    for spec in specs:
        key = spec.key()
        say(f"{key[:12]}  {'stored' if key in keys else 'to run'}  {run_name(spec)}")
    say(f"{len(missing)} to run, {len(held)} stored.")
    for line in shares(missing, place.workers):
        say(line)


def _carry_out(
    specs: Sequence[RunSpec], place: Place, force: bool, as_json: bool, keep: bool = False
) -> tuple[int, Profile]:
    """Run, show and store; return how many failed, and where the time of the others went."""
    from suite.display import GridDisplay, console
    from suite.grid import carry_out
    from suite.spec import Failure
    from suite.tables import run_line

    failed = stored = kept = 0
    profile = Profile()
    records = sum(len(spec.tasks) for spec in specs)
    if keep and not force:
        _tell_repeats(specs, place)
    with GridDisplay(records, console(err=True), quiet=as_json) as display:
        for outcome in carry_out(specs, place, display.event, force, keep):
            if isinstance(outcome, Failure):
                failed += len(outcome.spec.tasks)
                display.finished(outcome, stored=False)
                continue
            stored += outcome.stored
            kept += bool(outcome.record.artifact) and not outcome.stored
            display.finished(outcome.record, outcome.stored)
            if not outcome.stored:
                profile.add(outcome.record)
            if as_json:
                phases = {"phases": timing.of_cost(outcome.record.cost)}
                typer.echo(json.dumps(run_line(outcome.record, outcome.stored) | phases))
    if not as_json:
        made = records - failed - stored
        say(f"{made} run, {stored} stored before, {failed} failed. Results in {place.store}", err=True)
    if kept:
        where = f"{place.store.rstrip('/')}/records/<first two digits>/<key>-<attempt>/weights"
        say(f"{kept} kept their weights: {where}", err=True)
    return failed, profile


def _tell_repeats(specs: Sequence[RunSpec], place: Place) -> None:
    """Say how many stored runs are run again because they have no weights."""
    from suite.grid import split
    from suite.store import Store

    store = Store(place.store)
    held, kept = split(specs, store)[0], split(specs, store, keep=True)[0]
    if again := len(held) - len(kept):
        say(f"{again} stored runs have no weights; they are run again, beside the first.", err=True)


@app.command()
def demo(
    store: StoreUrl = "./results",
    workers: Annotated[int | None, typer.Option(help="Runs at once; two where there are two cores.")] = None,
    engine: EngineName = "local",
    ray_address: RayAddress = None,
) -> None:
    """Do the main job on bundled checkpoints and tasks; no network is needed."""
    prepare(offline=True)
    with told():
        from suite.admission import Filter
        from suite.demo import BOARDS, requests
        from suite.environment import count_cores
        from suite.grid import Place
        from suite.plan import plan
        from suite.tasks import load, load_collection

        specs = [spec for request in requests() for spec in plan(request)]
        at_once = workers or min(2, count_cores())
        place = Place(store, engine, at_once, device="cpu", threads=1, ray_address=ray_address)
        failed, _ = _carry_out(specs, place, False, False)
        for name in BOARDS:
            collection = load_collection(name)
            title = f"{name} v{collection.version}: {collection.description}"
            print_boards(load(name), store, Filter(protocol=collection.protocol), title)
        print_transfer(store, None)
        say()
        say("Next, your own:  suite run -m org/model -t your-task.yaml -s linear_probe lora full")
        say("(a task file is ten lines: docs/adding-a-task.md; what is bundled: suite tasks, suite models)")
    raise typer.Exit(1 if failed else 0)
