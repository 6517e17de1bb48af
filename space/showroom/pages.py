"""Templates -> HTML. Whatever comes from a record is escaped: names are strangers' words."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from suite.evidence.words import clean, counted
from suite.tables import between, count, spread

FOLDER = Path(__file__).parent


def render(template: str, **context: Any) -> str:
    """Return a template as HTML, every value in it escaped."""
    return _environment().get_template(f"{template}.html.jinja").render(**context)


@functools.cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {"clean": shown, "breaks": breaks, "percent": percent, "count": count, "when": when}
    made.globals |= {"counted": counted, "spread": spread, "between": between}
    return made


def shown(text: object) -> str:
    """Return a text without what steers a browser or the direction of writing."""
    words = str(text)
    return words if words.isascii() and words.isprintable() else clean(words)


def breaks(text: str) -> Markup:
    """Return a name that may go on in a new line after each '/'."""
    return Markup("/<wbr>").join(escape(part) for part in shown(text).split("/"))


def percent(share: float) -> str:
    """Return a share of a track as CSS has it."""
    return f"{100 * share:.2f}%"


def when(moment: str) -> str:
    """Return '2026-11-26 16:53' of an ISO time."""
    return moment[:16].replace("T", " ")


def style() -> str:
    """Return the style sheet."""
    return (FOLDER / "style.css").read_text(encoding="utf-8")


def script() -> str:
    """Return what runs in the browser."""
    return (FOLDER / "script.js").read_text(encoding="utf-8")
