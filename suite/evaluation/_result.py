"""What a run came to: its outputs scored, its record and its per-example table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from suite import contamination, data, environment, hub, metrics, strategies
from suite.data import Prepared
from suite.evaluation._ready import Ready, main_of, main_score
from suite.spec import COLLAPSE_RULE, Record, Result, RunSpec
from suite.strategies import Part


def make(
    spec: RunSpec, ready: Ready, adapted: strategies.Adapted, about: Mapping[str, Any], found: contamination.Found
) -> Result:
    """Score one task's outputs and return its record and per-example table."""
    task, kind, main = ready.task, ready.kind, main_of(ready.task)
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


def _pins(ready: Ready, adapted: strategies.Adapted) -> dict[str, Any]:
    """Return the data's pins; where others than the test rows were tested, theirs, since no board may mix the two."""
    if adapted.tested is None:
        return ready.pins
    return ready.pins | {"ids_sha256": ready.pins["ids_sha256"] | {"test": data.hash_ids(adapted.tested.ids)}}


def _chance(ready: Ready, adapted: strategies.Adapted, tested: Prepared) -> float | None:
    """Return what guessing gets; the task's word on it holds where all of its classes were told apart."""
    if adapted.told_apart is None:
        return ready.kind.chance(ready.task, tested.labels, len(ready.classes)).get(main_of(ready.task))
    silent = ready.task.model_copy(update={"chance": None})
    return ready.kind.chance(silent, tested.labels, adapted.told_apart).get(main_of(ready.task))


def _stages_log(stages: strategies.Stages | None, ready: Ready) -> dict[str, Any]:
    """Return the scores on the way through the stages, if there were several."""
    if stages is None:
        return {}
    tested = [main_score(ready.task, ready.kind, ready.part.test, outputs) for outputs in stages.outputs]
    return {"stage_scores": tested, "stage_validation": stages.validation}


def checkpoint(spec: RunSpec, adapted: strategies.Adapted) -> dict[str, Any]:
    folder = hub.fetch(spec.checkpoint)
    return {
        "files_sha256": hub.hash_folder(folder),
        "params": adapted.total_params,
        "trainable_params": adapted.trainable_params,
    }


def _counts(part: Part, tested: Prepared, scores: Any) -> dict[str, int]:
    """Count examples, cut ones, and tested ones whose scores are no finite numbers."""
    failed = _count_failed(scores)
    return {
        "train": len(part.train),
        "validation": len(part.validation),
        "test": len(tested),
        "scored": len(tested) - failed,
        "failed": failed,
        "truncated": sum(split.truncated for split in part.splits),
    }


def _count_failed(scores: Any) -> int:
    """Return how many examples' scores [n][...] are not all finite."""
    if isinstance(scores, np.ndarray):
        return int((~np.isfinite(scores).all(axis=tuple(range(1, scores.ndim)))).sum())
    return sum(not np.isfinite(np.asarray(row)).all() for row in scores)


def cost(seconds: float, adapted: strategies.Adapted, tasks: int) -> dict[str, float | int | None]:
    """Return the cost, shared by the tasks of a trunk; stored features count with what they once cost."""
    reused = float(adapted.log.get("features_reused_seconds", 0.0))
    on_gpu = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
    return {
        "seconds": round((seconds + reused) / tasks, 3),
        "reused_seconds": round(reused / tasks, 3),
        "peak_memory_bytes": environment.peak_memory(),
        "peak_device_memory_bytes": on_gpu,
    }
