"""One file of rows -> a train and a test file, and rows written in a form that a task file can name.

A fifth of the rows is for testing, taken class by class. Which ones depends on what the model reads
of them, so that no input is on both sides, and not on their order.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite.drafting._columns import is_missing
from suite.drafting._finding import Guess

if TYPE_CHECKING:
    from datasets import Dataset

TEST_SHARE = 0.2
SUFFIXES = {"csv": ".csv", "json": ".jsonl", "parquet": ".parquet", "arrow": ".parquet", "imagefolder": ".parquet"}
"""How rows read by a builder are written."""

_TARGETS = ("label", "labels", "tags")
_BATCH = 200


def cut(rows: Dataset, guess: Guess) -> dict[str, list[int]]:
    """Return the numbers of the train and of the test rows, in their order; rows that lack something are in neither."""
    units: dict[str, list[int]] = {}
    lacking = _lacking(rows, guess)
    for row, key in enumerate(_keys(rows, guess)):
        if row not in lacking:
            units.setdefault(key, []).append(row)
    strata = _strata(rows, guess)
    groups: dict[str, list[str]] = {}
    for key in sorted(units):
        groups.setdefault(strata[units[key][0]], []).append(key)
    # Each unit's place in its own class, as a fraction, ranks it: the lowest fifth is stratified.
    ranked = sorted(
        ((place + 0.5) / len(keys), stratum, key) for stratum, keys in groups.items() for place, key in enumerate(keys)
    )
    test = {row for _, _, key in ranked[: max(1, round(len(ranked) * TEST_SHARE))] for row in units[key]}
    train = set(range(len(rows))) - test - lacking
    return {"train": sorted(train), "test": sorted(test)}


def _lacking(rows: Dataset, guess: Guess) -> set[int]:
    """Return the rows that no task could use: an empty cell where a text or a label should be."""
    lacking: set[int] = set()
    for ours, theirs in guess.columns.items():
        names = [theirs] if isinstance(theirs, str) else theirs
        empty = [{row for row, cell in enumerate(_cells(rows, name)) if is_missing(cell)} for name in names]
        lacking |= set.intersection(*empty) if ours == "text" else set.union(*empty)
    return lacking


def _keys(rows: Dataset, guess: Guess) -> list[str]:
    """Return a hash for each row: of its group, else of what several rows may share, else of what is read."""
    inputs = {ours: theirs for ours, theirs in guess.columns.items() if ours not in (*_TARGETS, "answers", "score")}
    chosen = next(([inputs[name]] for name in ("group", "context") if name in inputs), list(inputs.values()))
    cells = [_cells(rows, name) for names in chosen for name in ([names] if isinstance(names, str) else names)]
    texts = (json.dumps(row, default=str, sort_keys=True) for row in zip(*cells, strict=True))
    return [hashlib.sha256(text.encode()).hexdigest() for text in texts]


def _cells(rows: Dataset, name: str) -> list[Any]:
    """Return a column's cells, that of a path into a struct those of the struct; of images a hash."""
    import datasets

    column = name if name in rows.column_names else name.split(".")[0]
    if isinstance(rows.features[column], datasets.Image):
        files = rows.select_columns([column]).cast_column(column, datasets.Image(decode=False))[column]
        return [_image_hash(file) for file in files]
    return list(rows[column][:])


def _image_hash(file: dict[str, Any] | None) -> str | None:
    if file is None:
        return None
    content = Path(file["path"]).read_bytes() if file["bytes"] is None else file["bytes"]
    return hashlib.sha256(content).hexdigest()


def _strata(rows: Dataset, guess: Guess) -> list[str]:
    """Return for each row the rarest of its classes, nothing where there are none."""
    target = next((guess.columns[name] for name in _TARGETS if name in guess.columns), None)
    if target is None or (isinstance(target, str) and target not in rows.column_names):
        return [""] * len(rows)
    if isinstance(target, tuple):
        columns = [rows[name][:] for name in target]
        found = [[n for n, cell in zip(target, cells, strict=True) if cell] for cells in zip(*columns, strict=True)]
    else:
        found = [list(map(str, cell)) if isinstance(cell, list) else [str(cell)] for cell in rows[target][:]]
    counts = Counter(name for names in found for name in names)
    return [min(names, key=lambda name: (counts[name], name), default="") for names in found]


def write_rows(rows: Dataset, path: Path) -> None:
    """Write rows as CSV, as JSON lines or as Parquet, by the file's ending; images with their bytes."""
    if path.suffix == ".csv":
        rows.to_csv(path, index=False)
    elif path.suffix == ".jsonl":
        with path.open("w", encoding="utf-8") as stream:
            for row in rows:
                stream.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
    else:
        _write_parquet(rows, path)


def _write_parquet(rows: Dataset, path: Path) -> None:
    """Write batch by batch: images lie in files of their own until then."""
    from datasets.table import embed_table_storage
    from pyarrow import parquet

    plain = rows.with_format("arrow")
    with parquet.ParquetWriter(path, rows.features.arrow_schema) as writer:
        for start in range(0, len(rows), _BATCH):
            writer.write_table(embed_table_storage(plain[start : start + _BATCH]).cast(rows.features.arrow_schema))
