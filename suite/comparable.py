"""What two results must share to stand side by side, as texts that are equal where the results may be compared."""

from __future__ import annotations

from typing import Any

from suite import resampling
from suite.spec import SEMANTICS, Record, RunSpec, SuiteError, TaskSpec, canonical_json, digest


def protocol_of(spec: RunSpec) -> str:
    """Return what two records must share to stand on one board."""
    content = spec.protocol.model_dump(mode="json", exclude={"description", "seeds"})
    mark = digest(canonical_json(content).encode())[7:13]
    semantics = "" if spec.semantics == SEMANTICS else f", semantics {spec.semantics}"
    return f"{spec.protocol.name} v{spec.protocol.version} ({mark}), {spec.resample}{semantics}"


def column_of(record: Record) -> str:
    """Return what two scores must share to stand in one column: the task with its data, words aside."""
    ids: Any = record.data.get("ids_sha256") or {}
    try:
        folded = resampling.parse(record.spec.resample).name in resampling.FOLDED
    except SuiteError:  # a way to cut data that this version does not know shares a column with nothing
        folded = False
    tested = record.data.get("rows_sha256") if folded else ids.get("test")  # each fold is tested on rows of its own
    mark = digest(canonical_json([content_of(record.task_spec), tested]).encode())[7:13]
    metric = record.main.name if record.main.version == 1 else f"{record.main.name} v{record.main.version}"
    return f"v{record.task_spec.version} ({mark}), {metric}"


def content_of(task: TaskSpec) -> dict[str, Any]:
    """Return what of a task could move a number."""
    return task.model_dump(mode="json", by_alias=True, exclude={"description", "tags", "superseded_by"})


def is_version(task: TaskSpec, asked: TaskSpec) -> bool:
    """Return whether a task is the version, and has the data, that is asked for."""
    return (task.version, task.dataset.revision) == (asked.version, asked.dataset.revision)


def row_of(spec: RunSpec) -> str:
    """Return what the scores of one row share: checkpoint, strategy and settings, and of joint runs the mixture."""
    trunk = [[content_of(task) for task in spec.tasks]] if trunk_of(spec) else []
    mixture = [spec.mixture.model_dump(mode="json")] if spec.mixture else []
    return canonical_json([spec.checkpoint.model_dump(mode="json"), spec.strategy, spec.settings, *trunk, *mixture])


def trunk_of(spec: RunSpec) -> tuple[str, ...]:
    """Return the names of the tasks that share a trunk; none where each has its own."""
    return tuple(task.name for task in spec.tasks) if len(spec.tasks) > 1 else ()
