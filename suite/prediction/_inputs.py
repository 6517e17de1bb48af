"""What somebody asks -> rows as a kind reads them. What is too large, broken or of another sort is told."""

from __future__ import annotations

import re
import sys
import unicodedata
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from suite import limits
from suite.kinds import Kind
from suite.spec import SuiteError

MAX_TEXT = 1_000_000
MAX_PICTURE = 50_000_000
"""Bytes of a text and of a picture's file; what has so many is refused."""

MAX_PIXELS = limits.MAX_PIXELS
TARGETS = ("label", "labels", "score", "tags", "answers")
"""Columns that kinds predict."""

Input = str | bytes | Path | Mapping[str, Any]
Spans = list[tuple[int, int]]


@dataclass(frozen=True)
class Rows:
    """Columns of equal length under the kind's names; of words also the text they stand in and where in it they are."""

    columns: dict[str, list[Any]]
    texts: list[str] = field(default_factory=list)
    spans: list[Spans] = field(default_factory=list)


@dataclass(frozen=True)
class Reader:
    """What one model reads.

    `pair` says whether a text comes with another; None where nobody knows. `choices` is how many a row has.
    """

    name: str
    kind: Kind
    pair: bool | None
    choices: int

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that every input has."""
        needed = tuple(name for name in self.kind.needs if name not in TARGETS)
        return (*needed, "text_pair") if self.pair and "text_pair" not in needed else needed

    @property
    def allowed(self) -> tuple[str, ...]:
        """The columns that an input may have."""
        spare = [name for name in self.kind.takes if name not in self.columns]
        return (*self.columns, *(name for name in spare if name != "text_pair" or self.pair is None))

    def rows(self, inputs: Sequence[Input]) -> Rows:
        """Return inputs as rows.

        Raises:
            SuiteError: there are none, or one cannot be read; the message says which.
        """
        if not inputs:
            raise SuiteError("Nothing is asked; give at least one input.")
        rows = [self._row(f"input {place}", one) for place, one in enumerate(inputs, 1)]
        names = [name for name in self.allowed if name in rows[0]]
        for place, row in enumerate(rows, 1):
            if row.keys() != rows[0].keys():
                raise SuiteError(f"input {place} has {', '.join(row)}; input 1 has {', '.join(names)}. Ask them apart.")
        if "tokens" not in names:
            return Rows({name: [row[name] for row in rows] for name in names})
        placed = [_placed(row["tokens"]) for row in rows]
        words = [[text[start:end] for start, end in spans] for text, spans in placed]
        return Rows({"tokens": words}, [text for text, _ in placed], [spans for _, spans in placed])

    def _row(self, what: str, one: Input) -> dict[str, Any]:
        given = dict(one) if isinstance(one, Mapping) else self._single(what, one)
        for name in given:
            if name not in self.allowed:
                raise SuiteError(f"{what} has '{str(name)[:80]}'; {self.name} reads {', '.join(self.allowed)}.")
        for name in self.columns:
            if name not in given:
                raise SuiteError(f"{what} lacks '{name}'; {self.name} reads {', '.join(self.columns)}.")
        return {name: self._cell(f"{what}: '{name}'", name, given[name]) for name in given}

    def _single(self, what: str, one: Any) -> dict[str, Any]:
        """Return what is no mapping under the one column that the kind reads."""
        reads = "picture" if self.kind.modality == "image" else "text"
        if len(self.columns) != 1:
            raise SuiteError(f"{what} is one {reads} alone; {self.name} reads {' and '.join(self.columns)}.")
        return {self.columns[0]: one}

    def _cell(self, what: str, name: str, value: Any) -> Any:
        if name == "image":
            return _picture(what, value)
        if name == "choices":
            return _texts(what, value, self.choices)
        if name == "tokens" and not isinstance(value, str):
            return _texts(what, value, None)
        return _text(what, value, empty=name == "prefix")


def _text(what: str, value: Any, empty: bool = False) -> str:
    if isinstance(value, bytes | Path):
        raise SuiteError(f"{what} is a file; this model reads texts.")
    if not isinstance(value, str):
        raise SuiteError(f"{what} is {type(value).__name__}; expected a text.")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise SuiteError(f"{what} holds signs that are no text.") from None
    if size >= MAX_TEXT:
        raise SuiteError(f"{what} has {size:,} bytes; a text of {MAX_TEXT:,} bytes (1 MB) or more is not read.")
    if not value.strip() and not empty:
        raise SuiteError(f"{what} is empty; expected a text.")
    return value


def _texts(what: str, value: Any, wanted: int | None) -> list[str]:
    if not isinstance(value, list | tuple) or not value:
        raise SuiteError(f"{what} is {type(value).__name__}; expected a list of texts.")
    if wanted is not None and len(value) != wanted:
        raise SuiteError(f"{what} are {len(value)}; this model was trained on {wanted} a row.")
    found = [_text(what, one) for one in value]
    if sum(len(one.encode()) for one in found) >= MAX_TEXT:
        raise SuiteError(f"{what} have over {MAX_TEXT:,} bytes (1 MB) together, which is not read.")
    return found


def _picture(what: str, value: Any) -> bytes:
    """Return the bytes of a picture that can be opened."""
    content = value if isinstance(value, bytes) else _file(what, value)
    if len(content) >= MAX_PICTURE:
        raise _too_large(what, len(content))
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Image size")  # pixels are counted below
            picture = limits.open_picture(content, most=sys.maxsize)
        pixels = picture.width * picture.height
        if pixels <= MAX_PIXELS:
            picture.convert("RGB")
    except Exception as error:  # Pillow's decoders raise many types on a stranger's bytes
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if "cannot identify" in reason:
            reason = "its bytes are of no format that Pillow reads"
        raise SuiteError(f"{what} is no usable picture: {reason}.") from None
    if pixels > MAX_PIXELS:
        raise SuiteError(f"{what} has {pixels:,} pixels; at most {MAX_PIXELS:,} are read.")
    return content


def _file(what: str, value: Any) -> bytes:
    if not isinstance(value, str | Path):
        raise SuiteError(f"{what} is {type(value).__name__}; expected a picture's file or its bytes.")
    path = Path(value)
    try:
        if not path.is_file():
            raise SuiteError(f"{what}: there is no file '{str(value)[:200]}'; this model reads pictures.")
        if path.stat().st_size >= MAX_PICTURE:
            raise _too_large(what, path.stat().st_size)
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SuiteError(f"{what}: the file '{str(value)[:200]}' cannot be read: {reason}.") from None


def _too_large(what: str, size: int) -> SuiteError:
    return SuiteError(f"{what} has {size:,} bytes; a picture of {MAX_PICTURE:,} bytes (50 MB) or more is not read.")


def _placed(given: str | list[str]) -> tuple[str, Spans]:
    """Return a text and where its words are; words that are given stand in it with a space between them."""
    if isinstance(given, str):
        return given, [span for found in re.finditer(r"\S+", given) for span in _peeled(given, *found.span())]
    spans, start = [], 0
    for word in given:
        spans.append((start, start + len(word)))
        start += len(word) + 1
    return " ".join(given), spans


def _peeled(text: str, start: int, end: int) -> Spans:
    """Return what lies between spaces as words: signs before and behind a word are words of their own."""
    first, last = start, end
    while first < last and _is_sign(text[first]):
        first += 1
    while last > first and _is_sign(text[last - 1]):
        last -= 1
    before, behind = ((place, place + 1) for place in range(start, first)), ((p, p + 1) for p in range(last, end))
    return [*before, *([(first, last)] if first < last else []), *behind]


def _is_sign(sign: str) -> bool:
    return unicodedata.category(sign)[0] in "PS"
