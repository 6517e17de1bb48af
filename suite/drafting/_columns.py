"""What the columns of a data set hold, as far as some of its rows tell."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import Dataset, Features


@dataclass(frozen=True)
class Column:
    """One column: its name or dotted path, what its cells are, those that are there and how many are not.

    `form` is images, texts, classes, whole numbers, numbers, true or false, lists of the second to the
    fourth or of 0 and 1, answers with their places, or something else.
    """

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
        several = self.form.startswith("lists")
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
    def is_hidden(self) -> bool:
        """Whether the labels of a split are kept from us: all absent, empty or -1."""
        return all(cell in (-1, [], {}) or (isinstance(cell, dict) and not any(cell.values())) for cell in self.cells)


def columns_of(features: Features, rows: Dataset) -> list[Column]:
    """Return the columns, fields of structs among them under their dotted paths; images are not looked at."""
    import datasets

    found: list[Column] = []
    for name, feature in features.items():
        found += _expand(name, feature, [] if isinstance(feature, datasets.Image) else list(rows[name][:]))
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
        return [Column(name, "images", [])]
    if not several and inner.keys() >= {"text", "answer_start"}:
        present = [cell for cell in cells if cell is not None]
        return [Column(name, "answers with their places", present, len(cells) - len(present))]
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
        return Column(name, "images", [])
    classes = tuple(feature.names) if isinstance(feature, datasets.ClassLabel) else None
    no_class = -1 if classes and not several else None
    present = [cell for cell in cells if not is_missing(cell) and cell != no_class]
    form = _form(present) if classes is None else "lists of classes" if several else "classes"
    if form == "whole numbers" and len(present) == len(cells) and isinstance(present[0], float):
        form = "numbers"  # with gaps they may be whole numbers that pandas has read as floats
    return Column(name, form, present, len(cells) - len(present), classes)


def _form(cells: list[Any]) -> str:
    """Return what all cells are, or all entries of all lists."""
    found = {_form_of(cell) for cell in cells}
    if found == {"lists"}:
        entries = [entry for cell in cells for entry in cell]
        lengths = {len(cell) for cell in cells}
        if len(lengths) == 1 and min(lengths) > 2 and all(entry in (0, 1) for entry in entries):
            return "lists of 0 and 1"
        inside = {_form_of(entry) for entry in entries}
        return f"lists of {inside.pop()}" if inside in ({"texts"}, {"whole numbers"}) else "something else"
    if found == {"whole numbers", "numbers"}:
        return "numbers"
    return found.pop() if len(found) == 1 else "something else"


def _form_of(value: Any) -> str:
    if isinstance(value, float):
        return "whole numbers" if value.is_integer() else "numbers"
    forms = {str: "texts", bool: "true or false", int: "whole numbers", list: "lists"}
    return forms.get(type(value), "something else")
