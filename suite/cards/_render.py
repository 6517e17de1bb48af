"""cards/*.jinja -> Markdown. Everything that a template prints is escaped unless it was made as Markdown."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from suite import resources
from suite.cards._text import block, code, shown, table
from suite.evidence.pins import Table

if TYPE_CHECKING:
    from jinja2 import Environment


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(resources.folder("cards")),
        autoescape=False,  # `finalize` escapes, for Markdown
        finalize=shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"code": code, "block": block, "pins": _pins, "together": _together, "a": _a}
    return made


def render(template: str, view: dict[str, Any]) -> str:
    """Return a template's Markdown without trailing spaces, with one empty line between its blocks."""
    text = _environment().get_template(template).render(**view)
    text = "\n".join(line.rstrip() for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _pins(found: Table) -> Markup:
    """Return a table of pins, or why there is none."""
    return table(found.head, found.rows, left=len(found.head)) if found.rows else shown(found.why)


def _together(parts: Sequence[Markup]) -> Markup:
    return Markup("; ".join(parts))


def _a(noun: str) -> str:
    """Return 'A head', 'An adapter'."""
    return f"An {noun}" if noun[0] in "aeiou" else f"A {noun}"
