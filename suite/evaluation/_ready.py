"""A task of a run with its rows as the checkpoint takes them, made once for the runs that share it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from suite import cuts, data, environment, kinds, metrics, predictors, resampling, tasks, timing
from suite.data import Prepared
from suite.environment import Machine
from suite.evaluation._inputs import Inputs, weight
from suite.kinds import Kind
from suite.outputs import Outputs
from suite.spec import Protocol, RunSpec, TaskSpec, canonical_json
from suite.strategies import Part

KEPT = 4
"""So many tasks' rows are kept as a checkpoint takes them: a run of several tasks has all of them at once."""

KEPT_BYTES = 1_000_000_000
"""Beyond this many bytes, about, the older of them are let go."""


@dataclass(frozen=True)
class Ready:
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


_READY: dict[str, Ready] = {}


def make_ready(spec: RunSpec, task: TaskSpec, machine: Machine) -> Ready:
    """Return a task's rows as the checkpoint takes them; the last few are kept, since seeds and strategies share them.

    Raises:
        SuiteError: data or checkpoint cannot be used; the message says why.
    """
    key = _address(spec, task)
    if key not in _READY:
        made = _make(spec, task)
        while _READY and (len(_READY) >= KEPT or _weight(made, *_READY.values()) > KEPT_BYTES):
            _READY.pop(next(iter(_READY)))
        _READY[key] = made
    found = _READY[key]
    identity = _feature_identity(spec, machine, found.max_length, task.kind)
    stages = tuple(replace(part, identity=identity) for part in found.stages)
    return replace(found, task=task, stages=stages)


def _address(spec: RunSpec, task: TaskSpec) -> str:
    """Return what a task's rows depend on, as text: neither strategy nor seed, unless the seed cuts the data."""
    checkpoint, cut = spec.checkpoint, (spec.resample_seed(), spec.fold) if spec.resample != "holdout" else ()
    return canonical_json(
        [
            task.model_dump(mode="json", by_alias=True),
            dict(spec.protocol.limits),
            spec.protocol.max_length,
            [spec.resample, *cut],
            [checkpoint.name, checkpoint.revision, checkpoint.folder],
        ]
    )


def _weight(*ready: Ready) -> int:
    """Return about how many bytes prepared rows take."""
    splits = [split for one in ready for part in one.stages for split in part.splits]
    return sum(map(weight, splits))


def _make(spec: RunSpec, task: TaskSpec) -> Ready:
    kind = kinds.get(task.kind)
    with timing.phase("loading data"):
        cut = load_rows(task, spec)
        classes = kind.classes(task, cut[0])
    with timing.phase("preparing"):
        inputs = Inputs(spec, task, classes)

        def part(rows: data.TaskData) -> Part:
            train, validation, test = (
                replace(made, clusters=_clusters(split))
                for made, split in zip(inputs.of(rows.splits), rows.splits, strict=True)
            )
            return Part(
                target=kind.target,
                n_outputs=kind.n_outputs(classes),
                per_token=kind.per_token,
                train=train,
                validation=validation,
                test=test,
                collate=inputs.collate,
                score=lambda outputs: main_score(task, kind, validation, outputs),
                identity={},
                classes=tuple(classes) if kind.target in predictors.NAMED else (),
                uncut=None if spec.resample == "holdout" else functools.partial(_uncut, spec, task),
            )

        stages = tuple(part(rows) for rows in cut)
    return Ready(task, kind, classes, cut[-1].pins, inputs.max_length, stages, tuple(cut))


_UNCUT: dict[str, tuple[Prepared, ...]] = {}


def _uncut(spec: RunSpec, task: TaskSpec) -> tuple[Prepared, ...]:
    """Return a task's splits, neither cut nor limited, as the checkpoint takes them; the last are kept."""
    key = _address(spec.model_copy(update={"resample": "holdout"}), task)
    if key not in _UNCUT:
        kind = kinds.get(task.kind)
        whole = data.load(task, tasks.local_files(task), {})
        classes = kind.classes(task, whole)
        _UNCUT.clear()
        _UNCUT[key] = Inputs(spec, task, classes).of(whole.splits)
    return _UNCUT[key]


def _clusters(split: data.Split) -> list[str] | None:
    """Return the group of every row; a row without one is a group of its own."""
    groups = split.columns.get(kinds.GROUP)
    if groups is None:
        return None
    pairs = zip(split.ids, groups, strict=True)
    return [f"row {row}" if group is None or group != group else str(group) for row, group in pairs]


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


def main_of(task: TaskSpec) -> str:
    assert task.main is not None  # plan completed the task from its kind
    return task.main


def main_score(task: TaskSpec, kind: Kind, rows: Prepared, outputs: Outputs) -> float:
    """Return the main metric on some rows, turned so that larger is better."""
    predictions, scores = kind.decode(outputs, rows)
    sign = 1.0 if metrics.get(main_of(task)).greater_is_better else -1.0
    return sign * metrics.value(main_of(task), rows.labels, predictions, scores)


def _feature_identity(spec: RunSpec, machine: Machine, max_length: int, kind: str) -> dict[str, Any]:
    """Return what frozen features depend on, the rows and the pooling aside."""
    return {
        "checkpoint": spec.checkpoint.revision,
        "init": spec.seeds()["init"] if spec.checkpoint.init == "random" else "pretrained",
        "kind": kind,
        "max_length": max_length,
        "device": machine.device,
        "hardware": environment.hardware(machine.device),  # machines may share a cache
        "threads": machine.threads,
        "libraries": {name: environment.versions().get(name) for name in ("torch", "transformers", "timm")},
    }
