r"""Strangers' words fit to be shown: nothing in them steers a terminal, a spreadsheet or the direction of writing.

    clean("a\x1b[31m \n b")     a name or a sentence, its blanks one space each
    line("ok  a\nok  b")        one line, its spaces as they are
    page("a\n  b\x1b[2J")       several lines
    field("=HYPERLINK(1)")      a value of a table that a spreadsheet may open

What would steer is shown as U+FFFD.
"""

from __future__ import annotations

import unicodedata
from typing import Any

_FORMULA = ("=", "+", "-", "@")
"""What a text begins with that a spreadsheet calculates."""


def clean(text: str) -> str:
    """Return text without what steers a terminal, a parser or the direction of writing, each run of blanks a space."""
    return line(" ".join(text.split()))


def line(text: str) -> str:
    """Return text in one line; what would steer is shown as U+FFFD, another blank as a space."""
    if text.isprintable():
        return text
    return "".join(_shown(sign) for sign in text)


def page(text: str) -> str:
    """Return text with its lines; what would steer is shown as U+FFFD."""
    return text if text.isprintable() else "\n".join(line(one) for one in text.split("\n"))


def field(value: Any) -> Any:
    """Return a value for a table of text: of a text one line, and no formula; a number as it is."""
    if not isinstance(value, str):
        return value
    text = line(value)
    return f"'{text}" if value[:1] in ("\t", "\r", "\n") or text.lstrip().startswith(_FORMULA) else text


def _shown(sign: str) -> str:
    if sign in "\u200c\u200d":  # joiners: emoji and scripts that need them
        return sign
    steers = unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp") or ord(sign) & 0xFFFE == 0xFFFE
    return sign if not steers else " " if sign.isspace() else "\ufffd"
