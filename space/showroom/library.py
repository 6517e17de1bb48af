"""The tasks: what each measures, its pins, how clean it is, and who is best at it."""

from __future__ import annotations

import functools
from collections import Counter
from typing import Any

from showroom import figures, pages, specimens
from showroom.shelf import Snapshot
from suite import kinds, tasks
from suite.evidence import Line, Section
from suite.evidence.words import counted
from suite.spec import SuiteError, TaskSpec
from suite.tables import spread

BEST = 8
EXAMPLES = 6


def html(snapshot: Snapshot) -> str:
    """Return the list of all tasks, those with records first."""
    page: str = snapshot.once("library", lambda: _listed(snapshot))
    return page


def _listed(snapshot: Snapshot) -> str:
    counts = Counter(entry.head.task for entry in snapshot.entries)
    every = known(snapshot)
    groups: dict[str, list[dict[str, Any]]] = {}
    for task in sorted(every.values(), key=lambda one: (not counts[one.name], one.kind, one.name)):
        title = "With results here" if counts[task.name] else f"No results yet: {task.kind.replace('_', ' ')}"
        groups.setdefault(title, []).append(
            {
                "name": task.name,
                "kind": task.kind.replace("_", " "),
                "about": task.description,
                "records": counts[task.name],
                "best": _best(snapshot, task.name) if counts[task.name] else None,
            }
        )
    return pages.render("tasks", groups=list(groups.items()))


@functools.cache
def _bundled() -> dict[str, TaskSpec]:
    """Return the tasks that come with the suite, read once."""
    return {name: tasks.load_file(path) for name, path in tasks.task_files().items()}


def known(snapshot: Snapshot) -> dict[str, TaskSpec]:
    """Return every task by name: those of the records, and those that come with the suite."""
    return _bundled() | {task.name: task for task in snapshot.tasks}


def _section(snapshot: Snapshot, name: str) -> Section | None:
    """Return the board that a task is on: of the first protocol that has it, the one with the most rows of it."""
    for protocol in snapshot.protocols:
        sections = snapshot.boards("", protocol).sections
        with_task = [s for s in sections if any(column.name == name for column in s.columns)]
        if with_task:
            return max(with_task, key=lambda s: sum(name in line.row.tasks for line in s.lines))
    return None


def _ordered(section: Section, name: str) -> list[Line]:
    have = [line for line in section.lines if name in line.row.tasks]
    return sorted(have, key=lambda line: line.row.tasks[name].mean, reverse=not section.loss)


def _best(snapshot: Snapshot, name: str) -> tuple[str, str] | None:
    section = _section(snapshot, name)
    if section is None:
        return None
    first = _ordered(section, name)[0]
    cell = first.row.tasks[name]
    return spread(cell.mean, cell.interval, section.loss), first.name


def task_html(snapshot: Snapshot, name: str) -> str:
    """Return all that is known of a task.

    Raises:
        SuiteError: nobody knows it.
    """
    task = known(snapshot).get(name)
    if task is None:
        raise SuiteError(f"No task named '{name[:80]}'.")
    section = _section(snapshot, name)
    lines = _ordered(section, name)[:BEST] if section else []
    panel = None
    if section:
        columns = tuple(column for column in section.columns if column.name == name)
        one = type(section)(section.slug, section.title, section.board, section.loss, columns, section.lines)
        panel = figures.forest(one, lines)[0]
    return pages.render(
        "task",
        task=task,
        facts=_facts(snapshot, task, section),
        superseded=task.superseded_by,
        panel=panel,
        lines=lines,
        protocol=f"Of {counted(len(section.lines), 'row')} under protocol {section.board.protocol}." if section else "",
        contamination=_contamination(snapshot, name),
        pins=_pins(snapshot, task),
    )


