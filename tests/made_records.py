"""Records made by hand: a result whose examples are given, under a protocol and on a task of a few words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from suite.spec import (
    Budget,
    CheckpointRef,
    DatasetRef,
    MetricInfo,
    Protocol,
    Record,
    Result,
    RunSpec,
    Selection,
    TaskSpec,
)

PROTOCOL = Protocol(
    name="p",
    version=1,
    seeds=2,
    batch=4,
    budget=Budget(epochs=1, min_steps=1, max_steps=2),
    selection=Selection(looks=1),
)
SHARE = MetricInfo(name="accuracy", version=1, greater_is_better=True, range=(0.0, 1.0), chance=0.5)
LOSS = MetricInfo(name="mean_squared_error", version=1, greater_is_better=False, range=(0.0, None), chance=None)


def made(
    model: str,
    task: str,
    values: Sequence[float] | np.ndarray,
    *,
    seed: int = 0,
    strategy: str = "full",
    main: MetricInfo = SHARE,
    protocol: Protocol = PROTOCOL,
    task_fields: dict[str, Any] | None = None,
    spec_fields: dict[str, Any] | None = None,
    columns: dict[str, list[Any]] | None = None,
    **fields: Any,
) -> Result:
    """Return a result of one task whose examples give `values` [n] to the main metric.

    The score is their mean. `task_fields`, `spec_fields` and `fields` replace what TaskSpec, RunSpec and Record would
    hold; `columns` adds to or replaces columns of the per-example table, whose ids are r0, r1, ...
    """
    given = np.asarray(values, dtype=np.float64)
    n = len(given)
    about = {"name": task, "version": 1, "kind": "text_classification", "dataset": DatasetRef(path="x", revision="d")}
    described = TaskSpec(**about | {"columns": {}, "main": main.name, "delta": 0.01} | (task_fields or {}))
    checkpoint = CheckpointRef(name=model, revision="0" * 40)
    identity = {"checkpoint": checkpoint, "tasks": (described,), "strategy": strategy, "settings": {}}
    spec = RunSpec(**identity | {"protocol": protocol, "seed": seed} | (spec_fields or {}))
    score = float(given.mean())
    held: dict[str, Any] = {
        "key": spec.key(task),
        "spec": spec,
        "task": task,
        "metrics": {main.name: score},
        "main": main,
        "collapsed": False,
        "collapse_rule": "score < chance + 0.05 * (best - chance)",
        "counts": {"train": 180, "validation": 20, "test": n, "scored": n, "failed": 0},
        "data": {"ids_sha256": {"test": f"sha256:{n:064x}"}, "rows_sha256": {"train": "p"}, "classes": ["no", "yes"]},
        "checkpoint": {"params": 1000, "trainable_params": 10},
        "training": {},
        "cost": {"seconds": 2.0, "peak_memory_bytes": 1_000_000_000},
        "environment": {},
        "seeds": spec.seeds(),
        "created": "2026-01-01T00:00:00+00:00",
    }
    table: dict[str, list[Any]] = {
        "id": [f"r{i}" for i in range(n)],
        "label": ["yes"] * n,
        "prediction": ["yes" if value > 0.5 else "no" for value in given],
        "scores": [[1 - float(value > 0.5), float(value > 0.5)] for value in given],
        "value": given.tolist(),
    }
    return Result(Record(**held | fields), table | (columns or {}))


def grid(skill: dict[str, float], tasks: Sequence[str], *, seeds: int = 3, n: int = 200, **more: Any) -> list[Result]:
    """Return results of every model of `skill`, right that often, on every task under every seed.

    The examples' difficulty is shared by all models, so that their scores are paired.
    """
    results = []
    for task in tasks:
        hard = np.random.default_rng([*task.encode()]).random(n)
        for place, (model, rate) in enumerate(skill.items()):
            for seed in range(seeds):
                noise = np.random.default_rng([*task.encode(), place, seed]).normal(0, 0.05, n)
                results.append(made(model, task, (hard + noise < rate).astype(float), seed=seed, **more))
    return results
