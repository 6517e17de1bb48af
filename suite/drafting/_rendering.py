"""A task file's text, with comments where a person has to say more."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import yaml

from suite import kinds
from suite.drafting._finding import Guess

WIDTH = 118
_FILLED_IN = {
    "license": "license: the terms that these rows come under, such as cc-by-4.0",
    "source": "source: https://... where people read about them",
}


def render(
    name: str, guess: Guess, dataset: dict[str, Any], splits: dict[str, Any], more: tuple[Sequence[str], Sequence[str]]
) -> str:
    """Return the text of a task file.

    Args:
        name: the task's name.
        guess: its kind and columns.
        dataset: what the field `dataset` says.
        splits: which split plays which part, empty where that is what is meant anyway.
        more: the classes to declare, none where the data says them; and comments for the end.
    """
    labels, hints = more
    lines = [
        "# A first draft, made by looking at some rows: read it line by line, then run suite validate.",
        "# All fields: docs/adding-a-task.md. The schema for an editor: suite validate --schema",
        *field("name", name),
        *field("version", 1),
        *field("kind", guess.kind),
        "# description: what does a model have to tell here?",
        "dataset:",
        *(line for key, value in dataset.items() for line in field(key, value, 2)),
        *(f"  # {text}" for key, text in _FILLED_IN.items() if key not in dataset),
    ]
    lines += field("splits", splits) if splits else []
    lines += field("columns", {ours: _listed(theirs) for ours, theirs in guess.columns.items()})
    lines += field("labels", list(labels)) if labels else []
    lines += field("main", guess.main) if guess.main else _metrics(guess.kind)
    return "\n".join([*lines, *hints]) + "\n"


def _listed(theirs: str | tuple[str, ...]) -> str | list[str]:
    return theirs if isinstance(theirs, str) else list(theirs)


def _metrics(kind: str) -> list[str]:
    known = kinds.get(kind)
    others = [name for name in known.metrics if name != known.main]
    return [f"# main: {known.main}   # or {', '.join(others)}"]


def field(name: str, value: Any, indent: int = 0) -> list[str]:
    """Return one field as YAML, on one line where it fits."""
    space = " " * indent
    if not isinstance(value, dict | list):
        return [space + _yaml({name: value}, flow=False)]
    line = f"{space}{name}: {_yaml(value, flow=True)}"
    if len(line) <= WIDTH:
        return [line]
    return [f"{space}{name}:", *(f"{space}  {text}" for text in _yaml(value, flow=False).splitlines())]


def _yaml(value: Any, flow: bool) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=flow, width=math.inf, allow_unicode=True, sort_keys=False)
    return text.strip()


def one_line(text: str) -> str:
    """Return a stranger's text as a comment can hold it."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())[:80]
