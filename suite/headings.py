"""What a board needs to know of a record, worked out once, when the record is indexed."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from suite.comparable import column_of, protocol_of, row_of, trunk_of
from suite.spec import MetricInfo, Record, TaskSpec, canonical_json


class Heading(NamedTuple):
    """What a board needs to know of a record; a tuple, since a store has 100,000 of them to be made.

    `row`, `column` and `protocol` are `comparable`'s; `about` (checkpoint, settings, trunk, mixture), `main` and
    `task_spec` are JSON texts. `clean` is the main metric on the test rows that training did not hold, if some were.
    """

    name: str
    created: str
    task: str
    row: str
    column: str
    protocol: str
    about: str
    main: str
    task_spec: str
    protocol_name: str
    strategy: str
    resample: str
    contamination: str
    seed: int
    fold: int
    train: int
    validation: int
    test: int
    score: float
    collapsed: bool
    failed: int = 0
    distinct: int | None = None
    clean: float | None = None
    seconds: float | None = None
    peak_memory: int | None = None
    params: int | None = None
    trainable: int | None = None

    @property
    def key(self) -> str:
        """The record's key."""
        return self.name.rpartition("-")[0]


def heading(record: Record) -> Heading:
    """Return what a board needs to know of a record."""
    spec, counts, cost = record.spec, record.counts, record.cost
    checkpoint: Any = record.checkpoint
    about = {
        "checkpoint": spec.checkpoint.model_dump(mode="json"),
        "settings": spec.settings,
        "trunk": trunk_of(spec),
        "mixture": spec.mixture.model_dump(mode="json") if spec.mixture else None,
    }
    found: Any = record.contamination
    clean = (found.get("clean") or {}).get("metrics") or {}
    return Heading(
        name=f"{record.key}-{record.attempt}",
        created=record.created,
        task=record.task,
        row=row_of(spec),
        column=column_of(record),
        protocol=protocol_of(spec),
        about=canonical_json(about),
        main=record.main.model_dump_json(),
        task_spec=record.task_spec.model_dump_json(by_alias=True),
        protocol_name=spec.protocol.name,
        strategy=spec.strategy,
        resample=spec.resample,
        contamination=canonical_json({k: v for k, v in found.items() if k != "clean"}),
        seed=spec.seed,
        fold=spec.fold,
        train=counts.get("train", 0),
        validation=counts.get("validation", 0),
        test=counts.get("test", 0),
        score=record.score,
        collapsed=record.collapsed,
        failed=counts.get("failed", 0),
        distinct=_whole(record.data.get("train_distinct")),
        clean=clean.get(record.main.name),
        seconds=_number(cost.get("seconds")),
        peak_memory=_whole(cost.get("peak_memory_bytes")),
        params=_whole(checkpoint.get("params")),
        trainable=_whole(checkpoint.get("trainable_params")),
    )


def check_texts(about: Iterable[str], main: Iterable[str], task_spec: Iterable[str], said: Iterable[str]) -> None:
    """Read the texts of headings that are JSON, each once, as boards will; `said` is what they say of contamination.

    Raises:
        ValueError: one of them is not what headings have there.
    """
    for text in set(about):
        _check_about(text)
    for text in set(main):
        main_of(text)
    for text in set(task_spec):
        task_of(text)
    if not all(text == "{}" or isinstance(json.loads(text), dict) for text in set(said)):
        raise ValueError("what a heading says of contamination is no mapping")


def _check_about(text: str) -> None:
    try:
        about = json.loads(text)
        checkpoint = about["checkpoint"]
        whole = all(isinstance(checkpoint[name], str) for name in ("name", "revision", "init"))
        whole = whole and isinstance(about["settings"], dict) and all(isinstance(name, str) for name in about["trunk"])
        whole = whole and isinstance(about["mixture"], dict | None)
    except (KeyError, TypeError, RecursionError):
        whole = False
    if not whole:
        raise ValueError("what a heading says of its checkpoint and settings is not what headings have there")


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


@functools.lru_cache(maxsize=4096)
def task_of(text: str) -> TaskSpec:
    """Return the task of a heading's text."""
    return TaskSpec.model_validate_json(text)


@functools.lru_cache(maxsize=4096)
def main_of(text: str) -> MetricInfo:
    """Return the main metric of a heading's text."""
    return MetricInfo.model_validate_json(text)
