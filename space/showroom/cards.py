"""A checkpoint's card, as the suite writes it, for the page."""

from __future__ import annotations

import re

from showroom.shelf import Shelf
from suite import cards
from suite.evidence import Line
from suite.spec import SuiteError

_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


def of_line(shelf: Shelf, line: Line) -> tuple[str, str]:
    """Return the card of a row's checkpoint as Markdown to look at, without its metadata, and whole."""
    row = line.row
    try:
        made = cards.card(shelf.now.contents, f"{row.model}@{row.revision.removeprefix('sha256:')}").text
    except SuiteError as error:
        return f"There is no card: {error}", ""
    return _FRONT_MATTER.sub("", made), made
