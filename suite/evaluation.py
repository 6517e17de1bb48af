"""The story of one evaluation: from a pinned RunSpec to its record and per-example predictions."""

from __future__ import annotations

import datetime
import functools
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from suite import (
    contamination,
    cuts,
    data,
    environment,
    hub,
    kinds,
    metrics,
    models,
    predictors,
    processors,
    resampling,
    strategies,
    tasks,
    trunks,
)
from suite.data import Prepared
from suite.environment import Machine
from suite.kinds import Kind
from suite.outputs import Outputs
from suite.spec import COLLAPSE_RULE, Protocol, Record, Result, RunSpec, SuiteError, TaskSpec
from suite.strategies import Part

Progress = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class _Ready:
    """One task of a run, ready to be adapted to: its kind, class names, pins and rows."""

    task: TaskSpec
    kind: Kind
    classes: tuple[str, ...]
    pins: dict[str, Any]
    max_length: int
    stages: tuple[Part, ...]
    rows: tuple[data.TaskData, ...]

    @property
    def part(self) -> Part:
        """The task's rows; where it comes in stages, those of the last."""
        return self.stages[-1]


def evaluate(
    spec: RunSpec, machine: Machine, progress: Progress, keep: str | None = None, resume: Path | None = None
) -> list[Result]:
    """Run one evaluation: load, prepare, adapt, predict, score; return one result a task.

    Args:
        spec: what to evaluate, everything pinned.
        machine: the device and the number of threads.
        progress: called with `{"phase": ...}` and, during training, with step, steps and loss.
        keep: a folder to write the trained weights into, one below it for each result; by default they are let go.
        resume: a folder of this run's own: what a long training leaves there is where the next one goes on.

    Raises:
        SuiteError: data or checkpoint cannot be used; the message says why.
    """
    started = time.perf_counter()
    _settle(machine)
    progress({"phase": "loading"})
    ready = {task.name: _prepare(spec, task, machine) for task in spec.tasks}
    progress({"phase": "adapting"})
    adapted = strategies.get(spec.strategy).fit(replace(_job(spec, ready, machine, progress), resume=resume))
    progress({"phase": "scoring"})
    cost = _cost(time.perf_counter() - started, adapted, len(ready))
    about = {
        "checkpoint": _checkpoint(spec, adapted),
        "cost": cost,
        "environment": environment.describe(machine, machine.precision_of(spec.protocol)),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    progress({"phase": "comparing rows"})
    found = contamination.look({name: one.rows for name, one in ready.items()}, machine.threads)
    results = [_result(spec, one, adapted, about, found[name]) for name, one in ready.items()]
    if keep is None or adapted.save is None:
        return results
    progress({"phase": "keeping weights"})
    return [_with_weights(result, ready[result.record.task], adapted, Path(keep)) for result in results]


def _with_weights(result: Result, ready: _Ready, adapted: strategies.Adapted, where: Path) -> Result:
    """Write a result's weights into a folder of their own; if that fails the result is as good without."""
    folder = where / uuid.uuid4().hex
    try:
        predictors.keep(adapted, predictors.describe(result.record, ready.kind), folder)
    except (OSError, SuiteError) as error:
        return replace(result, unkept=str(error))
    return replace(result, weights=str(folder))


def _result(
    spec: RunSpec, ready: _Ready, adapted: strategies.Adapted, about: Mapping[str, Any], found: contamination.Found
) -> Result:
    """Score one task's outputs and return its record and per-example table."""
    task, kind, main = ready.task, ready.kind, _main(ready.task)
    tested = adapted.tested or ready.part.test
    predictions, scores = kind.decode(adapted.outputs[task.name], tested)
    values = metrics.score(task.metrics, tested.labels, predictions, scores)
    meaning = metrics.info(main, _chance(ready, adapted, tested))
    log = adapted.log | _stages_log(adapted.stages, ready)
    found = found.at(tested.ids)
    record = Record(
        key=spec.key(task.name),
        spec=spec,
        task=task.name,
        metrics=values,
        main=meaning,
        collapsed=meaning.is_collapsed(values[main]),
        collapse_rule=COLLAPSE_RULE,
        counts=_counts(ready.part, tested, scores),
        data={**_pins(ready, adapted), "classes": list(ready.classes)},
        training={**log, "max_length": ready.max_length},
        seeds=spec.seeds(),
        contamination=found.record(values, tested.labels, predictions, scores),
        **about,
    )
    columns = {
        "id": tested.ids,
        "label": kind.shown(tested.labels, ready.classes),
        "prediction": kind.shown(predictions, ready.classes),
        "scores": [np.asarray(row, dtype=np.float32).tolist() for row in scores],
        "value": metrics.contributions(main, tested.labels, predictions, scores).tolist(),
    }
    return Result(record, columns | ({"cluster": tested.clusters} if tested.clusters else {}) | found.columns())


def _pins(ready: _Ready, adapted: strategies.Adapted) -> dict[str, Any]:
    """Return the data's pins; where others than the test rows were tested, theirs, since no board may mix the two."""
    if adapted.tested is None:
        return ready.pins
    return ready.pins | {"ids_sha256": ready.pins["ids_sha256"] | {"test": data.hash_ids(adapted.tested.ids)}}


def _chance(ready: _Ready, adapted: strategies.Adapted, tested: Prepared) -> float | None:
    """Return what guessing gets; the task's word on it holds where all of its classes were told apart."""
    if adapted.told_apart is None:
        return ready.kind.chance(ready.task, tested.labels, len(ready.classes)).get(_main(ready.task))
    silent = ready.task.model_copy(update={"chance": None})
    return ready.kind.chance(silent, tested.labels, adapted.told_apart).get(_main(ready.task))


def _prepare(spec: RunSpec, task: TaskSpec, machine: Machine) -> _Ready:
    """Return a task's rows as the checkpoint takes them."""
    kind = kinds.get(task.kind)
    cut = load_rows(task, spec)
    classes = kind.classes(task, cut[0])
    processor, max_length = processors.load(spec.checkpoint, kind.modality, spec.protocol.max_length)
    identity = _feature_identity(spec, machine, max_length, task.kind)

    def part(rows: data.TaskData) -> Part:
        train, validation, test = (
            replace(kind.prepare(split, classes, processor, max_length), clusters=_clusters(split))
            for split in rows.splits
        )
        return Part(
            target=kind.target,
            n_outputs=kind.n_outputs(classes),
            per_token=kind.per_token,
            train=train,
            validation=validation,
            test=test,
            collate=kind.collate(processor),
            score=lambda outputs: _main_score(task, kind, validation, outputs),
            identity=identity,
            classes=tuple(classes) if kind.target in predictors.NAMED else (),
        )

    return _Ready(task, kind, classes, cut[-1].pins, max_length, tuple(part(rows) for rows in cut), tuple(cut))


def _clusters(split: data.Split) -> list[str] | None:
    """Return the group of every row; a row without one is a group of its own."""
    groups = split.columns.get(kinds.GROUP)
    if groups is None:
        return None
    pairs = zip(split.ids, groups, strict=True)
    return [f"row {row}" if group is None or group != group else str(group) for row, group in pairs]


def _job(spec: RunSpec, ready: Mapping[str, _Ready], machine: Machine, progress: Progress) -> strategies.Job:
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
        precision=machine.precision_of(spec.protocol),
        progress=progress,
        stages=stages if len(stages) > 1 else (),
        builds=builds,
    )


