"""An existing card with ours in it. What is the author's stays byte for byte.

---                                     front matter: the author's keys as they stand, then those we add
model-index: ...                        the author's results as they stand, ours by the name of their source
---
...                                     the author's words
<!-- transfer-suite:begin -->
<!-- transfer-suite:keys tags=1f3a -->  which keys are ours, with a digest: one that was edited since is the author's
...                                     our section
<!-- transfer-suite:end -->
...                                     the author's words
"""

from __future__ import annotations

import re
from typing import Any

from suite.cards import _front_matter
from suite.cards._front_matter import INDEX
from suite.spec import SuiteError, canonical_json, digest

BEGIN, END = "<!-- transfer-suite:begin -->", "<!-- transfer-suite:end -->"
_SECTION = re.compile(f"{BEGIN}((?:(?!{BEGIN}|{END}).)*){END}", re.DOTALL)
_KEYS = re.compile(r"<!-- transfer-suite:keys ([^>]*)-->")
_FENCED = re.compile(r"^(\s*---(?:\r\n|\r|\n))([\S\s]*?)((?:\r\n|\r|\n)---[ \t]*(?:\r\n|\n|$))")
"""As the Hub finds front matter; huggingface_hub's repocard.py has the same."""


def merged(existing: str, title: str, section: str, metadata: dict[str, Any]) -> str:
    """Return an existing card with a section and metadata in it; a whole new card if there is none.

    Raises:
        SuiteError: the existing card's metadata cannot be read.
    """
    if not existing.strip():
        existing = f"# {title}\n"
    fence = _FENCED.match(existing)
    end = "\r\n" if "\r\n" in existing else "\n"
    front, body = (fence[2], existing[fence.end() :]) if fence else ("", existing)
    front, ours = _with_metadata(front, _ours(body), metadata, end)
    opened, closed = (fence[1], fence[3]) if fence else (f"---{end}", f"{end}---{end}{end}")
    gap = "" if closed.endswith("\n") else end
    return f"{opened}{front}{closed}{gap}{_with_section(body, section, ours, end)}"


def _with_section(body: str, section: str, ours: dict[str, str], end: str) -> str:
    """Return the body with our section in the place where it was, else at its end; further ones go away."""
    keys = " ".join(f"{key}={mark}" for key, mark in ours.items())
    text = f"{BEGIN}\n<!-- transfer-suite:keys {keys} -->\n\n{section.strip()}\n\n{END}".replace("\n", end)
    if not _SECTION.search(body):
        gap = "" if body.endswith(end * 2) or not body else end if body.endswith(("\n", "\r")) else end * 2
        return f"{body}{gap}{text}{end}"
    first = iter([text])
    return _SECTION.sub(lambda _: next(first, ""), body)


def _ours(body: str) -> dict[str, str]:
    """Return the metadata keys that we wrote, with the digest of what we wrote."""
    section = _SECTION.search(body)
    line = _KEYS.search(section[1]) if section else None
    pairs = (pair.partition("=") for pair in line[1].split()) if line else ()
    return {key: mark for key, _, mark in pairs}


def _mark(value: Any) -> str:
    """Return a digest of a value; '-', which is none, of what JSON has no word for, and so nobody here wrote."""
    try:
        return digest(canonical_json(value).encode())[7:15]
    except (TypeError, ValueError):
        return "-"


def _with_metadata(
    front: str, before: dict[str, str], metadata: dict[str, Any], end: str
) -> tuple[str, dict[str, str]]:
    """Return the front matter with our metadata in it, and which keys of it are ours now.

    Raises:
        SuiteError: it cannot be read, or what is the author's would not stay as it is.
    """
    first = held = _front_matter.read(front + end if front else "", end)
    ours = {key for key, mark in before.items() if key in held.values and _mark(held.values[key]) == mark}
    told = {key: value for key, value in metadata.items() if key != INDEX}
    for key in sorted(ours - told.keys()):
        held = held.without(key)
    kept = {key: value for key, value in told.items() if key in ours or key not in held.values}
    for key, value in kept.items():
        held = held.having(key, value)
    (model,) = metadata.get(INDEX) or [{"name": "", "results": []}]
    held = held.with_results(model["results"], model["name"])
    theirs = first.values.keys() - ours - {INDEX}
    if any(repr(held.values.get(key)) != repr(first.values[key]) for key in theirs):
        raise SuiteError("The card's metadata have a layout that cannot be added to; write them a key a line.")
    return held.text.removesuffix(end), {key: _mark(value) for key, value in kept.items()}
