"""Text as Markdown shows it: nothing that a name, a label or a description holds is ever markup.

Everything that a template prints goes through `shown`. What is Markdown on purpose is `Markup`: a code span, a table, a
sentence of our own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from markupsafe import Markup

from suite.evidence.words import clean

_PLAIN = re.compile(r"[^`|\\<>&$\ufffd]+")
"""What may stand in a code span, in a table too."""

_SIGNS = {sign: f"\\{sign}" for sign in "\\`*_[]~"} | {sign: f"&#{ord(sign)};" for sign in "&<>|$@"}
_SIGN = re.compile("[" + re.escape("".join(_SIGNS)) + "]")
_ADDRESS = re.compile(r":(?=//)|(?<=\bwww)\.", re.IGNORECASE)
"""Where GitHub's Markdown would see a link in plain text."""

_START = re.compile(r"^(\d{1,9})([.)])(?=\s|$)|^([#+=-])(?=[\s#=-]|$)")
"""What makes a list, a heading or a rule where a line begins with it."""


def text(words: object) -> Markup:
    """Return words that Markdown shows as they are, on one line."""
    escaped = _SIGN.sub(lambda found: _SIGNS[found[0]], clean(str(words)))
    escaped = _ADDRESS.sub(lambda found: f"&#{ord(found[0])};", escaped)
    return Markup(_START.sub(lambda found: f"{found[1] or ''}\\{found[2] or found[3]}", escaped))


def code(words: object) -> Markup:
    """Return a name as a code span; one that could break out of it as plain text."""
    name = clean(str(words))
    return Markup(f"`{name}`") if _PLAIN.fullmatch(name) else text(name)


def shown(value: object) -> Markup:
    """Return what a template prints of a value: Markdown that was made on purpose as it is, all else escaped."""
    return value if isinstance(value, Markup) else text(value)


def said(sentence: str, /, **values: object) -> Markup:
    """Return a sentence of our own with values in its braces, each escaped."""
    return Markup(sentence.format(**{name: shown(value) for name, value in values.items()}))


def joined(parts: Sequence[object], between: str = ", ", last: str = " and ") -> Markup:
    """Return parts as 'a, b and c', each escaped."""
    texts = [str(shown(part)) for part in parts]
    return Markup(texts[0] if len(texts) == 1 else f"{between.join(texts[:-1])}{last}{texts[-1]}" if texts else "")


def table(head: Sequence[object], rows: Sequence[Sequence[object]], left: int) -> Markup:
    """Return a table, its cells escaped; the first `left` columns are texts, the others numbers."""
    rule = ["---" if place < left else "--:" for place in range(len(head))]
    lines = [[str(shown(cell)) for cell in head], rule, *([str(shown(cell)) for cell in row] for row in rows)]
    return Markup("\n".join("| " + " | ".join(line) + " |" for line in lines))


def block(lines: Sequence[str], language: str) -> Markup:
    """Return a block of code; no line of it can end the block."""
    runs = [len(found[0]) for line in lines for found in re.finditer("`+", line)]
    fence = "`" * max(3, max(runs, default=0) + 1)
    return Markup("\n".join([f"{fence}{language}", *lines, fence]))