def prepared(spec: RunSpec, machine: Machine, progress: Progress) -> strategies.Job:
    """Return a run's job as its strategy would get it, for those who only look at rows and features.

    Raises:
        SuiteError: data or checkpoint cannot be used; the message says why.
    """
    _settle(machine)
    return _job(spec, {task.name: _prepare(spec, task, machine) for task in spec.tasks}, machine, progress)


def load_rows(task: TaskSpec, spec: RunSpec) -> list[data.TaskData]:
    """Return the rows of a task under a run's limits and cut: one stage, or several that follow each other.

    Raises:
        SuiteError: the data cannot be used, or cannot be cut so.
    """
    limits: Mapping[Any, int] = spec.protocol.limits
    if spec.resample == "holdout":
        return [load_data(task, spec.protocol)]
    whole = data.load(task, tasks.local_files(task), {})
    stages = cuts.cut(task, whole, cuts.Cut(spec.resample, spec.fold, spec.resample_seed()))
    if resampling.parse(spec.resample).name == "loo" and "train" in limits:  # its three splits are the same rows
        limits = dict.fromkeys(("train", "validation", "test"), limits["train"])
    return [data.limited(rows, limits) for rows in stages]


def load_data(task: TaskSpec, protocol: Protocol) -> data.TaskData:
    """Return the rows of a task under a protocol's limits."""
    return data.load(task, tasks.local_files(task), protocol.limits)


