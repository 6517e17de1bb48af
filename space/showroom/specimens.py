"""Test examples as a page shows them: texts cut where they are long, pictures drawn anew as small PNGs."""

from __future__ import annotations

import base64
import functools
import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from suite import data, examples, limits
from suite.evidence.words import clean
from suite.index import Entry
from suite.spec import SuiteError, TaskSpec
from suite.tasks import LOCAL_BUILDERS

LONGEST = 700
"""Characters of a text that are shown."""

MOST_ROWS = 60_000
"""Rows of a task that are looked through for examples; more of them are not held in this process."""

NAMES = {"text_pair": "second text", "tokens": "text", "context": "text that holds the answer"}
"""What fields are called where their own name says little."""

_SIDE, _MOST_PIXELS = 160, 50_000_000
Input = tuple[str, str, str]


def inputs(entry: Entry, ids: Sequence[str]) -> dict[str, list[Input]]:
    """Return test rows of a record by id, each as (field, 'text' or 'image', what is shown).

    Raises:
        SuiteError: the rows are not on this machine, are too many, or are no longer what they were.
    """
    return {name: shown(row) for name, row in rows(entry, ids).items()}


def rows(entry: Entry, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return test rows of a record by id, under the kind's column names.

    Raises:
        SuiteError: as for `inputs`.
    """
    task, head = entry.task_spec, entry.head
    count = head.train + head.validation + head.test
    if count > MOST_ROWS:
        raise SuiteError(f"{task.name} has {count:,} rows, which are too many to look through here.")
    if task.dataset.path not in LOCAL_BUILDERS and not data.cached(task):
        raise SuiteError(f"The rows of {task.name} are not on this machine, and are not downloaded for this.")
    return examples.find(task, ids)


def shown(row: Mapping[str, Any]) -> list[Input]:
    """Return the fields of a row as (field, 'text' or 'image', what is shown)."""
    return [_input(name, value) for name, value in row.items() if value is not None]


def _input(field: str, value: Any) -> Input:
    name = NAMES.get(field, field)
    if isinstance(value, bytes):
        picture = thumbnail(value)
        return (name, "image", picture) if picture else (name, "text", "(a picture that cannot be drawn)")
    if isinstance(value, list | tuple):
        words = [str(part) for part in value]
        joined = " ".join(words) if field == "tokens" else "\n".join(f"{chr(65 + i)}. {w}" for i, w in enumerate(words))
        return name, "text", _cut(joined)
    return name, "text", _cut(str(value))


def _cut(text: str) -> str:
    lines = "\n".join(clean(line) for line in text[: LONGEST + 1].splitlines())
    return f"{lines[:LONGEST]}…" if len(text) > LONGEST else lines


@functools.lru_cache(maxsize=256)
def thumbnail(content: bytes) -> str:
    """Return a picture as the data URI of a small PNG that was drawn here, or '' of what is none."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with limits.open_picture(content, _MOST_PIXELS) as opened:
                opened.thumbnail((_SIDE, _SIDE))
                drawn = opened.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return ""
    stream = io.BytesIO()
    drawn.save(stream, "PNG")
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"


def of_task(entries: Sequence[Entry], task: TaskSpec, most: int) -> list[dict[str, Any]]:
    """Return test examples of a task with their labels, spread over the labels as far as they go.

    Raises:
        SuiteError: as for `inputs`, or no record tells the task's rows.
    """
    entry = next((one for one in entries if one.head.task == task.name), None)
    if entry is None:
        raise SuiteError(f"There is no record of {task.name} that tells its test rows.")
    table = entry.table
    by_label: dict[str, list[str]] = {}
    for name, label in zip(table["id"], table["label"], strict=True):
        by_label.setdefault(label, []).append(name)
    turns = [(place, label, name) for label, names in by_label.items() for place, name in enumerate(names[:most])]
    chosen = {name: label for _, label, name in sorted(turns, key=lambda one: one[0])[:most]}
    found = inputs(entry, list(chosen))
    return [
        {"inputs": found[name], "says": [("label", _cut(label), "")]} for name, label in chosen.items() if name in found
    ]