def _facts(snapshot: Snapshot, task: TaskSpec, section: Section | None) -> list[tuple[str, str]]:
    entry = next((one for one in snapshot.entries if one.head.task == task.name), None)
    complete = task if entry else kinds.get(task.kind).complete(task)  # those of records are complete
    facts = [("kind", task.kind.replace("_", " "))]
    if entry:
        main, head = entry.main, entry.head
        low, high = (("-∞", "∞")[i] if end is None else f"{end:g}" for i, end in enumerate(main.range))
        chance = "not known" if main.chance is None else f"{main.chance:.3g}"
        better = "more" if main.greater_is_better else "less"
        facts.append(("main metric", f"{main.name}: {better} is better, from {low} to {high}, guessing gives {chance}"))
        facts.append(("rows", f"{head.train:,} train, {head.validation:,} validation, {head.test:,} test"))
    else:
        facts.append(("main metric", str(complete.main)))
    others = [name for name in complete.metrics if name != complete.main]
    if others:
        facts.append(("also measured", ", ".join(others)))
    facts.append(("same within", f"{100 * complete.delta:g} points" if complete.delta else "not declared"))
    if task.labels:
        shown = ", ".join(task.labels[:12])
        facts.append(("labels", shown + (f" and {len(task.labels) - 12} more" if len(task.labels) > 12 else "")))
    inside = [c.name for c in _collections() if task.name in c.tasks]
    return [*facts, *([("in collections", ", ".join(inside))] if inside else [])]


@functools.cache
def _collections() -> list[Any]:
    return [tasks.load_collection(name) for name in tasks.collection_files()]


def _pins(snapshot: Snapshot, task: TaskSpec) -> list[tuple[str, str]]:
    data, splits = task.dataset, task.splits
    entry = next((one for one in snapshot.entries if one.head.task == task.name), None)
    rows = [
        ("data", " ".join(part for part in (data.path, data.config) if part)),
        ("revision", data.revision or "none: not pinned"),
        ("source", data.source or "the data set itself"),
        ("licence", data.license or "not stated in the task file"),
        ("columns", ", ".join(f"{ours} = {theirs}" for ours, theirs in task.columns.items())),
        (
            "splits",
            f"train: {splits.train}; validation: {_split(splits.validation)}; test: {_split(splits.test)}",
        ),
    ]
    if entry is None:
        return rows
    held: dict[str, Any] = entry.record.data
    for name, term in (("rows_sha256", "rows"), ("ids_sha256", "row ids")):
        found = held.get(name) or {}
        rows += [(f"{term}, {split}", str(value)) for split, value in found.items()] if isinstance(found, dict) else []
    return rows


def _split(split: Any) -> str:
    return split if isinstance(split, str) else f"{100 * split.fraction:g}% of {split.origin}, carved by row hash"


def _contamination(snapshot: Snapshot, name: str) -> str:
    """Say what a record tells of test rows among training rows."""
    told = [entry for entry in snapshot.entries if entry.head.task == name and entry.head.contamination != "{}"]
    if not told:
        return "No record says whether training and test rows overlap: nobody looked."
    found: dict[str, Any] = told[0].record.contamination
    if "reason" in found:
        return f"Not known: {found['reason']}."
    exact, near = int(found.get("exact") or 0), int(found.get("near") or 0)
    way = f"Looked for by {found.get('method', 'an unnamed method')}."
    if not exact + near:
        return f"None of {told[0].head.test:,} test rows is held by the training rows. {way}"
    return f"{exact} of {told[0].head.test:,} test rows stand in the training rows exactly, {near} nearly. {way}"


def examples_html(snapshot: Snapshot, name: str) -> str:
    """Return test examples of a task with their labels."""
    try:
        task = known(snapshot).get(name)
        if task is None:
            raise SuiteError("Choose a task first.")
        groups = [
            {"title": f"Test examples of {name}", "examples": specimens.of_task(snapshot.entries, task, EXAMPLES)}
        ]
        return pages.render("examples", problems=[], groups=groups, none="")
    except SuiteError as error:
        return pages.render("examples", problems=[str(error)], groups=[], none="")
