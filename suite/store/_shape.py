"""What others read in the fields of a record that hold free JSON: there, and of that sort, or the record is none.

A record of an older version may lack any of them; one of a newer may hold more.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from suite.spec import Record

Count = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Size = Annotated[float, Field(ge=-(2.0**62), le=2.0**62)]
"""What an index has room for."""


class _Free(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


class _Data(_Free):
    classes: list[str] = []
    revision: str | None = None
    ids_sha256: dict[str, str] | None = None
    rows_sha256: dict[str, str] | None = None
    train_distinct: Count | None = None


class _Checkpoint(_Free):
    params: Count | None = None
    trainable_params: Count | None = None


class _Training(_Free):
    max_length: Count | None = None
    curve: list[dict[str, Any]] | None = None


class _Environment(_Free):
    device: str | None = None
    precision: str | None = None
    threads: Count | None = None
    libraries: dict[str, str | None] | None = None


class _Clean(_Free):
    n: Count | None = None
    metrics: dict[str, float | None] | None = None


class _Contamination(_Free):
    clean: _Clean | None = None


class _Shape(_Free):
    data: _Data
    checkpoint: _Checkpoint
    training: _Training
    environment: _Environment
    contamination: _Contamination
    counts: dict[str, Count]
    cost: dict[str, Count | Size | None]
    seeds: dict[str, Count]
    attempt: Count


_FIELDS = tuple(_Shape.model_fields)


def check(record: Record) -> None:
    """Look at the free fields of a record, and at its numbers' size.

    Raises:
        ValidationError: one of them is of another sort, or no number that an index could hold.
        ValueError: it does not score one of its own tasks, or lacks its main metric.
    """
    _Shape.model_validate({name: getattr(record, name) for name in _FIELDS})
    if record.task not in [task.name for task in record.spec.tasks]:
        raise ValueError("it scores none of its own tasks")
    if record.main.name not in record.metrics:
        raise ValueError(f"it lacks its main metric, {record.main.name[:100]}")
    if max(record.spec.seed, record.spec.fold) >= 2**63:
        raise ValueError("its seed or fold is larger than any that is run")
