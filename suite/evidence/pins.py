"""What was evaluated, on what, and with what: pins, versions, and the commands that do it again."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from suite.evidence._sections import Line, Section
from suite.evidence.words import clean, listed, told
from suite.spec import Protocol, Record, TaskSpec
from suite.tables import count


@dataclass(frozen=True)
class Table:
    """A table of texts; `why` says why there is none where it has no rows."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    why: str = ""


def checkpoints(sections: Sequence[Section]) -> Table:
    """Return every checkpoint with its pin."""
    rows: dict[tuple[str, ...], None] = {}
    for line in _lines(sections):
        row = line.row
        rows[row.model, row.init, row.revision, count(row.params)] = None
    best: dict[tuple[str, ...], tuple[str, ...]] = {}
    for found in sorted(rows):
        best.setdefault(found[:3], found)
    return Table(("checkpoint", "weights", "revision", "parameters"), _clean(best.values()))


def tasks(sections: Sequence[Section]) -> Table:
    """Return every task with the pins of its data."""
    rows = {}
    for section in sections:
        for column in section.columns:
            tested = sorted({cell.n for line in section.lines if (cell := line.row.tasks.get(column.name))})
            rows[column.name] = (
                column.name,
                f"v{column.task.version}",
                _data(column.task),
                _revision(column.task),
                "-".join(f"{n:,}" for n in dict.fromkeys((tested[0], tested[-1]))),
                column.told + ("" if column.main.greater_is_better else " (less is better)"),
                "unknown" if column.main.chance is None else f"{100 * column.main.chance:.1f}",
            )
    head = ("task", "version", "data", "revision of the data", "test rows", "metric", "chance")
    return Table(head, _clean(rows.values()))


def _data(task: TaskSpec) -> str:
    data = task.dataset
    name = data.path if data.data_files is None else (data.source or data.path)
    licence = f", licence {data.license}" if data.license else ""
    return f"{name}{f' ({data.config})' if data.config else ''}{licence}"


def _revision(task: TaskSpec) -> str:
    found = task.dataset.revision or "none"
    return f"{found} (not pinned by the task file: the one of the day)" if task.dataset.unpinned else found


def strategies(sections: Sequence[Section]) -> Table:
    """Return every strategy with its settings and the boards that it is on."""
    rows: dict[tuple[str, str], dict[str, None]] = {}
    for section in sections:
        for line in section.lines:
            rows.setdefault((line.way, told(line.row.settings)), {})[section.title] = None
    return Table(
        ("strategy", "settings", "board"), _clean((*of, listed([*titles])) for of, titles in sorted(rows.items()))
    )


def environment(sections: Sequence[Section]) -> Table:
    """Return machine and versions, every value that occurs among the records looked at."""
    values: dict[str, set[str]] = {}
    libraries: dict[str, set[str]] = {}
    for record in _records(sections):
        about: dict[str, Any] = dict(record.environment)
        for name, version in (about.pop("libraries", None) or {}).items():
            libraries.setdefault(str(name), set()).add(str(version))
        for name, value in about.items():
            values.setdefault(name.replace("_", " "), set()).add(str(value))
    rows = [(name, ", ".join(sorted(found))) for name, found in sorted(values.items())]
    if libraries:
        named = (f"{name} {' and '.join(sorted(versions))}" for name, versions in sorted(libraries.items()))
        rows.append(("libraries", ", ".join(named)))
    why = "" if rows else "The records do not say on what machine, or with which versions, they were made."
    return Table(("what", "value"), _clean(rows), why)


def contamination(sections: Sequence[Section]) -> Table:
    """Return for each task how many test rows the training rows hold too, and how much that moves a score."""
    most: dict[str, dict[str, Any]] = {}
    for record in _records(sections):
        found: dict[str, Any] = dict(record.contamination)
        if found and _held(found) >= _held(most.get(record.task, {})):
            most[record.task] = found
    moved = {column.name: _moved(section, column.name) for section in sections for column in section.columns}
    rows = [_overlap(task, found, moved[task]) for task, found in sorted(most.items())]
    head = ("task", "looked for by", "training rows", "exact", "near", "clean test rows", "scores move by at most")
    why = "" if rows else "No record says whether training and test rows overlap: nobody looked."
    return Table(head, _clean(rows), why)


def _held(found: dict[str, Any]) -> int:
    """Return how many test rows the training rows hold; -1 where nobody knows."""
    return int(found.get("exact") or 0) + int(found.get("near") or 0) if "exact" in found else -1


