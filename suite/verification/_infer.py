"""Kept weights predict again what they predicted on the day of the record, on the data that it was made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from suite import artifacts, grid, strategies
from suite.environment import Machine
from suite.spec import Record, Result, RunSpec, SuiteError
from suite.store import Store
from suite.verification._check import Check
from suite.verification._places import PINS, Means, Places, UntrueError, as_it_is, other_data
from suite.verification._rescore import rescore

AGREEMENT = 0.999
"""The share of predictions that must be the same."""

TOLERANCES = {"fp32": 1e-3, "bf16": 2e-2}
"""What scores may differ by, by the precision of the run: absolute up to 1, as of probabilities; above, in proportion.

Other batches and another number of threads move them by 1e-6 in fp32 and by up to 6e-3 in bf16.
"""


def infer(store: Store, names: Sequence[str], means: Means) -> Iterator[Check]:
    """Yield a check for every record: those without weights could not be checked.

    Raises:
        SuiteError: what the means name is not there.
    """
    places = Places(means)
    return (_check(store, name, means, places) for name in names)


def _check(store: Store, name: str, means: Means, places: Places) -> Check:
    check, result = rescore(store, name, "infer")
    if result is None:
        return check
    record = result.record
    unchecked = replace(check, ok=False, checked=False)
    try:
        if not record.artifact:
            return replace(unchecked, detail=_nothing_kept(store, record))
        again = _predict(store, record, means, places)
    except UntrueError as error:
        return replace(check, ok=False, detail=str(error))
    except SuiteError as error:
        return replace(unchecked, detail=str(error))
    except Exception as error:  # a store goes on whatever one record's weights do; the reason is told
        first = str(error).strip().splitlines()[:1]
        return replace(unchecked, detail=f"{type(error).__name__}: {first[0] if first else 'no message'}")
    wrong = list(_differences(result, again))
    told = "; ".join(wrong) or _agreement(result, again)
    return replace(check, ok=not wrong, detail=told)


@dataclass(frozen=True)
class _Again:
    """What the kept weights say now: the labels of the data, predictions, scores, and on which device."""

    labels: list[str]
    predictions: list[str]
    scores: list[np.ndarray]
    machine: Machine


def _nothing_kept(store: Store, record: Record) -> str:
    if not grid.leaves_weights(record.spec):
        return f"{record.spec.strategy} fits heads for the moment and leaves no weights; use --level retrain"
    if kept := store.kept(record.key):
        return f"this attempt kept no weights; attempt {kept} did"
    return "no weights were kept; run it again with --keep-weights, which files them with a further attempt"


def _predict(store: Store, record: Record, means: Means, places: Places) -> _Again:
    """Return what the weights of a record say of the test rows that it names.

    Raises:
        UntrueError: weights or data are not those of the record.
        SuiteError: they cannot be had here.
    """
    import torch

    from suite import models, predictors

    with store.weights(record.key, record.attempt) as folder:
        if wrong := artifacts.changed(record.artifact, folder):
            raise UntrueError("; ".join(wrong))
        whole = strategies.get(record.spec.strategy).keeps == "model"  # it needs no base checkpoint
        spec = places.settle(record.spec, checkpoint=not whole)
        machine = means.machine(record)
        models.quiet()
        torch.set_num_threads(machine.threads)
        rows = _rows(record, spec)
        predictor = predictors.load(folder, machine.device, None if whole else spec.checkpoint)
        prepared = predictor.prepare(rows)
        answers = predictor.answer(prepared)
    labels = predictor.kind.shown(prepared.labels, predictor.about.classes)
    return _Again(labels, answers.predictions, answers.scores, machine)


def _rows(record: Record, spec: RunSpec) -> Any:
    """Return the test rows, read anew.

    Raises:
        UntrueError: they, or those that were trained on, are others than the record says.
        SuiteError: they cannot be read.
    """
    from suite import evaluation

    task = as_it_is(next(task for task in spec.tasks if task.name == record.task))
    rows = evaluation.load_rows(task, spec)[-1]
    for pin in PINS:
        claimed: Any = record.data.get(pin)
        found = rows.pins.get(pin)
        if claimed is not None and claimed != found:
            raise other_data(record.task, f"{pin}{_where(claimed, found)}")
    return rows.test


def _where(claimed: Any, found: Any) -> str:
    if not isinstance(claimed, dict) or not isinstance(found, dict):
        return ""
    return f" ({', '.join(name for name in claimed if claimed[name] != found.get(name))})"


def _differences(result: Result, again: _Again) -> Iterator[str]:
    columns, n = result.columns, len(again.predictions)
    if n != len(columns["id"]):
        yield f"{len(columns['id'])} examples are stored, the data has {n}"
        return
    if others := sum(a != b for a, b in zip(columns["label"], again.labels, strict=True)):
        yield f"the labels of {others} examples are not those of the data"
    same = _same(result, again)
    if same < AGREEMENT * n:
        yield f"only {same} of {n} predictions come again from the kept weights"
    tolerance = TOLERANCES[result.record.precision]
    distances = _distances(columns["scores"], again.scores)
    if far := int((distances > tolerance).sum()):
        yield f"the scores of {far} of {n} examples are off by more than {tolerance}, by up to {distances.max():.2g}"


def _same(result: Result, again: _Again) -> int:
    return sum(a == b for a, b in zip(result.columns["prediction"], again.predictions, strict=True))


def _distances(stored: Sequence[Sequence[float]], found: Sequence[np.ndarray]) -> np.ndarray:
    """Return for each row how far its scores are from the stored ones in the terms of the tolerance, fp64 [n]."""
    return np.array([_distance(np.asarray(a, dtype=np.float64), b) for a, b in zip(stored, found, strict=True)])


def _distance(old: np.ndarray, new: np.ndarray) -> float:
    if old.shape != new.shape or not (np.isfinite(old) == np.isfinite(new)).all():
        return float("inf")
    both = np.isfinite(old)
    difference = np.abs(old - new)[both] / np.maximum(1.0, np.abs(old[both]))
    return float(difference.max(initial=0.0))


def _agreement(result: Result, again: _Again) -> str:
    n = len(again.predictions)
    most = _distances(result.columns["scores"], again.scores).max(initial=0.0)
    threads = f"{again.machine.threads} thread{'s' * (again.machine.threads > 1)}"
    where = f"on {'the GPU' if again.machine.device == 'cuda' else threads}"
    scores = "the same bits" if most == 0 else f"up to {most:.1e} off"
    return f"{_same(result, again)} of {n} predictions come again from the kept weights {where}, scores {scores}"
