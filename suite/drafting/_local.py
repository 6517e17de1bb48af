"""Data on this machine: a file, files named by their splits, or a folder of images."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite.drafting._columns import Column, columns_of, is_missing
from suite.spec import SuiteError

if TYPE_CHECKING:
    from datasets import Dataset

BUILDERS = dict.fromkeys((".csv", ".tsv", ".tab"), "csv") | dict.fromkeys((".json", ".jsonl", ".ndjson"), "json")
BUILDERS |= {".parquet": "parquet", ".arrow": "arrow"}
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_NO_ROWS = ("dataset_info.json", "dataset_dict.json", "dataset_infos.json", "state.json", "package.json")
"""JSON that stands beside rows, as `save_to_disk` of `datasets` writes it."""

PARTS = {
    "train": ("train", "training", "trn"),
    "validation": ("validation", "valid", "val", "dev", "development"),
    "test": ("test", "testing", "tst"),
}


@dataclass(frozen=True)
class Local:
    """Files by the part that their names say they play: each a path and '', or a folder and a pattern below it."""

    title: str
    name: str
    builder: str
    files: dict[str, list[tuple[Path, str]]]
    notes: tuple[str, ...] = ()

    @property
    def splits(self) -> dict[str, str]:
        """Which split plays which part."""
        return {part: part for part in self.files}

    def columns(self, part: str, most: int) -> list[Column]:
        """Return the columns of evenly spaced rows of a part, since files are often sorted by label."""
        import datasets

        rows = self._rows(part)
        images = [name for name, feature in rows.features.items() if isinstance(feature, datasets.Image)]
        step = max(1, -(-len(rows) // most))
        return columns_of(rows.features, rows.remove_columns(images).select(range(0, len(rows), step)))

    def values(self, column: str) -> list[Any]:
        """Return all different values of a plain column in train."""
        return [value for value in self._rows("train").unique(column) if not is_missing(value)]

    def dataset(self, splits: Iterable[str], folder: Path) -> dict[str, Any]:
        """Return what the field `dataset` says in a task file of that folder."""
        named: dict[str, str | list[str]] = {}
        for split in splits:
            bases = [(os.path.relpath(base, folder), pattern) for base, pattern in self.files[split]]
            names = [Path(glob.escape(base) if pattern else base, pattern).as_posix() for base, pattern in bases]
            named[split] = names[0] if len(names) == 1 else names
        return {"path": self.builder, "data_files": named}

    def _rows(self, part: str) -> Dataset:
        """Return all rows of a part.

        Raises:
            SuiteError: its files cannot be read, or hold no rows.
        """
        import datasets

        hush()
        wanted = {
            name: [f"{glob.escape(str(base))}/{pattern}".rstrip("/") for base, pattern in files]
            for name, files in self.files.items()
            if name == part or self.builder == "imagefolder"  # there a class is a folder of any part
        }
        first = self.files[part][0][0]
        try:
            rows = datasets.load_dataset(self.builder, data_files=wanted)[part]
        except Exception as error:  # datasets raises dozens of types; each becomes one sentence
            raise SuiteError(f"Cannot read {first}: {reason(error)}.") from error
        if len(rows) < 2:
            remedy = "; expected one object a line, or one list of objects." if self.builder == "json" else "."
            raise SuiteError(f"{first} has {len(rows)} row, and a task needs more{remedy}")
        return rows


def hush() -> None:
    """Let the libraries print nothing: what they would log, we raise."""
    import datasets
    from huggingface_hub.utils import logging as hub_logging

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    hub_logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # its client would tell of every retry


def reason(error: BaseException) -> str:
    """Return the cause that lies deepest, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    is_empty = any(words in text for words in ("corresponds to no data", "the first 0 values", "StopIteration"))
    return "it holds no rows" if is_empty else text[:300]


def part_of(words: Iterable[str]) -> str | None:
    """Return the part that one of the words says."""
    return next((part for word in words for part, names in PARTS.items() if word in names), None)


def words_of(name: str) -> list[str]:
    """Return the words of a name, in lower case."""
    return [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]


def find(path: Path) -> Local:
    """Return the data that a path means.

    Raises:
        SuiteError: it is no data, or it cannot be told which file is which split.
    """
    return _folder(path.resolve()) if path.is_dir() else _file(path.parent.resolve() / path.name)