def _overlap(task: str, found: dict[str, Any], moved: str) -> tuple[str, ...]:
    if "reason" in found:
        return task, f"not known: {found['reason']}", *("-",) * 5
    thresholds = told(found.get("thresholds") or {})
    way = f"{found.get('method', '-')} v{found.get('version', '?')}" + (
        f" ({thresholds})" if thresholds != "none" else ""
    )
    clean_rows = (found.get("clean") or {}).get("n")
    counts = (found.get("train_rows"), found.get("exact"), found.get("near"), clean_rows)
    return task, way, *("-" if n is None else f"{n:,}" for n in counts), moved


def _moved(section: Section, task: str) -> str:
    """Return by how much the scores of a task move at the most where the rows that training holds are left out."""
    cells = [line.row.tasks[task] for line in section.lines if task in line.row.tasks]
    moves = [cell.clean - cell.mean for cell in cells if cell.seen and cell.clean is not None]
    if not any(cell.seen for cell in cells):
        return "none are held"
    if not moves:
        return "not known"
    most = max(moves, key=abs)
    return f"{most:+.3g}" if section.loss else f"{100 * most:+.1f} points"


def protocols(sections: Sequence[Section]) -> list[tuple[str, Protocol, str]]:
    """Return each section's title, protocol and cut of the data; sections that share both stand together."""
    found: dict[str, tuple[list[str], Protocol, str]] = {}
    for section in sections:
        spec = section.entries[0].record.spec
        key = f"{section.board.protocol} {spec.resample}"
        found.setdefault(key, ([], spec.protocol, spec.resample))[0].append(section.title)
    return [(listed(titles), given, resample) for titles, given, resample in found.values()]


def commands(sections: Sequence[Section]) -> list[str]:
    """Return the commands that make the records again, one for all that share tasks, seeds and options."""
    cells: dict[tuple[str, str, str], dict[str, None]] = {}
    for section in sections:
        for line in section.lines:
            names = {entry.head.task for entry in line.entries}
            asked = line.row.trunk or tuple(column.name for column in section.columns if column.name in names)
            cell = (_options(line), " ".join(map(shlex.quote, asked)), shlex.quote(line.row.strategy))
            cells.setdefault(cell, {})[_model(line)] = None
    grids: dict[tuple[str, str, str], dict[str, None]] = {}
    for (options, asked_for, way), models in cells.items():
        grids.setdefault((options, asked_for, " ".join(sorted(models))), {})[way] = None
    return [
        clean(f"suite run -m {models} -t {asked_for} -s {' '.join(ways)} {options}")
        for (options, asked_for, models), ways in grids.items()
    ]


def _model(line: Line) -> str:
    row = line.row
    pinned = f"{row.model}@{row.revision}" if not row.revision.startswith("sha256:") else row.model
    return shlex.quote(pinned)


def _options(line: Line) -> str:
    """Return the options that the records of a row were made with."""
    head, row = line.entries[0].head, line.row
    seeds = max(cell.seeds for cell in row.tasks.values())
    parts = [f"--seeds {seeds}", f"--protocol {head.protocol_name}"]
    parts += [f"--init {row.init}"] if row.init != "pretrained" else []
    parts += [f"--resample {row.resample}"] if row.resample != "holdout" else []
    return " ".join(parts + _joint(row.trunk, row.mixture))


def _joint(trunk: tuple[str, ...], mixture: dict[str, Any] | None) -> list[str]:
    if not trunk:
        return []
    found, mixed = ["--joint"], mixture or {}
    sampling = str(mixed.get("sampling", "proportional"))
    if sampling == "temperature":
        sampling = f"temperature:{mixed['temperature']:g}"
    if sampling == "rates":
        sampling = ",".join(f"{task}={rate:g}" for task, rate in mixed["rates"].items())
    found += [f"--sampling {sampling}"] if sampling != "proportional" else []
    if mixed.get("weights"):
        found.append("--weights " + ",".join(f"{task}={weight:g}" for task, weight in mixed["weights"].items()))
    if mixed.get("tasks_per_step", 1) > 1:
        found.append(f"--tasks-per-step {mixed['tasks_per_step']}")
    return found


def _lines(sections: Sequence[Section]) -> list[Line]:
    return [line for section in sections for line in section.lines]


def _records(sections: Sequence[Section]) -> list[Record]:
    return [record for section in sections for record in section.looked_at]


def _clean(rows: Iterable[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(clean(text) for text in row) for row in rows)
