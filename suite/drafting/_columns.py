"""What the columns of a data set hold, as far as some of its rows tell."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from datasets import Dataset, Features

Form = Literal[
    "image", "text", "class", "whole", "flag", "number", "texts", "classes", "wholes", "flags", "answers", "other"
]

SHOWN: dict[Form, str] = {
    "image": "images",
    "text": "texts",
    "class": "classes",
    "whole": "whole numbers",
    "flag": "true or false",
    "number": "numbers",
    "texts": "lists of texts",
    "classes": "lists of classes",
    "wholes": "lists of whole numbers",
    "flags": "lists of 0 and 1",
    "answers": "answers with their places",
    "other": "something else",
}

MAX_DEPTH = 3
_ANSWERS = {"text", "answer_start"}


@dataclass(frozen=True)
class Sample:
    """Some rows of a split, images left out, and what its columns are declared to be."""

    features: Features
    rows: Dataset

    @functools.cached_property
    def columns(self) -> list[Column]:
        """The columns, fields of structs among them under their dotted paths."""
        found: list[Column] = []
        for name, feature in self.features.items():
            cells = list(self.rows[name][:]) if name in self.rows.column_names else []
            found += _expand(name, feature, cells, MAX_DEPTH)
        return found


@dataclass(frozen=True)
class Column:
    """One column: its name or dotted path, what its cells are, and those that are there."""

    name: str
    form: Form
    cells: list[Any]
    missing: int = 0
    classes: tuple[str, ...] | None = None

    @property
    def plain(self) -> str:
        """The name in lower case with its words set apart by '_'."""
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", self.name)
        return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")

    @functools.cached_property
    def values(self) -> frozenset[str]:
        """The different values, those inside lists for columns of lists; class names where there are any."""
        several = self.form in ("texts", "classes", "wholes", "flags")
        flat = [value for cell in self.cells for value in cell] if several else self.cells
        return frozenset(self.shown(value) for value in flat if not is_missing(value))

    def shown(self, value: Any) -> str:
        """Return a value as a task file names it."""
        if self.classes and isinstance(value, int) and 0 <= value < len(self.classes):
            return self.classes[value]
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)

    @property
    def length(self) -> float:
        """How many characters a text has, or entries a list: the mean."""
        return sum(len(cell) for cell in self.cells) / max(1, len(self.cells))

    @property
    def words(self) -> float:
        """How many words a text has: the mean."""
        return sum(len(str(cell).split()) for cell in self.cells) / max(1, len(self.cells))

    @property
    def lengths(self) -> list[int]:
        """How many entries each list has."""
        return [len(cell) for cell in self.cells]


def is_missing(cell: Any) -> bool:
    """Return whether a cell holds nothing."""
    return cell is None or cell != cell or (isinstance(cell, str) and not cell.strip())


def is_hidden(column: Column) -> bool:
    """Return whether the labels of a split are kept from us: all absent, empty or -1."""
    return all(cell in (-1, [], {}) or (isinstance(cell, dict) and not any(cell.values())) for cell in column.cells)


def _expand(name: str, feature: Any, cells: list[Any], depth: int) -> list[Column]:
    import datasets

    fields = _fields(feature)
    if fields is None or depth == 0:
        return [_column(name, feature, cells)]
    if {"bytes", "path"} <= fields.keys():
        return [Column(name, "image", [])]
    if isinstance(feature, dict) and fields.keys() >= _ANSWERS:
        present = [cell for cell in cells if cell is not None]
        return [Column(name, "answers", present, len(cells) - len(present))]
    several = not isinstance(feature, dict)
    found: list[Column] = []
    for field, inner in fields.items():
        inside = [_inside(cell, field) for cell in cells]
        found += _expand(f"{name}.{field}", datasets.List(inner) if several else inner, inside, depth - 1)
    return found


def _fields(feature: Any) -> dict[str, Any] | None:
    """Return the fields of a struct or of the structs in a list."""
    import datasets

    if isinstance(feature, datasets.List | datasets.LargeList):
        feature = feature.feature
    return dict(feature) if isinstance(feature, dict) else None


def _inside(cell: Any, field: str) -> Any:
    if isinstance(cell, list):
        return [None if one is None else one.get(field) for one in cell]
    return None if cell is None else cell.get(field)


def _column(name: str, feature: Any, cells: list[Any]) -> Column:
    import datasets

    if isinstance(feature, datasets.Image):
        return Column(name, "image", [])
    if isinstance(feature, datasets.ClassLabel):
        present = [cell for cell in cells if cell is not None and cell >= 0]
        return Column(name, "class", present, len(cells) - len(present), tuple(feature.names))
    present = [cell for cell in cells if not is_missing(cell)]
    classes = None
    if isinstance(feature, datasets.List | datasets.LargeList) and isinstance(feature.feature, datasets.ClassLabel):
        classes = tuple(feature.feature.names)
        form: Form = "classes"
    else:
        form = next(form for form, fits in _FORMS if fits(present)) if present else "other"
    if form == "whole" and len(present) == len(cells) and isinstance(present[0], float):
        form = "number"  # with gaps they may be whole numbers that pandas has read as floats
    return Column(name, form, present, len(cells) - len(present), classes)


def _all(cells: Sequence[Any], fits: Callable[[Any], bool]) -> bool:
    return all(fits(cell) for cell in cells)


def _lists(fits: Callable[[Any], bool]) -> Callable[[Sequence[Any]], bool]:
    """Return a test for lists whose entries all fit; there must be an entry."""

    def test(cells: Sequence[Any]) -> bool:
        entries = list(_entries(cells))
        return bool(entries) and _all(cells, lambda cell: isinstance(cell, list)) and _all(entries, fits)

    return test


def _entries(cells: Sequence[Any]) -> Iterator[Any]:
    for cell in cells:
        if isinstance(cell, list):
            yield from cell


def _is_whole(value: Any) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _are_flags(cells: Sequence[Any]) -> bool:
    """Return whether each cell has a 0 or 1 for each of the same three or more things."""
    lengths = {len(cell) if isinstance(cell, list) else 0 for cell in cells}
    return len(lengths) == 1 and lengths.pop() > 2 and _lists(lambda value: value in (0, 1))(cells)


_FORMS: tuple[tuple[Form, Callable[[Sequence[Any]], bool]], ...] = (
    ("text", lambda cells: _all(cells, lambda cell: isinstance(cell, str))),
    ("flag", lambda cells: _all(cells, lambda cell: isinstance(cell, bool))),
    ("whole", lambda cells: _all(cells, _is_whole)),
    ("number", lambda cells: _all(cells, _is_number)),
    ("flags", _are_flags),
    ("texts", _lists(lambda value: isinstance(value, str))),
    ("wholes", _lists(_is_whole)),
    ("other", lambda cells: True),
)
"""The first that fits is a column's form."""