def _settle(machine: Machine) -> None:
    """Pin what would change numbers between two runs on one machine."""
    models.quiet()
    torch.set_num_threads(machine.threads)
    if machine.device == "cuda":
        torch.use_deterministic_algorithms(True, warn_only=True)


def _main(task: TaskSpec) -> str:
    assert task.main is not None  # plan completed the task from its kind
    return task.main


def _main_score(task: TaskSpec, kind: Kind, rows: Prepared, outputs: Outputs) -> float:
    """Return the main metric on some rows, turned so that larger is better."""
    predictions, scores = kind.decode(outputs, rows)
    sign = 1.0 if metrics.get(_main(task)).greater_is_better else -1.0
    return sign * metrics.value(_main(task), rows.labels, predictions, scores)


def _feature_identity(spec: RunSpec, machine: Machine, max_length: int, kind: str) -> dict[str, Any]:
    """Return what frozen features depend on, the rows and the pooling aside."""
    return {
        "checkpoint": spec.checkpoint.revision,
        "init": spec.seeds()["init"] if spec.checkpoint.init == "random" else "pretrained",
        "kind": kind,
        "max_length": max_length,
        "device": machine.device,
        "threads": machine.threads,
        "libraries": {name: environment.versions().get(name) for name in ("torch", "transformers", "timm")},
    }


def _stages_log(stages: strategies.Stages | None, ready: _Ready) -> dict[str, Any]:
    """Return the scores on the way through the stages, if there were several."""
    if stages is None:
        return {}
    tested = [_main_score(ready.task, ready.kind, ready.part.test, outputs) for outputs in stages.outputs]
    return {"stage_scores": tested, "stage_validation": stages.validation}


def _checkpoint(spec: RunSpec, adapted: strategies.Adapted) -> dict[str, Any]:
    folder = hub.fetch(spec.checkpoint)
    return {
        "files_sha256": hub.hash_folder(folder),
        "params": adapted.total_params,
        "trainable_params": adapted.trainable_params,
    }


def _counts(part: Part, tested: Prepared, scores: Any) -> dict[str, int]:
    """Count examples, cut ones, and tested ones whose scores are no finite numbers."""
    failed = sum(not np.isfinite(np.asarray(row)).all() for row in scores)
    return {
        "train": len(part.train),
        "validation": len(part.validation),
        "test": len(tested),
        "scored": len(tested) - failed,
        "failed": failed,
        "truncated": sum(split.truncated for split in part.splits),
    }


def _cost(seconds: float, adapted: strategies.Adapted, tasks: int) -> dict[str, float | int | None]:
    """Return the cost, shared by the tasks of a trunk; stored features count with what they once cost."""
    reused = float(adapted.log.get("features_reused_seconds", 0.0))
    on_gpu = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
    return {
        "seconds": round((seconds + reused) / tasks, 3),
        "reused_seconds": round(reused / tasks, 3),
        "peak_memory_bytes": environment.peak_memory(),
        "peak_device_memory_bytes": on_gpu,
    }
