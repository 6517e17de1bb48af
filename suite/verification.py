"""A record -> still true? Everything in it that follows from something else in it is derived again.

`rescore`, the cheapest level, needs neither the checkpoint nor the data: bytes against digests, the key
against the RunSpec, each metric against the stored predictions, the predictions against their scores.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from suite import kinds, metrics
from suite.spec import Record, SuiteError, unknown
from suite.store import Store

LEVELS = ("rescore",)
TOLERANCE = 1e-12
"""Another version of a library may add up in another order; nothing else may differ."""


@dataclass(frozen=True)
class Check:
    """What came of verifying one record: `detail` names what does not hold, or says what was compared."""

    key: str
    level: str
    ok: bool
    detail: str


def verify(
    store: str | Store = "./results", keys: Sequence[str] | None = None, level: str = "rescore"
) -> Iterator[Check]:
    """Verify records one by one; nothing is changed in the store.

    Args:
        store: a folder, an fsspec URL or an open store.
        keys: keys or beginnings of keys of at least 6 digits; by default every record, all attempts.
        level: how deep to look.

    Raises:
        SuiteError: a key is not in the store, or there is no such level.
    """
    if level not in LEVELS:
        raise unknown("level of verification", level, LEVELS)
    opened = store if isinstance(store, Store) else Store(str(store))
    names = opened.names() if keys is None else [name for key in keys for name in _attempts(opened, key)]
    return (_check(opened, name, level) for name in names)


def _attempts(store: Store, key: str) -> list[str]:
    found = [name for name in store.names() if len(key) >= 6 and name.startswith(key)]
    if not found:
        raise SuiteError(f"No record in '{store.url}' has a key that begins with '{key}' (at least 6 digits).")
    return found


def _check(store: Store, name: str, level: str) -> Check:
    key, _, attempt = name.rpartition("-")
    try:
        result = store.result(key, int(attempt))
        record, wrong = result.record, list(_differences(result.record, result.columns))
    except SuiteError as error:
        return Check(key, level, False, str(error))
    told = "; ".join(wrong) or f"{record.counts['test']} predictions give {record.main.name} {record.score:.4f} again"
    return Check(key, level, not wrong, told)


def _differences(record: Record, columns: dict[str, list[Any]]) -> Iterable[str]:
    """Yield what in a record does not follow from the rest of it."""
    if record.spec.key(record.task) != record.key:
        yield "the key is not that of the RunSpec inside: a pin or a setting was changed"
    rows = len(columns["id"])
    if rows != record.counts["test"]:
        yield f"{record.counts['test']} test examples are claimed, {rows} are stored"
    if len(set(columns["id"])) != rows:
        yield "an example stands twice among the predictions"
    if record.task_spec.kind not in kinds.names():
        yield f"this version does not know the task kind '{record.task_spec.kind}'"
        return
    kind = kinds.get(record.task_spec.kind)
    classes = [str(name) for name in record.data["classes"]]  # type: ignore[union-attr]  # a list of names
    try:
        labels, predictions = (kind.read(columns[c], classes) for c in ("label", "prediction"))
    except SuiteError as error:
        yield str(error)
        return
    yield from _scores(record, labels, predictions, columns)
    if disagree := kind.contradictions(predictions, columns["scores"]):
        yield f"{disagree} predictions are not what their scores say"


def _scores(record: Record, labels: Any, predictions: Any, columns: dict[str, list[Any]]) -> Iterable[str]:
    """Yield the metrics that the predictions do not give."""
    scores = columns["scores"]
    for name, claimed in record.metrics.items():
        if name.startswith(metrics.HUB):  # the Hub's code, which nothing but a run may load
            continue
        if name not in metrics.names():
            yield f"this version does not know the metric '{name}'"
        elif abs((found := metrics.value(name, labels, predictions, scores)) - claimed) > TOLERANCE:
            yield f"{name} is {claimed!r} in the record, {found!r} by its predictions"
    if record.main.name in metrics.names():
        again = metrics.contributions(record.main.name, labels, predictions, scores)
        if not np.allclose(again, columns["value"], rtol=0, atol=1e-9):
            yield f"what examples give to {record.main.name} is not what the table says"
