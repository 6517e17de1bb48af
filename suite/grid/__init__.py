"""A request carried through: planned, run on an engine, each result stored the moment it is there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from suite import engines, environment, runs
from suite.grid import _rounds
from suite.grid._data import check_data as check_data
from suite.grid._rounds import Done as Done
from suite.grid._rounds import Progress as Progress
from suite.plan import Request, plan
from suite.resources import check_cache
from suite.runs import leaves_weights as leaves_weights
from suite.spec import Failure, Record, RunSpec, SuiteError
from suite.store import Store


@dataclass(frozen=True)
class Place:
    """Where runs are carried out, and where their results go.

    `precision` is what a protocol's `auto` means; without it the engine says what its machines do well.
    """

    store: str = "./results"
    engine: str = "local"
    workers: int = 1
    device: str = "auto"
    threads: int | None = None
    gpus_per_run: float | None = None
    ray_address: str | None = None
    precision: environment.Precisions | None = None

    def wanted(self) -> engines.Wanted:
        """Return what of it is the engine's to give."""
        return engines.Wanted(self.device, self.threads, self.workers, self.gpus_per_run, self.ray_address)


PLACED = tuple(one.name for one in fields(Place) if one.name != "store")
"""The options that say where runs are carried out."""


@dataclass
class Report:
    """What came of a request."""

    done: list[Done] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    @property
    def records(self) -> list[Record]:
        """The records of all runs that have one."""
        return [one.record for one in self.done]

    def to_pandas(self) -> Any:
        """Return one row a record: checkpoint, task, strategy, seed, fold, the metrics and the cost."""
        import pandas as pd

        return pd.DataFrame(
            {
                "model": r.spec.checkpoint.name,
                "init": r.spec.checkpoint.init,
                "task": r.task,
                "strategy": r.spec.strategy,
                "joint": len(r.spec.tasks) > 1,
                "resample": r.spec.resample,
                "fold": r.spec.fold,
                "seed": r.spec.seed,
                **r.metrics,
                **r.cost,
            }
            for r in self.records
        )


def split(
    specs: Sequence[RunSpec], store: Store, force: bool = False, keep: bool = False
) -> tuple[list[RunSpec], list[RunSpec]]:
    """Return the runs that the store holds already, and those that are still to be carried out.

    Where weights are to be kept, a run that could keep some is held only if it did.
    """
    held = [] if force else [spec for spec in specs if runs.is_held(spec, store, keep)]
    keys = {spec.key() for spec in held}
    return held, [spec for spec in specs if spec.key() not in keys]


def without_weights(specs: Sequence[RunSpec]) -> str | None:
    """Return in a sentence which of the runs cannot keep weights, None where all can.

    Raises:
        SuiteError: none can, so that asking for weights makes no sense.
    """
    bare = [spec for spec in specs if not leaves_weights(spec)]
    if not bare:
        return None
    names = sorted({spec.strategy + (" left one out" if spec.resample == "loo" else "") for spec in bare})
    why = f"--keep-weights keeps nothing of {' and '.join(names)}: such heads are fitted for the moment"
    if len(bare) == len(specs):
        raise SuiteError(f"{why}. Leave the option out.")
    return f"{why}. The other runs keep their weights."


def carry_out(
    specs: Sequence[RunSpec], place: Place, progress: Progress, force: bool = False, keep: bool = False
) -> Iterator[Done | Failure]:
    """Yield every run's outcome: stored ones first, then the others as they end.

    Data is read and checked before the first run, so that a mistake in it costs nothing. With `keep` the
    trained weights are filed beside each record; a stored run without them is carried out again, as a
    further attempt. A run that another command on the same store carries out meanwhile is waited for.

    Raises:
        SuiteError: the store, the machine or the data cannot be used.
    """
    store = Store(place.store)
    held, missing = split(specs, store, force, keep)
    if missing or place.engine == "local":  # no cluster is connected for nothing
        machine, engine = check_place(place)
    if missing:
        store.check_writable()
        check_cache()
    for spec in held:
        yield from _rounds.stored(spec, store)
    if not missing:
        return
    os.environ["OMP_NUM_THREADS"] = str(machine.threads)  # torch is loaded from here on: there is something to run
    check_data(missing)
    machine = decide_precision(missing, place, machine, engine)
    with store.drafts() if keep else contextlib.nullcontext() as drafts:
        looked_at = place.store if place.engine == "local" else None
        orders = runs.Orders(looked_at, _rounds.unfinished(store), str(drafts) if keep else None, force)
        yield from _rounds.carry_out(missing, _rounds.Hand(engine, machine, place.workers, store, orders, progress))


def check_place(place: Place) -> tuple[environment.Machine, engines.Engine]:
    """Return the machine and the engine that a place means.

    Raises:
        SuiteError: the engine is unknown, or the machine has not what is asked; all of it is told at once.
    """
    problems = []
    try:
        engine = engines.get(place.engine)
    except SuiteError as error:
        problems.append(str(error))
        engine, place = engines.get("local"), replace(place, gpus_per_run=None, ray_address=None)
    try:
        machine = engine.machine(place.wanted())
    except SuiteError as error:
        problems.append(str(error))
    if problems:
        raise SuiteError("\n".join(problems))
    return machine, engine


def decide_precision(
    specs: Sequence[RunSpec], place: Place, machine: environment.Machine, engine: engines.Engine
) -> environment.Machine:
    """Return the machine with what `auto` means on it: measured where a run asks and the place is silent."""
    if all(spec.protocol.precision != "auto" for spec in specs):
        return machine
    return replace(machine, precision=place.precision or engine.precision(machine))


def run(
    models: Sequence[str] | str,
    tasks: Sequence[str] | str,
    strategies: Sequence[str] | str = ("full",),
    *,
    store: str | Path = "./results",
    progress: Progress | None = None,
    force: bool = False,
    keep_weights: bool = False,
    **options: Any,
) -> Report:
    """Evaluate checkpoints on tasks and return the records; what the store holds is not run again.

    Args:
        models: Hub names (`org/name`, `org/name@revision`), folders or `bundled/NAME`.
        tasks: tasks, collections or YAML files.
        strategies: how to adapt: full, lora, linear_probe, ...
        store: a folder or an fsspec URL.
        progress: called with each run's RunSpec and what it is doing.
        force: run again what is stored; the new record is kept beside the first.
        keep_weights: file what was trained beside each record; what is stored without is run again.
        **options: the other fields of Request (seeds, protocol, init, resample, joint, mixture, ...) and of Place
            (engine, workers, device, threads, gpus_per_run, ray_address).

    Raises:
        SuiteError: wrong words, files or data; nothing was run.
    """
    ours = {name: options.pop(name) for name in PLACED if name in options}
    request = Request(_words(models), _words(tasks), _words(strategies), **options)
    report = Report()
    specs, told = plan(request), progress or (lambda spec, event: None)
    place = Place(str(store), **ours)
    if keep_weights:
        without_weights(specs)
    with released(place):
        for outcome in carry_out(specs, place, told, force, keep_weights):
            if isinstance(outcome, Failure):
                report.failures.append(outcome)
            else:
                report.done.append(outcome)
    return report


@contextlib.contextmanager
def released(place: Place) -> Iterator[None]:
    """Let an engine go, which it keeps from grid to grid, when all is done."""
    try:
        yield
    finally:
        if place.engine in engines.names():
            engines.get(place.engine).close()


def _words(words: Sequence[str] | str) -> tuple[str, ...]:
    return (words,) if isinstance(words, str) else tuple(words)
