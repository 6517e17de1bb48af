"""A race on real runs: what `stats.racing` asks for is planned, carried out and stored as ordinary records.

Decisions are a function of the records in an order fixed beforehand, so that the same command goes on where an
interrupted one stopped, and every run is there for the leaderboard.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suite import strategies
from suite.grid import PLACED, Done, Place, Progress, carry_out, check_data, check_place, released, split
from suite.plan import Request, plan
from suite.selection._result import Raced
from suite.selection._standing import Entrant
from suite.spec import Failure, RunSpec, SuiteError, TaskSpec, canonical_json, digest
from suite.standing import scale_of
from suite.stats import racing
from suite.stats.racing import Cell, Look, Rules, Table
from suite.store import Store

Watch = Callable[[Raced, Done | Failure | Look | None], None]


@dataclass(frozen=True)
class _Field:
    """Every run that a race may ask for, by checkpoint, task and seed, and where runs are carried out."""

    specs: dict[Cell, RunSpec]
    place: Place
    progress: Progress
    watch: Watch


def race(
    models: Sequence[str] | str,
    tasks: Sequence[str] | str,
    strategy: str = "full",
    *,
    alpha: float = 0.05,
    store: str | Path = "./results",
    progress: Progress | None = None,
    watch: Watch | None = None,
    **options: Any,
) -> Raced:
    """Spend runs where the ranking of checkpoints is undecided; end in the set that may hold the best.

    Whoever is truly best by M over these tasks is removed with a probability of at most `alpha`.

    Args:
        models: two checkpoints at least: Hub names, folders or `bundled/NAME`.
        tasks: tasks, collections or YAML files.
        strategy: how to adapt.
        alpha: the risk.
        store: a folder or an fsspec URL; runs that it holds are not run again.
        progress: called with each run's RunSpec and what it is doing.
        watch: called with the race so far at every run's end, at every look, and before each batch of runs.
        **options: `seeds` (the most that anyone runs; by default the protocol's), `protocol`, `init`, `offline`,
            `allow_unpinned`, and of Place `engine`, `workers`, `device`, `threads`, `gpus_per_run`, `ray_address`.

    Raises:
        SuiteError: wrong words, files or data, or nothing that could race; nothing was run.
    """
    ours = {name: options.pop(name) for name in PLACED if name in options}
    if not 0 < alpha < 1:
        raise SuiteError(f"alpha is {alpha}; expected a risk between 0 and 1, such as 0.05.")
    specs = plan(Request(_words(models), _words(tasks), (strategy,), **options))
    entrants, order, by_cell = _line_up(specs)
    seeds = len({spec.seed for spec in specs})
    noisy = strategies.get(specs[0].strategy).seeded or specs[0].checkpoint.init == "random"
    rules = Rules(alpha, seeds, noisy)
    raced = Raced(
        strategy=specs[0].strategy,
        protocol=specs[0].protocol.name,
        rules=rules,
        tasks=[task.name for task in order],
        entrants=entrants,
        table=Table(len(entrants), len(order)),
    )
    field = _Field(by_cell, Place(str(store), **ours), progress or _silent, watch or _unseen)
    with released(field.place):
        _check(field)
        return _run(raced, field)


def _silent(spec: RunSpec, event: dict[str, Any]) -> None:
    """Tell nobody what a run is doing."""


def _unseen(raced: Raced, event: Done | Failure | Look | None) -> None:
    """Show a race to nobody."""


def _words(words: Sequence[str] | str) -> tuple[str, ...]:
    return (words,) if isinstance(words, str) else tuple(words)


def _line_up(specs: Sequence[RunSpec]) -> tuple[list[Entrant], list[TaskSpec], dict[Cell, RunSpec]]:
    """Return who races, over which tasks in which order, and every run by its cell.

    Raises:
        SuiteError: these are no runs that a race could be about.
    """
    if any(len(spec.tasks) > 1 for spec in specs):
        raise SuiteError(
            "A race runs task by task; tasks that share a trunk (multitask, --joint) cannot be raced over."
        )
    if any(spec.resample != "holdout" for spec in specs):
        raise SuiteError("A race compares held-out scores; leave --resample out.")
    modalities = {spec.checkpoint.modality: spec.checkpoint.name for spec in specs}
    if len(modalities) > 1:
        told = " and ".join(f"{name} reads {modality}s" for modality, name in modalities.items())
        raise SuiteError(f"{told}; a race is between checkpoints on the same tasks. Race texts and images apart.")
    tasks = sorted({s.tasks[0].name: s.tasks[0] for s in specs}.values(), key=lambda task: _lot(task.name))
    _check_directions(tasks)
    identities = list(dict.fromkeys(_identity(spec) for spec in specs))
    if len(identities) < 2:
        raise SuiteError(f"A race takes two checkpoints at least; {specs[0].checkpoint.label} is the only one given.")
    places = {identity: place for place, identity in enumerate(identities)}
    columns = {task.name: place for place, task in enumerate(tasks)}
    cells = {(places[_identity(spec)], columns[spec.tasks[0].name], spec.seed): spec for spec in specs}
    return [Entrant(*identity) for identity in identities], tasks, cells


def _identity(spec: RunSpec) -> tuple[str, str, str]:
    return spec.checkpoint.name, spec.checkpoint.revision, spec.checkpoint.init


def _lot(name: str) -> str:
    """Return what tasks are sorted by: an order as good as random, and the same whenever it is asked for."""
    return digest(canonical_json(["race", name]).encode())


def _check_directions(tasks: Sequence[TaskSpec]) -> None:
    """Refuse to add up scores and losses: they have no mean.

    Raises:
        SuiteError: there are both.
    """
    from suite import metrics

    mains = {task.name: str(task.main) for task in tasks}
    known = {name: metrics.get(main) for name, main in mains.items() if not main.startswith(metrics.HUB)}
    losses = [name for name, metric in known.items() if not metric.greater_is_better]
    if losses and len(losses) < len(known):
        raise SuiteError(
            f"{', '.join(losses)} {'is' if len(losses) == 1 else 'are'} scored by a loss and the other tasks are not; "
            "the two have no mean. Race over them apart."
        )


def _check(field: _Field) -> None:
    """Look at the machine, the store and all tasks' data before the first run, as far as there is something to run.

    Raises:
        SuiteError: one of them cannot be used.
    """
    machine, _ = check_place(field.place)
    store = Store(field.place.store)
    first = {cell[1]: spec for cell, spec in reversed(field.specs.items())}
    if split(list(first.values()), store)[1]:
        store.check_writable()
        os.environ["OMP_NUM_THREADS"] = str(machine.threads)  # before torch is loaded
        check_data(list(first.values()))


def _run(raced: Raced, field: _Field) -> Raced:
    """Ask, run and decide in turn until the race is over."""
    for step in racing.race(raced.table, raced.rules):
        if isinstance(step, Look):
            raced.looks.append(step)
            field.watch(raced, step)
            continue
        field.watch(raced, None)
        cells = {field.specs[cell].key(): cell for cell in step}
        for outcome in carry_out([field.specs[cell] for cell in step], field.place, field.progress):
            _enter(raced, cells, outcome)
            field.watch(raced, outcome)
    raced.ended = True
    return raced


def _enter(raced: Raced, cells: dict[str, Cell], outcome: Done | Failure) -> None:
    """Enter a run's score; one that failed takes its checkpoint out of the race."""
    if isinstance(outcome, Failure):
        cell = cells[outcome.spec.key()]
        raced.table.withdraw(cell[0])
        raced.failures.setdefault(cell[0], []).append(outcome)
        return
    record = outcome.record
    chance, scale = scale_of(record.main)
    raced.stored += outcome.stored
    raced.loss = not record.main.greater_is_better
    cell = cells[record.spec.key()]
    raced.table.put(cell, (record.score - chance) * scale, record.collapsed)
