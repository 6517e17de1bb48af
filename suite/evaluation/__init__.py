"""The story of one evaluation: from a pinned RunSpec to its record and per-example predictions."""

from __future__ import annotations

import contextlib
import datetime
import functools
import gc
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from suite import contamination, environment, files, kinds, models, predictors, ranks, strategies, timing, trunks
from suite.environment import Machine
from suite.evaluation import _result
from suite.evaluation._ready import Ready, load_data, load_rows, make_ready
from suite.spec import Modality, Result, RunSpec, SuiteError

__all__ = ["evaluate", "load_data", "load_rows", "prepared"]

Progress = Callable[[dict[str, Any]], None]


def evaluate(
    spec: RunSpec, machine: Machine, progress: Progress, keep: str | None = None, resume: Path | None = None
) -> list[Result]:
    """Run one evaluation: load, prepare, adapt, predict, score; return one result a task.

    Args:
        spec: what to evaluate, everything pinned.
        machine: the device and the number of threads. On several devices a strategy that trains by gradient starts
            a process for each; the others, and what comes after the training, make use of one.
        progress: called with `{"phase": ...}` and, during training, with step, steps and loss.
        keep: a folder to write the trained weights into, one below it for each result; by default they are let go.
        resume: a folder of this run's own: what a long training leaves there is where the next one goes on.

    Raises:
        SuiteError: data or checkpoint cannot be used; the message says why.
    """
    if machine.devices > 1 and strategies.get(spec.strategy).spreads:
        return _spread(spec, machine, progress, keep)
    return _alone(spec, replace(machine, devices=1), progress, keep, resume)


def _alone(
    spec: RunSpec, machine: Machine, progress: Progress, keep: str | None = None, resume: Path | None = None
) -> list[Result]:
    """Run one evaluation in this process; of several that share one, the first has the results."""
    with timing.measure() as clock, _undisturbed():
        results = _evaluate(spec, machine, progress, keep, resume)
        spent = timing.as_cost(clock.phases)
    shares = {name: round(found / len(spec.tasks), 3) for name, found in spent.items()}
    return [_with_cost(result, shares) for result in results]


def _spread(spec: RunSpec, machine: Machine, progress: Progress, keep: str | None) -> list[Result]:
    """Run one evaluation in as many processes as there are devices; what stops on its way begins anew.

    Raises:
        SuiteError: a batch has fewer rows than there are devices, or a process fails.
    """
    batch = spec.protocol.batch
    if batch < machine.devices:
        raise SuiteError(
            f"Protocol '{spec.protocol.name}' has batches of {batch}, which {machine.devices} devices cannot share; "
            f"use at most {batch}."
        )
    results: list[Result] = ranks.launch(functools.partial(_in_rank, spec, machine, keep), machine, progress)
    return results


def _in_rank(spec: RunSpec, machine: Machine, keep: str | None, progress: Progress) -> list[Result]:
    results = _alone(spec, machine, progress, keep)
    for trouble in files.troubles():
        progress({"note": trouble})
    return results


def _evaluate(
    spec: RunSpec, machine: Machine, progress: Progress, keep: str | None, resume: Path | None
) -> list[Result]:
    started = time.perf_counter()
    environment.watch_memory()
    _settle(machine)
    progress({"phase": "loading"})
    ready = {task.name: make_ready(spec, task, machine) for task in spec.tasks}
    progress({"phase": "adapting"})
    with timing.phase("training"):
        job = replace(_job(spec, ready, machine, progress), resume=resume)
        adapted = strategies.get(spec.strategy).fit(job)
    if not ranks.is_first():
        return []
    progress({"phase": "scoring"})
    with timing.phase("scoring"):
        about = {
            "checkpoint": _result.checkpoint(spec, adapted),
            "cost": _result.cost(time.perf_counter() - started, adapted, len(ready)),
            "environment": environment.describe(machine, adapted.log.get("precision", job.precision)),
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
        progress({"phase": "comparing rows"})
        with timing.phase("comparing rows"):
            found = contamination.look({name: one.rows for name, one in ready.items()}, machine.threads)
        results = [_result.make(spec, one, adapted, about, found[name]) for name, one in ready.items()]
    if keep is None or adapted.save is None:
        return results
    progress({"phase": "keeping weights"})
    with timing.phase("keeping weights"):
        return [_with_weights(result, ready[result.record.task], adapted, Path(keep)) for result in results]


def _modality(spec: RunSpec) -> Modality:
    """Return what a run's checkpoint reads; all its tasks give the same."""
    return kinds.get(spec.tasks[0].kind).modality


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Leave what was there before a run out of the searches for garbage during it: each would take half a second.

    What the run itself leaves is looked for at its end.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.collect()
        gc.unfreeze()


def _with_cost(result: Result, spent: dict[str, float]) -> Result:
    """Add to a result's cost what its run spent on each phase."""
    return replace(result, record=result.record.model_copy(update={"cost": {**result.record.cost, **spent}}))


def _with_weights(result: Result, ready: Ready, adapted: strategies.Adapted, where: Path) -> Result:
    """Write a result's weights into a folder of their own; if that fails the result is as good without."""
    folder = where / uuid.uuid4().hex
    try:
        predictors.keep(adapted, predictors.describe(result.record, ready.kind), folder)
    except (OSError, SuiteError) as error:
        return replace(result, unkept=str(error))
    return replace(result, weights=str(folder))


def _job(spec: RunSpec, ready: Mapping[str, Ready], machine: Machine, progress: Progress) -> strategies.Job:
    """Return what a strategy needs, and no more."""
    seeds = spec.seeds()
    builds = {
        name: functools.partial(
            models.load, spec.checkpoint, one.part.n_outputs, seeds["init"], one.kind.auto, one.kind.loss
        )
        for name, one in ready.items()
    }
    weights = spec.mixture.weights if spec.mixture else {}
    single = len(ready) == 1
    stages = next(iter(ready.values())).stages
    return strategies.Job(
        spec=spec,
        parts={name: one.part for name, one in ready.items()},
        build=next(iter(builds.values())) if single else lambda: trunks.share(builds, weights),
        seeds=seeds,
        device=machine.device,
        precision=machine.precision_of(spec.protocol, _modality(spec)),
        progress=progress,
        stages=stages if len(stages) > 1 else (),
        builds=builds,
        devices=machine.devices,
    )


def prepared(spec: RunSpec, machine: Machine, progress: Progress) -> strategies.Job:
    """Return a run's job as its strategy would get it, for those who only look at rows and features.

    Raises:
        SuiteError: data or checkpoint cannot be used; the message says why.
    """
    _settle(machine)
    return _job(spec, {task.name: make_ready(spec, task, machine) for task in spec.tasks}, machine, progress)


def _settle(machine: Machine) -> None:
    """Pin what would change numbers between two runs on one machine."""
    models.quiet()
    torch.set_num_threads(max(1, machine.threads // machine.devices))
    if machine.device == "cuda":
        torch.use_deterministic_algorithms(True, warn_only=True)
