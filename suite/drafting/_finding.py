"""Columns by what they hold and are called: what is read, what is to be told of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from suite.drafting import _names
from suite.drafting._columns import Column
from suite.drafting._names import is_beside, is_like, is_usual, place

FEW = 30


@dataclass(frozen=True)
class Guess:
    """A kind and its columns; `rivals` are the names of other columns that could play a part."""

    kind: str
    columns: dict[str, str | tuple[str, ...]]
    labels: tuple[str, ...] | None = None
    main: str | None = None
    rivals: dict[str, list[str]] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        """The data set's names of all columns that are used."""
        return {name for value in self.columns.values() for name in ([value] if isinstance(value, str) else value)}


def of(columns: Sequence[Column], *forms: str) -> list[Column]:
    return [column for column in columns if column.form in forms]


def best(columns: Sequence[Column], names: Sequence[str]) -> list[Column]:
    """Return the columns, those with the likeliest names first."""
    return sorted(columns, key=lambda column: place(column, names))


def without(columns: Sequence[Column], *taken: Column) -> list[Column]:
    names = {column.name for column in taken}
    return [column for column in columns if column.name not in names]


def shown(columns: Sequence[Column]) -> list[str]:
    return [column.name for column in columns]


def text_columns(columns: Sequence[Column]) -> list[Column]:
    """Return the columns to read, the likeliest first: by name, then the longest."""
    found = [column for column in of(columns, "text") if not is_beside(column)]
    return sorted(found, key=lambda column: (place(column, _names.TEXTS), -column.length))


def class_columns(columns: Sequence[Column]) -> list[Column]:
    """Return the columns that could be a row's one class, the likeliest first."""
    found = [column for column in of(columns, "class", "text", "whole", "flag", "number") if is_class(column)]
    order = {column.name: i for i, column in enumerate(columns)}
    return sorted(
        found,
        key=lambda column: (
            place(column, _names.LABELS),
            column.form != "class",
            len(column.values),
            order[column.name],
        ),
    )


def is_class(column: Column) -> bool:
    if column.form == "class":
        return True
    if column.form == "number" and not all(float(cell).is_integer() for cell in column.cells):
        return False
    if column.form == "text" and (is_usual(column, _names.TEXTS) or column.words > 8):
        return False
    repeats = len(column.cells) / max(1, len(column.values))
    if is_usual(column, _names.LABELS):
        return repeats >= 1.5
    return not is_beside(column) and len(column.values) > 1 and repeats >= (2 if len(column.values) <= FEW else 10)


def has_sure_class(columns: Sequence[Column]) -> bool:
    return any(is_usual(column, _names.SURE) for column in class_columns(columns))


def several_classes(columns: Sequence[Column], forced: bool) -> tuple[str | tuple[str, ...], list[str]] | None:
    """Return the column of lists, or the columns of 0 and 1, that say which classes a row has; and their rivals."""
    if has_sure_class(columns) and not forced:
        return None
    lists = of(columns, "texts", "classes", "wholes")
    lists = [column for column in best(lists, _names.SEVERAL_LABELS) if not is_usual(column, _names.TOKENS)]
    if lists and (is_like(lists[0], _names.SEVERAL_LABELS) or forced or not class_columns(columns)):
        return lists[0].name, shown(lists[1:])
    flags = [column for column in of(columns, "whole", "flag") if _is_flag(column) and not is_beside(column)]
    return (tuple(shown(flags)), []) if len(flags) > 1 else None


def _is_flag(column: Column) -> bool:
    return column.form == "flag" or column.values <= {"0", "1"}