def _file(path: Path) -> Local:
    """Return a file, and those beside it whose names differ by the part only: reviews-train.csv, reviews-test.csv."""
    if path.suffix.lower() in PICTURES:
        raise SuiteError(f"{path} is one image; name the folder that has the classes' folders in it.")
    if path.suffix.lower() not in BUILDERS:
        raise SuiteError(f"{path}: its name ends with none of {', '.join(BUILDERS)}; save the rows as one of these.")
    bare, own = _bare(path), part_of(words_of(path.stem))
    parts = {own: [path]}
    for other in sorted(path.parent.glob(f"*{path.suffix}")):
        part = part_of(words_of(other.stem))
        if own and part and _bare(other) == bare:
            parts.setdefault(part, [other])
    return _tables(str(path), " ".join(bare) or path.parent.name, parts if "train" in parts else {"train": [path]})


def _bare(path: Path) -> list[str]:
    """Return the words of a file's name that say no part."""
    return [word for word in words_of(path.stem) if not part_of([word])]


def _folder(folder: Path) -> Local:
    files = [file for file in sorted(folder.rglob("*")) if file.is_file() and not file.name.startswith(".")]
    images = [file for file in files if file.suffix.lower() in PICTURES]
    tables = [file for file in files if file.suffix.lower() in BUILDERS and file.name not in (*METADATA, *_NO_ROWS)]
    if len(images) > 10 * len(tables):
        return _images(folder, [*images, *(file for file in files if file.name in METADATA)])
    parts: dict[str | None, list[Path]] = {}
    for file in tables:
        parts.setdefault(part_of(words_of(str(file.relative_to(folder).with_suffix("")))), []).append(file)
    plain = parts.pop(None, [])
    if "train" not in parts and len(plain) != 1:
        listed = ", ".join(str(file.relative_to(folder)) for file in tables[:6])
        raise SuiteError(
            f"{folder}: it cannot be told what is train and test ({listed or 'no tables'}); expected tables such as "
            f"train.csv and test.csv ({', '.join(BUILDERS)}), one table, or images in folders named by class, such as "
            "train/maple/1.png."
        )
    parts.setdefault("train", plain)
    return _tables(str(folder), folder.name, parts)


def _tables(title: str, name: str, parts: Mapping[str | None, list[Path]]) -> Local:
    """Return the tables of each part that have the form of the first."""
    builder = BUILDERS[parts["train"][0].suffix.lower()]
    alike = {
        part: [file for file in files if BUILDERS[file.suffix.lower()] == builder] for part, files in parts.items()
    }
    for file in (file for files in alike.values() for file in files if builder == "csv"):
        _check_commas(file)
    return Local(
        title, name, builder, {str(part): [(file, "") for file in files] for part, files in alike.items() if files}
    )


def _check_commas(path: Path) -> None:
    """Refuse a CSV file whose columns something else sets apart: no task file can say so.

    Raises:
        SuiteError: they are, or the file cannot be read.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            sign = max(",;\t|", key=re.sub(r'"[^"]*"', "", stream.readline()).count)
    except OSError as error:
        raise SuiteError(f"Cannot read {path}: {error.strerror}.") from None
    if sign != ",":
        other = f"{path.stem}.csv" if path.suffix != ".csv" else f"{path.stem}-commas.csv"
        raise SuiteError(
            f"{path}: its columns are set apart by {sign!r}, expected commas; write it again: "
            f"pandas.read_csv({path.name!r}, sep={sign!r}).to_csv({other!r}, index=False)"
        )


def _images(folder: Path, files: Sequence[Path]) -> Local:
    """Return images by the part that the first folder says, all as train where none does."""
    parts: dict[str, set[tuple[Path, str]]] = {}
    for file in files:
        first = file.relative_to(folder).parts[0]
        part = part_of([first.lower()]) or ""
        pattern = f"**/{file.name}" if file.name in METADATA else f"**/*{file.suffix}"
        parts.setdefault(part, set()).add((folder / first if part else folder, pattern))
    if "train" not in parts:
        parts = {"train": {(folder, pattern) for patterns in parts.values() for _, pattern in patterns}}
    named = {part: sorted(patterns) for part, patterns in parts.items() if part}
    return Local(str(folder), folder.name, "imagefolder", named)
