"""The columns of published records: what each holds, in a type and in words, and how it is read off a record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from suite.spec import Record, canonical_json

TEXT, COUNT, NUMBER, FLAG = pa.string(), pa.int64(), pa.float64(), pa.bool_()


@dataclass(frozen=True)
class Column:
    """A column: its name, its type, what it says, and how it is read off a record."""

    name: str
    type: pa.DataType
    words: str
    of: Callable[[Record], Any]


def _checkpoint(record: Record, name: str) -> int | None:
    found: Any = record.checkpoint.get(name)
    return None if found is None else int(found)


def _cost(record: Record, name: str) -> float | None:
    found = record.cost.get(name)
    return None if found is None else float(found)


def _memory(record: Record) -> int | None:
    found = record.cost.get("peak_memory_bytes")
    return None if found is None else int(found)


COLUMNS = (
    Column("name", TEXT, "the record's name: key and attempt", lambda r: f"{r.key}-{r.attempt}"),
    Column("key", TEXT, "sha256 of everything that could move a number", lambda r: r.key),
    Column("attempt", COUNT, "1 is the one that counts; others are re-runs of the same key", lambda r: r.attempt),
    Column("created", TEXT, "when it was made, ISO 8601", lambda r: r.created),
    Column("model", TEXT, "the checkpoint: a name of the Hub, of a folder, or bundled/NAME", lambda r: _ref(r).name),
    Column("revision", TEXT, "its commit, or the sha256 of a folder's files", lambda r: _ref(r).revision),
    Column("init", TEXT, "pretrained, or random: the same architecture untrained", lambda r: _ref(r).init),
    Column("task", TEXT, "the task", lambda r: r.task),
    Column("task_version", COUNT, "its version; scores of two are never compared", lambda r: r.task_spec.version),
    Column("kind", TEXT, "what sort of task it is", lambda r: r.task_spec.kind),
    Column("dataset", TEXT, "the data set, or the format of the files that hold it", lambda r: _data(r).path),
    Column("dataset_config", TEXT, "its configuration", lambda r: _data(r).config),
    Column("dataset_revision", TEXT, "its commit, or the sha256 of its files", lambda r: _data(r).revision),
    Column("strategy", TEXT, "how the checkpoint was adapted", lambda r: r.spec.strategy),
    Column("settings", TEXT, "every setting of it, JSON", lambda r: canonical_json(r.spec.settings)),
    Column("protocol", TEXT, "the recipe that all strategies share", lambda r: r.spec.protocol.name),
    Column("protocol_version", COUNT, "its version", lambda r: r.spec.protocol.version),
    Column("resample", TEXT, "how the data was cut: holdout, kfold:5, ...", lambda r: r.spec.resample),
    Column("fold", COUNT, "which part of that cut this is", lambda r: r.spec.fold),
    Column("seed", COUNT, "the seed", lambda r: r.spec.seed),
    Column("trunk_tasks", COUNT, "how many tasks shared the trunk", lambda r: len(r.spec.tasks)),
    Column("metric", TEXT, "the task's main metric", lambda r: r.main.name),
    Column("metric_version", COUNT, "its version", lambda r: r.main.version),
    Column("greater_is_better", FLAG, "whether more of it is better", lambda r: r.main.greater_is_better),
    Column("chance", NUMBER, "what guessing scores, where that is known", lambda r: r.main.chance),
    Column("score", NUMBER, "its value on the test rows", lambda r: r.score),
    Column("metrics", TEXT, "all metrics and their values, JSON", lambda r: canonical_json(r.metrics)),
    Column("collapsed", FLAG, "whether the run learned nothing, by the rule in the record", lambda r: r.collapsed),
    Column("n_train", COUNT, "training rows", lambda r: r.counts.get("train", 0)),
    Column("n_validation", COUNT, "validation rows", lambda r: r.counts.get("validation", 0)),
    Column("n_test", COUNT, "test rows", lambda r: r.counts.get("test", 0)),
    Column(
        "failed", COUNT, "test rows without a score; they stay in the denominator", lambda r: r.counts.get("failed", 0)
    ),
    Column("params", COUNT, "parameters", lambda r: _checkpoint(r, "params")),
    Column("trainable_params", COUNT, "those of them that were trained", lambda r: _checkpoint(r, "trainable_params")),
    Column("seconds", NUMBER, "seconds that the run took", lambda r: _cost(r, "seconds")),
    Column("peak_memory_bytes", COUNT, "the most memory it held, bytes", _memory),
    Column("device", TEXT, "cpu or cuda", lambda r: _text(r.environment.get("device"))),
    Column("schema_version", COUNT, "version of record.json", lambda r: r.schema_version),
)
"""Read off the record; beside them stand the record itself, its digests and the same as others write it."""

WHOLE = (
    ("record", "record.json as it was filed: what was asked, what came out, what explains it"),
    ("digest", "digest.json as it was filed: sha256 of the record and of its table of predictions"),
    (
        "every_eval_ever",
        "the same in the schema of Every Eval Ever, JSON; empty where it does not fit or would mislead",
    ),
)


def schema() -> pa.Schema:
    """Return the schema of records.parquet."""
    return pa.schema([*((one.name, one.type) for one in COLUMNS), *((name, TEXT) for name, _ in WHOLE)])


def _ref(record: Record) -> Any:
    return record.spec.checkpoint


def _data(record: Record) -> Any:
    return record.task_spec.dataset


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
