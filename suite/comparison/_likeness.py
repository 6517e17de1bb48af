"""Where two results differ in what they must share, named by the field."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from suite.comparable import content_of
from suite.index import Entry

Cells = dict[str, list[Entry]]


def shared_protocol(ours: Sequence[Entry], theirs: Sequence[Entry]) -> tuple[str | None, str | None]:
    """Return the protocol under which both have the most entries, or None and what differs."""
    counts = [Counter(entry.head.protocol for entry in entries) for entries in (ours, theirs)]
    both = counts[0].keys() & counts[1].keys()
    if both:
        return max(sorted(both), key=lambda name: min(counts[0][name], counts[1][name])), None
    one, other = (
        _of(entries, count.most_common(1)[0][0]) for entries, count in zip((ours, theirs), counts, strict=True)
    )
    return None, _protocols(one, other)


def _of(entries: Sequence[Entry], protocol: str) -> Entry:
    return next(entry for entry in entries if entry.head.protocol == protocol)


def _protocols(one: Entry, other: Entry) -> str:
    """Name the field in which two protocols, or ways to cut the data, differ."""
    if one.head.resample != other.head.resample:
        return f"resample differs ({one.head.resample}; {other.head.resample})"
    specs = one.record.spec, other.record.spec
    if specs[0].semantics != specs[1].semantics:
        return f"semantics differs ({specs[0].semantics}; {specs[1].semantics})"
    first, second = (spec.protocol.model_dump(mode="json", exclude={"description", "seeds"}) for spec in specs)
    return f"protocol.{_first_difference(first, second) or 'name differs'}"


def shared_cells(ours: Sequence[Entry], theirs: Sequence[Entry]) -> tuple[list[Cells], dict[str, str]]:
    """Return each side's entries by task, of the tasks that can be compared, and for the others what differs."""
    sides = [_by_task(ours), _by_task(theirs)]
    kept: list[Cells] = [{}, {}]
    reasons: dict[str, str] = {}
    for task in sorted(sides[0].keys() & sides[1].keys()):
        columns = [Counter(entry.head.column for entry in side[task]) for side in sides]
        both = columns[0].keys() & columns[1].keys()
        if not both:
            reasons[task] = tasks_differ(sides[0][task][0], sides[1][task][0])
            continue
        column = max(sorted(both), key=lambda name: min(columns[0][name], columns[1][name]))
        cells = [[entry for entry in side[task] if entry.head.column == column] for side in sides]
        reason = _trained_on_more(*(of[0] for of in cells))
        if reason:
            reasons[task] = reason
            continue
        for to, of in zip(kept, cells, strict=True):
            to[task] = of
    for task in sorted(sides[0].keys() ^ sides[1].keys()):
        reasons[task] = f"only {'A' if task in sides[0] else 'B'} has it"
    return kept, reasons


def _by_task(entries: Sequence[Entry]) -> Cells:
    found: Cells = {}
    for entry in entries:
        found.setdefault(entry.head.task, []).append(entry)
    return found


def tasks_differ(one: Entry, other: Entry) -> str:
    """Name the field in which two scores of one task differ."""
    first, second = content_of(one.task_spec), content_of(other.task_spec)
    told = _first_difference(first, second)
    if told:
        return f"task.{told}"
    metrics = one.main.model_dump(mode="json"), other.main.model_dump(mode="json")
    if told := _first_difference(*metrics):
        return f"metric.{told}"
    return f"data.{_first_difference(one.record.data, other.record.data) or 'test rows differ'}"


def _trained_on_more(one: Entry, other: Entry) -> str | None:
    """Say if the training rows of one hold more of the test rows than the other's; records before that know nothing."""
    seen = [json.loads(entry.head.contamination) for entry in (one, other)]
    if not all(seen):
        return None
    for count in ("exact", "near"):
        if seen[0].get(count) != seen[1].get(count):
            return f"contamination.{count} differs ({seen[0].get(count)}; {seen[1].get(count)})"
    return None


def _first_difference(one: Any, other: Any, path: str = "") -> str | None:
    """Return the first place where two JSON values differ, as 'a.b differs (1; 2)'."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted(one.keys() | other.keys()):
            told = _first_difference(one.get(name), other.get(name), f"{path}.{name}" if path else name)
            if told:
                return told
        return None
    return None if one == other else f"{path} differs ({_short(one)}; {_short(other)})"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:37]}..."
