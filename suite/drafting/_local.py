"""Data on this machine: a file, files named by their splits, or a folder of images."""

from __future__ import annotations

import contextlib
import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite import hub, limits
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
        with reading(str(self.files[part][0][0])):
            rows = self._rows(part)
            return columns_of(rows.features, rows.select(range(0, len(rows), -(-len(rows) // most))))

    def values(self, column: str) -> list[Any]:
        """Return all different values of a plain column in train."""
        with reading(str(self.files["train"][0][0])):
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
        import datasets

        first = self.files[part][0][0]
        if self.builder == "csv":
            _check_commas(first)
        wanted = {
            name: [f"{glob.escape(str(base))}/{pattern}".rstrip("/") for base, pattern in files]
            for name, files in self.files.items()
            if name == part or self.builder == "imagefolder"  # there a class is a folder of any part
        }
        for base, pattern in self.files[part]:
            if not pattern:
                _check(base, self.builder)
        rows = datasets.load_dataset(self.builder, data_files=wanted)[part]
        if len(rows) < 2:
            remedy = "; expected one object a line, or one list of objects." if self.builder == "json" else "."
            raise SuiteError(f"{first} has {len(rows)} row, and a task needs more{remedy}")
        return rows


def _check(path: Path, builder: str) -> None:
    try:
        limits.check_rows(path, builder)
    except ValueError as error:
        raise SuiteError(f"Cannot read {path}: {error}.") from None


def _check_commas(path: Path) -> None:
    """Refuse a CSV file whose columns something else sets apart: no task file can say so."""
    with path.open(encoding="utf-8") as stream:
        sign = max(",;\t|", key=re.sub(r'"[^"]*"', "", stream.readline()).count)
    if sign != ",":
        other = f"{path.stem}.csv" if path.suffix != ".csv" else f"{path.stem}-commas.csv"
        commas = f"pandas.read_csv({path.name!r}, sep={sign!r}).to_csv({other!r}, index=False)"
        raise SuiteError(f"{path}: its columns are set apart by {sign!r}, expected commas; write it again: {commas}")


@contextlib.contextmanager
def reading(what: str) -> Iterator[None]:
    """Keep the libraries quiet and turn their errors into one sentence: the Hub's answer, else the deepest cause."""
    import datasets
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import logging as hub_logging

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # what it would log, we raise
    hub_logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # its client would tell of every retry
    try:
        yield
    except SuiteError:
        raise
    except Exception as error:  # datasets raises dozens of types
        below: BaseException | None = error
        while below is not None and not isinstance(below, HfHubHTTPError):
            below = below.__cause__ or below.__context__
        if below:
            raise hub.explain(below, what) from error
        raise SuiteError(f"Cannot read {what}: {_reason(error)}.") from error


def _reason(error: BaseException) -> str:
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
    named: dict[str | None, list[tuple[Path, str]]] = {part_of(words_of(path.stem)): [(path, "")]}
    for other in sorted(path.parent.glob(f"*{path.suffix}")) if None not in named else ():
        if _bare(other) == _bare(path):
            named.setdefault(part_of(words_of(other.stem)), [(other, "")])
    parts = {part: files for part, files in named.items() if part} if "train" in named else {"train": [(path, "")]}
    return Local(" ".join(_bare(path)) or path.parent.name, BUILDERS[path.suffix.lower()], parts)


def _bare(path: Path) -> list[str]:
    """Return the words of a file's name that say no part."""
    return [word for word in words_of(path.stem) if not part_of([word])]


def _folder(folder: Path) -> Local:
    try:
        files = [file.relative_to(folder) for file in sorted(folder.rglob("*")) if file.is_file()]
    except OSError as error:
        raise SuiteError(f"{folder} cannot be looked through: {error.strerror or error}.") from None
    files = [file for file in files if not any(part.startswith(".") for part in file.parts)]
    images = [file for file in files if file.suffix.lower() in PICTURES]
    tables = [file for file in files if file.suffix.lower() in BUILDERS and file.name not in (*METADATA, *_NO_ROWS)]
    if len(images) > 10 * len(tables):
        return _images(folder, [*images, *(file for file in files if file.name in METADATA)])
    kinds: dict[str, dict[str, list[Path]]] = {}
    for file in tables:
        part = part_of(words_of(str(file.with_suffix("")))) or "none"
        kinds.setdefault(BUILDERS[file.suffix.lower()], {}).setdefault(part, []).append(file)
    builder, parts = max(kinds.items(), key=lambda kind: ("train" in kind[1], len(kind[1])), default=("", {}))
    plain = parts.pop("none", [])
    if "train" not in parts and len(plain) != 1:
        raise SuiteError(
            f"{folder}: it cannot be told what is train and test ({', '.join(map(str, tables[:6])) or 'no tables'}); "
            f"expected tables ({', '.join(BUILDERS)}) named by split, such as train.csv and test.csv, or images in "
            "folders named by class, such as train/maple/1.png."
        )
    parts.setdefault("train", plain)
    left = [str(file) for file in tables if not any(file in used for used in parts.values())]
    notes = (
        (f"not used, since their names say no split or their type is another: {', '.join(left[:6])}",) if left else ()
    )
    return Local(folder.name, builder, {part: [(folder / file, "") for file in parts[part]] for part in parts}, notes)


def _images(folder: Path, files: Sequence[Path]) -> Local:
    """Return images by the part that the first folder says, all as train where none does."""
    parts: dict[str, set[tuple[Path, str]]] = {}
    for file in files:
        part = part_of([file.parts[0].lower()]) or ""
        pattern = f"**/{file.name}" if file.name in METADATA else f"**/*{file.suffix}"
        parts.setdefault(part, set()).add((folder / file.parts[0] if part else folder, pattern))
    if "train" not in parts:
        parts = {"train": {(folder, pattern) for patterns in parts.values() for _, pattern in patterns}}
    named = {part: sorted(patterns) for part, patterns in parts.items() if part}
    return Local(folder.name, "imagefolder", named)
