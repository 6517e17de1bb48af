"""What two results must share to stand side by side; what does not is left out, and that is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from suite import resampling
from suite.scores import RESAMPLED
from suite.spec import SEMANTICS, RunSpec, TaskSpec, canonical_json, digest
from suite.store import Entry


def protocol_of(entry: Entry) -> str:
    """Return what two records must share to stand on one board."""
    spec = entry.record.spec
    content = spec.protocol.model_dump(mode="json", exclude={"description", "seeds"})
    mark = digest(canonical_json(content).encode())[7:13]
    semantics = "" if spec.semantics == SEMANTICS else f", semantics {spec.semantics}"
    return f"{spec.protocol.name} v{spec.protocol.version} ({mark}), {spec.resample}{semantics}"


def task_of(entry: Entry) -> str:
    """Return what two scores must share to stand in one column: the task with its data, words aside."""
    record = entry.record
    task = content_of(record.task_spec)
    ids: Any = record.data.get("ids_sha256") or {}
    folded = resampling.parse(record.spec.resample).name in RESAMPLED  # each fold is tested on rows of its own
    tested = record.data.get("rows_sha256") if folded else ids.get("test")
    mark = digest(canonical_json([task, tested]).encode())[7:13]
    return f"v{record.task_spec.version} ({mark}), {record.main.name}"


def content_of(task: TaskSpec) -> dict[str, Any]:
    """Return what of a task could move a number."""
    return task.model_dump(mode="json", by_alias=True, exclude={"description", "tags", "superseded_by"})


def is_version(task: TaskSpec, asked: TaskSpec) -> bool:
    """Return whether a task is the version, and has the data, that is asked for."""
    return (task.version, task.dataset.revision) == (asked.version, asked.dataset.revision)


def most_common(
    entries: list[Entry],
    of: Callable[[Entry], str],
    what: str,
    left_out: list[str],
    asked: Sequence[Entry] = (),
) -> list[Entry]:
    """Keep the entries that agree with the most (of those asked for, if there are any); note the others."""
    counts = Counter(of(e) for e in entries)
    if len(counts) < 2:
        return entries
    ((kept, _),) = Counter(of(e) for e in asked or entries).most_common(1)
    for other in sorted(counts.keys() - {kept}):
        left_out.append(f"{counts[other]} records of another {what}: {other} (shown: {kept})")
    return [e for e in entries if of(e) == kept]


def once(entries: list[Entry], left_out: list[str]) -> list[Entry]:
    """Keep one entry a row, task, seed and fold, the one that was made first; note the others.

    Two of one seed can have keys of their own, as under a protocol of other words: they are no two seeds.
    """
    kept: dict[tuple[str, str, int, int], Entry] = {}
    again: Counter[str] = Counter()
    for entry in sorted(entries, key=lambda e: (e.record.created, e.record.key)):
        spec, task = entry.record.spec, entry.record.task
        if kept.setdefault((row_of(spec), task, spec.seed, spec.fold), entry) is not entry:
            again[task] += 1
    for task, count in sorted(again.items()):
        left_out.append(f"{count} records of {task} that repeat a seed and fold of their row (shown: the first made)")
    return list(kept.values())


def row_of(spec: RunSpec) -> str:
    """Return what the scores of one row share: checkpoint, strategy and settings, and of joint runs the mixture."""
    trunk = [[content_of(task) for task in spec.tasks]] if trunk_of(spec) else []
    mixture = [spec.mixture.model_dump(mode="json")] if spec.mixture else []
    return canonical_json([spec.checkpoint.model_dump(mode="json"), spec.strategy, spec.settings, *trunk, *mixture])


def trunk_of(spec: RunSpec) -> tuple[str, ...]:
    """Return the names of the tasks that share a trunk; none where each has its own."""
    return tuple(task.name for task in spec.tasks) if len(spec.tasks) > 1 else ()
