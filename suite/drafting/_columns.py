"""What the columns of a data set hold, as far as some of its rows tell."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import Dataset, Features

FORMS = {
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
"""What cells can be, and how a person is told of it."""


@dataclass(frozen=True)
class Column:
    """One column: its name or dotted path, the form of its cells, those that are there and how many are not."""

    name: str
    form: str
    cells: list[Any]
    missing: int = 0
    classes: tuple[str, ...] | None = None

    @functools.cached_property
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
    def lengths(self) -> list[int]:
        """How many characters each text has, or entries each list."""
        return [len(cell) for cell in self.cells]

    @property
    def length(self) -> float:
        """The mean of the lengths."""
        return sum(self.lengths) / max(1, len(self.cells))

    @property
    def words(self) -> float:
        """How many words a text has: the mean."""
        return sum(len(str(cell).split()) for cell in self.cells) / max(1, len(self.cells))

    @property
    def is_hidden(self) -> bool:
        """Whether the labels of a split are kept from us: all absent, empty or -1."""
        return all(cell in (-1, [], {}) or (isinstance(cell, dict) and not any(cell.values())) for cell in self.cells)


def columns_of(features: Features, rows: Dataset) -> list[Column]:
    """Return the columns, fields of structs among them under their dotted paths; images need not be in the rows."""
    found: list[Column] = []
    for name, feature in features.items():
        found += _expand(name, feature, list(rows[name][:]) if name in rows.column_names else [])
    return found


def is_missing(cell: Any) -> bool:
    """Return whether a cell holds nothing."""
    return cell is None or cell != cell or (isinstance(cell, str) and not cell.strip())


def _expand(name: str, feature: Any, cells: list[Any]) -> list[Column]:
    import datasets

    several = isinstance(feature, datasets.List | datasets.LargeList)
    inner = feature.feature if several else feature
    if not isinstance(inner, dict):
        return [_column(name, inner, several, cells)]
    if {"bytes", "path"} <= inner.keys():
        return [Column(name, "image", [])]
    if not several and inner.keys() >= {"text", "answer_start"}:
        present = [cell for cell in cells if cell is not None]
        return [Column(name, "answers", present, len(cells) - len(present))]
    found: list[Column] = []
    for field, below in inner.items():
        inside = [_inside(cell, field) for cell in cells]
        found += _expand(f"{name}.{field}", datasets.List(below) if several else below, inside)
    return found


def _inside(cell: Any, field: str) -> Any:
    if isinstance(cell, list):
        return [None if one is None else one.get(field) for one in cell]
    return None if cell is None else cell.get(field)


def _column(name: str, feature: Any, several: bool, cells: list[Any]) -> Column:
    import datasets

    if isinstance(feature, datasets.Image) and not several:
        return Column(name, "image", [])
    classes = tuple(feature.names) if isinstance(feature, datasets.ClassLabel) else None
    no_class = -1 if classes and not several else None
    present = [cell for cell in cells if not is_missing(cell) and cell != no_class]
    if classes:
        form = "classes" if several else "class"
    else:
        form = _form(present)
    if form == "whole" and len(present) == len(cells) and isinstance(present[0], float):
        form = "number"  # with gaps they may be whole numbers that pandas has read as floats
    return Column(name, form, present, len(cells) - len(present), classes)


def _form(cells: list[Any]) -> str:
    """Return what all cells, or all entries of all lists, are."""
    found = {_kind(cell) for cell in cells}
    if found == {"list"}:
        entries = [entry for cell in cells for entry in cell]
        lengths = {len(cell) for cell in cells}
        if len(lengths) == 1 and min(lengths) > 2 and all(entry in (0, 1) for entry in entries):
            return "flags"
        inside = {_kind(entry) for entry in entries}
        return f"{inside.pop()}s" if inside in ({"text"}, {"whole"}) else "other"
    return "number" if found == {"whole", "number"} else found.pop() if len(found) == 1 else "other"


def _kind(value: Any) -> str:
    kinds: tuple[tuple[type, str], ...] = ((str, "text"), (bool, "flag"), (int, "whole"), (list, "list"))
    if isinstance(value, float):
        return "whole" if value.is_integer() else "number"
    return next((kind for type_, kind in kinds if isinstance(value, type_)), "other")
