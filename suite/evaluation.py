"""The story of one evaluation: from a pinned RunSpec to its record and per-example predictions."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from suite import data, environment, hub, kinds, metrics, models, processors, strategies, tasks
from suite.data import Prepared
from suite.environment import Machine
from suite.kinds import Kind
from suite.spec import MetricInfo, Protocol, Record, Result, RunSpec, TaskSpec

Progress = Callable[[dict[str, Any]], None]
COLLAPSE = 0.05
COLLAPSE_RULE = f"score < chance + {COLLAPSE} * (best - chance)"


def evaluate(spec: RunSpec, machine: Machine, progress: Progress) -> list[Result]:
    """Run one evaluation: load, prepare, adapt, predict, score.

    Args:
        spec: what to evaluate, everything pinned.
        machine: the device and the number of threads.
        progress: called with `{"phase": ...}` and, during training, with step, steps and loss.

    Raises:
        SuiteError: data or checkpoint cannot be used; the message says why.
    """
    started = time.perf_counter()
    _settle(machine)
    (task,) = spec.tasks
    kind = kinds.get(task.kind)
    progress({"phase": "loading"})
    rows = load_data(task, spec.protocol)
    classes = kind.classes(task, rows)
    job = _prepare(spec, rows, classes, machine, progress)
    progress({"phase": "adapting"})
    adapted = strategies.get(spec.strategy).fit(job)
    progress({"phase": "scoring"})
    predictions, scores = kind.decode(adapted.logits)
    values = metrics.score(task.metrics, job.test.labels, predictions)
    main = metrics.info(_main(task), kind.chance(task, job.test.labels, len(classes)).get(_main(task)))
    record = Record(
        key=spec.key(task.name),
        spec=spec,
        task=task.name,
        metrics=values,
        main=main,
        collapsed=is_collapsed(values[main.name], main),
        collapse_rule=COLLAPSE_RULE,
        counts=_counts(job, scores),
        data={**rows.pins, "classes": list(classes)},
        checkpoint=_checkpoint(spec, adapted),
        training={**adapted.log, "max_length": job.max_length},
        cost=_cost(time.perf_counter() - started, adapted),
        environment=environment.describe(machine, spec.protocol.precision),
        seeds=spec.seeds(),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    return [Result(record, _columns(task, classes, job.test, predictions, scores))]


def _prepare(
    spec: RunSpec, rows: data.TaskData, classes: tuple[str, ...], machine: Machine, progress: Progress
) -> strategies.Job:
    """Return the checkpoint and the rows as the checkpoint takes them: what a strategy needs, and no more."""
    (task,), seeds = spec.tasks, spec.seeds()
    kind = kinds.get(task.kind)
    processor, max_length = processors.load(spec.checkpoint, kind.modality, spec.protocol.max_length)
    train, validation, test = (kind.prepare(split, classes, processor, max_length) for split in rows.splits)
    return strategies.Job(
        spec=spec,
        n_outputs=len(classes),
        max_length=max_length,
        build=lambda: models.load(spec.checkpoint, len(classes), seeds["init"], kind.auto, kind.loss),
        train=train,
        validation=validation,
        test=test,
        collate=kind.collate(processor),
        score=lambda logits: _main_score(task, kind, validation, logits),
        seeds=seeds,
        device=machine.device,
        progress=progress,
        identity=_feature_identity(spec, machine, max_length, seeds),
    )


def load_data(task: TaskSpec, protocol: Protocol) -> data.TaskData:
    """Return the rows of a task under a protocol's limits."""
    return data.load(task, tasks.local_files(task), protocol.limits)


def is_collapsed(score: float, main: MetricInfo) -> bool:
    """Return whether a run learned nothing, by the declared rule; without a chance level none is."""
    best = main.range[1] if main.greater_is_better else main.range[0]
    if main.chance is None or best is None:
        return False
    threshold = main.chance + COLLAPSE * (best - main.chance)
    return score < threshold if main.greater_is_better else score > threshold


def _settle(machine: Machine) -> None:
    """Pin what would change numbers between two runs on one machine."""
    models.quiet()
    torch.set_num_threads(machine.threads)
    if machine.device == "cuda":
        torch.use_deterministic_algorithms(True, warn_only=True)


def _main(task: TaskSpec) -> str:
    assert task.main is not None  # plan completed the task from its kind
    return task.main


def _main_score(task: TaskSpec, kind: Kind, rows: Prepared, logits: np.ndarray) -> float:
    """Return the main metric on some rows, turned so that larger is better."""
    predictions, _ = kind.decode(logits)
    sign = 1.0 if metrics.get(_main(task)).greater_is_better else -1.0
    return sign * metrics.value(_main(task), rows.labels, predictions)


def _feature_identity(spec: RunSpec, machine: Machine, max_length: int, seeds: Mapping[str, int]) -> dict[str, Any]:
    """Return what frozen features depend on, the rows and the pooling aside."""
    return {
        "checkpoint": spec.checkpoint.revision,
        "init": seeds["init"] if spec.checkpoint.init == "random" else "pretrained",
        "max_length": max_length,
        "device": machine.device,
        "threads": machine.threads,
        "libraries": {name: environment.versions().get(name) for name in ("torch", "transformers", "timm")},
    }


def _checkpoint(spec: RunSpec, adapted: strategies.Adapted) -> dict[str, Any]:
    folder = hub.fetch(spec.checkpoint)
    return {
        "files_sha256": hub.hash_folder(folder),
        "params": adapted.total_params,
        "trainable_params": adapted.trainable_params,
    }


def _counts(job: strategies.Job, scores: np.ndarray) -> dict[str, int]:
    """Count rows, cut texts, and test rows whose scores are no finite numbers."""
    failed = int((~np.isfinite(scores).all(axis=1)).sum())
    return {
        "train": len(job.train),
        "validation": len(job.validation),
        "test": len(job.test),
        "scored": len(job.test) - failed,
        "failed": failed,
        "truncated": sum(split.truncated for split in job.splits),
    }


def _cost(seconds: float, adapted: strategies.Adapted) -> dict[str, float | int | None]:
    """Return the cost; features that were stored count with what they once cost."""
    reused = float(adapted.log.get("features_seconds", 0.0)) if adapted.log.get("features_stored") else 0.0
    on_gpu = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
    return {
        "seconds": round(seconds + reused, 3),
        "reused_seconds": round(reused, 3),
        "peak_memory_bytes": environment.peak_memory(),
        "peak_device_memory_bytes": on_gpu,
    }


def _columns(
    task: TaskSpec, classes: tuple[str, ...], test: Prepared, predictions: np.ndarray, scores: np.ndarray
) -> dict[str, list[Any]]:
    """Return the per-example table: id, label, prediction, fp32 scores, and what it gives to the main metric."""
    kind = kinds.get(task.kind)
    return {
        "id": test.ids,
        "label": kind.shown(test.labels, classes),
        "prediction": kind.shown(predictions, classes),
        "scores": scores.tolist(),
        "value": metrics.contributions(_main(task), test.labels, predictions).tolist(),
    }
