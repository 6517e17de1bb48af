"""What a person reads of a guess: the task file, with comments where more has to be said, and notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from suite import kinds
from suite.drafting._columns import Column
from suite.drafting._guesses import Guess
from suite.spec import SuiteError

_HEAD = """\
# A first draft, made by looking at some rows: read it line by line, then run suite validate.
# All fields: docs/adding-a-task.md. The schema for an editor: suite validate --schema
# description: what does a model have to tell here?
"""
_FILLED_IN = {
    "license": "  # license: the terms that these rows come under, such as cc-by-4.0\n",
    "source": "  # source: https://... where people read about them\n",
}


def render(fields: Mapping[str, Any]) -> str:
    """Return the text of a task file; fields that say nothing are left out."""
    said = {name: value for name, value in fields.items() if value}
    head = {name: said.pop(name) for name in ("name", "version", "kind", "dataset")}
    text = _HEAD + yaml.safe_dump(head, width=1000, allow_unicode=True, sort_keys=False)
    text += "".join(line for name, line in _FILLED_IN.items() if name not in head["dataset"])
    text += yaml.safe_dump(said, default_flow_style=None, width=118, allow_unicode=True, sort_keys=False)
    kind = kinds.get(head["kind"])
    others = ", ".join(name for name in kind.metrics if name != kind.main)
    return text if "main" in said else f"{text}# main: {kind.main}   # or {others}\n"


def refusal(source: str, why: str, columns: Sequence[Column]) -> SuiteError:
    """Return the error for columns that no task can be made of."""
    is_image = any(column.form == "images" for column in columns)
    hint = " In a folder of images, a class is a folder: train/maple/1.png, train/oak/7.png." if is_image else ""
    return SuiteError(f"{source}: {why}. It has: {_listed(columns)}.{hint}")


def guessed(guess: Guess, columns: Sequence[Column]) -> list[str]:
    """Return what was guessed, which columns are not used, and what the others lack."""
    rows = max(len(column.cells) + column.missing for column in columns)
    shown = {ours: [theirs] if isinstance(theirs, str) else theirs for ours, theirs in guess.columns.items()}
    named = ", ".join(f"{ours} is {' + '.join(f'{name!r:.80}' for name in names)}" for ours, names in shown.items())
    left = [column for column in columns if column.name not in guess.names]
    gaps = [column for column in columns if column.missing and column.name in guess.names]
    return [
        f"guessed from {rows:,} rows: {guess.kind}, where {named}",
        *([f"columns that are not used: {_listed(left)}"] if left else []),
        *(f"{column.missing:,} of these rows have nothing in {column.name!r:.80}: drop them" for column in gaps),
    ]


def _listed(columns: Sequence[Column]) -> str:
    unlike = {c.name for c in columns if c.form == "texts" and len(c.values) == len(c.cells) > 1}
    shown = [f"{c.name!r:.80} ({c.form}{', no two alike' if c.name in unlike else ''})" for c in columns]
    return ", ".join(shown[:12]) + (f", and {len(shown) - 12} more" if len(shown) > 12 else "")
