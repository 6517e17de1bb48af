"""JSON: how deep it may be nested."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

MAX_DEPTH = 100
"""Lists and objects in one another. Readers in C follow each level with a call of their own, and crash."""

MAX_TEXT = 100_000_000
"""Bytes of one text between quotes."""

_PIECE = 1 << 24
_TEXT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_REST = bytes(set(range(256)) - set(b"[]{}"))


def parse_json(content: bytes | str, most: int | None = None) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: it is none, has more than `most` bytes, or is nested too deep.
    """
    if most is not None and len(content) > most:
        raise ValueError(f"it has {len(content):,} bytes; at most {most:,} are read")
    try:
        value = json.loads(content)
    except RecursionError:
        raise ValueError(_too_deep()) from None
    if not isinstance(value, dict | list):
        return value
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return value
    raise ValueError(_too_deep())


def check_nesting(path: Path) -> None:
    """Look through a file of JSON, of whatever size, for nesting that would crash its reader.

    Brackets are counted as they come, which is fast; only where that gives too many are texts left out of the count.

    Raises:
        ValueError: it is nested too deep, or holds one text of over MAX_TEXT bytes.
        OSError: it cannot be read.
    """
    import numpy as np

    depth = 0
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE):
            depth, highest = _climb(np.frombuffer(piece.translate(None, _REST), dtype=np.uint8), depth)
            if highest > MAX_DEPTH:
                return _check_without_texts(path)
    return None


def _climb(brackets: Any, depth: int) -> tuple[int, int]:
    """Return the depth behind some brackets and the greatest among them, from a depth that is never below 0."""
    import numpy as np

    if not len(brackets):
        return depth, depth
    steps = np.where((brackets == ord("[")) | (brackets == ord("{")), 1, -1)
    heights = depth + np.cumsum(steps)
    floor = np.minimum(np.minimum.accumulate(heights), 0)  # what closes more than was opened starts anew
    heights = heights - floor
    return int(heights[-1]), int(heights.max())


def _check_without_texts(path: Path) -> None:
    import numpy as np

    depth, rest = 0, b""
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE):
            plain = _TEXT.sub(b"", rest + piece)
            before, quote, text = plain.partition(b'"')
            rest = quote + text  # a text that goes on in the next piece
            if len(rest) > MAX_TEXT:
                raise ValueError(f"it holds a text of over {MAX_TEXT:,} bytes")
            depth, highest = _climb(np.frombuffer(before.translate(None, _REST), dtype=np.uint8), depth)
            if highest > MAX_DEPTH:
                raise ValueError(_too_deep())


def _too_deep() -> str:
    return f"it is nested deeper than {MAX_DEPTH} levels"
