"""A task's columns out of a data set: by name, by a path into a struct, or several columns as one.

    text: sentence                  a column
    choices: choices.text           a field of a struct
    choices: [ending0, ending1]     several columns: the cell is the list of theirs

Class indexes become class names wherever the data set declares them.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite.spec import SuiteError, TaskSpec

if TYPE_CHECKING:
    from datasets import Dataset

MAX_IMAGE_BYTES = 50_000_000
MAX_TEXT = 10_000_000
"""Characters of one text; no model reads so long a one, and tokenizers take minutes over it."""


Names = tuple[str, ...] | None


def read(
    task: TaskSpec, rows: Dataset, split: str, folders: Collection[str] = ()
) -> tuple[dict[str, list[Any]], Names]:
    """Return the cells under the kind's column names, and the class names that the data set declares.

    A cell may name a picture's file in the place of its bytes; one outside of `folders` is not opened, since the name
    is the data set's.

    Raises:
        SuiteError: a column is not there, holds no image where one is declared, or a text that is too long.
    """
    columns: dict[str, list[Any]] = {}
    found: dict[str, Names] = {}
    for ours, theirs in task.columns.items():
        if isinstance(theirs, str):
            columns[ours], found[ours] = _one(task, rows, split, (ours, theirs), folders)
        else:
            several = [_one(task, rows, split, (ours, name), folders)[0] for name in theirs]
            columns[ours] = [list(cells) for cells in zip(*several, strict=True)]
    return columns, next((found[name] for name in ("label", "labels", "tags") if found.get(name)), None)


def _one(
    task: TaskSpec, rows: Dataset, split: str, names: tuple[str, str], folders: Collection[str]
) -> tuple[list[Any], Names]:
    column, feature, path = _find(task, rows, split, names)
    if _is_image(feature) and not path:
        cells = [_at_hand(cell, folders) for cell in _encoded(rows, column, feature)]
        return [_image_bytes(task, split, i, cell) for i, cell in enumerate(cells)], None
    cells = list(rows[column][:])
    for row, cell in enumerate(cells):
        if isinstance(cell, str) and len(cell) > MAX_TEXT:
            raise SuiteError(
                f"{task.where('columns', names[0])}: row {row} of split '{split}' holds a text of {len(cell):,} "
                f"characters; at most {MAX_TEXT:,} are read."
            )
    for part in path:
        cells = [_inside(cell, part) for cell in cells]
    return _named(cells, feature)


def _find(task: TaskSpec, rows: Dataset, split: str, names: tuple[str, str]) -> tuple[str, Any, list[str]]:
    """Return the data set's column, the feature at the end of the path, and the path below the column."""
    ours, theirs = names
    column, path = theirs, []
    if theirs not in rows.column_names and "." in theirs:
        column, *path = theirs.split(".")
    feature = rows.features.get(column)
    for part in path:
        feature = _field(feature, part)
    if feature is None:
        where = f"{task.dataset.path} {task.dataset.config or ''}".strip()
        raise SuiteError(
            f"{task.where('columns', ours)}: column '{theirs}' is not in {where} ({split}). "
            f"It has: {', '.join(sorted(rows.column_names))}."
        )
    return column, feature, path


def _field(feature: Any, name: str) -> Any:
    """Return a struct's field, or that of the structs in a list."""
    import datasets

    if isinstance(feature, dict):
        return feature.get(name)
    if isinstance(feature, datasets.List | datasets.LargeList):
        inner = _field(feature.feature, name)
        return None if inner is None else datasets.List(inner)
    return None


def _inside(cell: Any, name: str) -> Any:
    if isinstance(cell, list):
        return [_inside(one, name) for one in cell]
    return None if cell is None else cell.get(name)


def _named(cells: list[Any], feature: Any) -> tuple[list[Any], Names]:
    """Put class names in the place of indexes, in lists too."""
    import datasets

    if isinstance(feature, datasets.ClassLabel):
        names = tuple(feature.names)
        return [_name(names, v) for v in cells], names
    if isinstance(feature, datasets.List | datasets.LargeList) and isinstance(feature.feature, datasets.ClassLabel):
        names = tuple(feature.feature.names)
        return [None if row is None else [_name(names, v) for v in row] for row in cells], names
    return cells, None


def _name(names: tuple[str, ...], index: int | None) -> str | None:
    """Return a class's name; -1 is how a data set says that there is none."""
    return names[index] if index is not None and index >= 0 else None


def _is_image(feature: Any) -> bool:
    import datasets

    plain = isinstance(feature, dict) and {"bytes", "path"} <= feature.keys()  # images without the feature's name
    return plain or isinstance(feature, datasets.Image)


def _encoded(rows: Dataset, column: str, feature: Any) -> list[Any]:
    import datasets

    if isinstance(feature, datasets.Image):
        rows = rows.select_columns([column]).cast_column(column, datasets.Image(decode=False))
    return list(rows[column][:])


def _at_hand(cell: Any, folders: Collection[str]) -> Any:
    """Return an image's cell without the name of a file that lies in none of the folders."""
    path = (cell or {}).get("path")
    if not path or cell.get("bytes") is not None:
        return cell
    place = os.path.abspath(path)  # noqa: PTH100  # pathlib would take a minute a million
    while (place := os.path.dirname(place)) not in folders:  # noqa: PTH120
        if place == os.path.dirname(place):  # noqa: PTH120
            return cell | {"path": None}
    return cell


def _image_bytes(task: TaskSpec, split: str, row: int, cell: dict[str, Any] | None) -> bytes:
    content = (cell or {}).get("bytes")
    path = (cell or {}).get("path")
    if content is None and path and Path(path).is_file() and Path(path).stat().st_size <= MAX_IMAGE_BYTES:
        content = Path(path).read_bytes()
    if content is None or len(content) > MAX_IMAGE_BYTES:
        raise SuiteError(
            f"{task.where('columns', 'image')}: row {row} of split '{split}' holds no image "
            f"of at most {MAX_IMAGE_BYTES // 1_000_000} MB."
        )
    return bytes(content)
