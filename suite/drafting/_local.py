"""Data on this machine: a file, files named by their splits, or a folder of images."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite.drafting._columns import Column, columns_of, is_missing
from suite.spec import SuiteError

if TYPE_CHECKING:
    from datasets import Dataset

BUILDERS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
    ".arrow": "arrow",
}
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
    """Files by the part that their names say they play, and the patterns by which a task file names them."""

    title: str
    name: str
    builder: str
    parts: dict[str, list[Path]]
    patterns: dict[str, list[str]]
    notes: tuple[str, ...] = ()
    hint: str = ""
    license: None = None

    @property
    def splits(self) -> dict[str, str]:
        """Which split plays which part."""
        return {part: part for part in self.parts}

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
        named = {
            split: [Path(os.path.relpath(name, folder)).as_posix() for name in self.patterns[split]] for split in splits
        }
        return {
            "path": self.builder,
            "data_files": {split: names if names[1:] else names[0] for split, names in named.items()},
        }

    def _rows(self, part: str) -> Dataset:
        """Return all rows of a part.

        Raises:
            SuiteError: its files cannot be read, or hold no rows.
        """
        import datasets

        hush()
        together = self.builder == "imagefolder"  # a class is a folder of any part
        files = {
            name: [glob.escape(str(file)) for file in files]
            for name, files in self.parts.items()
            if together or name == part
        }
        try:
            rows = datasets.load_dataset(self.builder, data_files=files)[part]
        except Exception as error:  # datasets raises dozens of types; each becomes one sentence
            raise SuiteError(f"Cannot read {self.parts[part][0]}: {reason(error)}.") from error
        if len(rows) < 2:
            remedy = "; expected one object a line, or one list of objects." if self.builder == "json" else "."
            raise SuiteError(f"{self.parts[part][0]} has {len(rows)} row, and a task needs more{remedy}")
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
    if "corresponds to no data" in text or "the first 0 values" in text:
        return "it holds no rows"
    return text[:300]


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
    bare = _bare(path)
    parts = {part_of(words_of(path.stem)) or "": [path]}
    for other in sorted(path.parent.glob(f"*{path.suffix}")):
        part = part_of(words_of(other.stem))
        if part and "" not in parts and _bare(other) == bare:
            parts.setdefault(part, [other])
    return _tables(str(path), " ".join(bare) or path.parent.name, parts if "train" in parts else {"train": [path]})


def _bare(path: Path) -> list[str]:
    """Return the words of a file's name that say no part."""
    return [word for word in words_of(path.stem) if not part_of([word])]


def _folder(folder: Path) -> Local:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    below = [file for file in files if not any(part.startswith(".") for part in file.relative_to(folder).parts)]
    tables = [file for file in below if file.suffix.lower() in BUILDERS and file.name not in (*METADATA, *_NO_ROWS)]
    images = [file for file in files if file.suffix.lower() in PICTURES]
    if len(images) > 10 * len(tables):
        return _images(folder, [file for file in files if file in images or file.name in METADATA])
    if not tables:
        raise SuiteError(
            f"{folder} has no data; expected tables ({', '.join(BUILDERS)}) named by split, such as train.csv "
            "and test.csv, or images in folders named by class, such as train/maple/1.png."
        )
    kinds: dict[str, dict[str, list[Path]]] = {}
    for file in tables:
        part = part_of(words_of(str(file.relative_to(folder).with_suffix("")))) or ""
        kinds.setdefault(BUILDERS[file.suffix.lower()], {}).setdefault(part, []).append(file)
    parts = max(kinds.values(), key=lambda parts: ("train" in parts, len(parts)))
    plain = parts.pop("", [])
    listed = ", ".join(str(file.relative_to(folder)) for file in tables[:6]) + (", ..." if len(tables) > 6 else "")
    if "train" not in parts and len(plain) != 1:
        raise SuiteError(
            f"{folder}: it cannot be told which file is which split ({listed}); "
            "name them train and test, such as train.csv and test.csv, or name one file."
        )
    parts.setdefault("train", plain)
    return _tables(str(folder), folder.name, parts, tables)


def _tables(title: str, name: str, parts: dict[str, list[Path]], among: Sequence[Path] = ()) -> Local:
    """Return tables by part; those `among` which they were found and that play none are told."""
    used = [file for files in parts.values() for file in files]
    builder = BUILDERS[parts["train"][0].suffix.lower()]
    for file in used if builder in ("csv", "json") else ():
        _check_text(file)
    left = [file.name for file in among if file not in used]
    notes = (
        [f"not used, since their names say no split or their type is another: {', '.join(left[:6])}"] if left else []
    )
    patterns = {part: [str(file) for file in files] for part, files in parts.items()}
    return Local(title, name, builder, parts, patterns, tuple(notes))


def _check_text(path: Path) -> None:
    """Refuse what is empty or no text, line by line: readers of tables find it late or never.

    Raises:
        SuiteError: it is so, or cannot be read.
    """
    number = 0
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                if b"\0" in line:
                    raise SuiteError(f"{path}:{number}: this is no text, it has bytes of zero; expected UTF-8.")
                text = line.decode("utf-8")
                if number == 1 and BUILDERS[path.suffix.lower()] == "csv":
                    _check_commas(path, text)
    except UnicodeDecodeError:
        raise SuiteError(f"{path}:{number}: this is no text in UTF-8; save the file as UTF-8 first.") from None
    except OSError as error:
        raise SuiteError(f"Cannot read {path}: {error.strerror}.") from None
    if number == 0:
        raise SuiteError(f"{path} is empty; expected rows.")


def _check_commas(path: Path, header: str) -> None:
    """Refuse columns that something else than commas sets apart: no builder of a task file takes it.

    Raises:
        SuiteError: they are.
    """
    sign = max(",;\t|", key=re.sub(r'"[^"]*"', "", header).count)
    if sign != ",":
        other = path.with_name(f"{path.stem}.csv" if path.suffix != ".csv" else f"{path.stem}-commas.csv")
        raise SuiteError(
            f"{path}: its columns are set apart by {sign!r}, expected commas; write it again with "
            f"pandas.read_csv({path.name!r}, sep={sign!r}).to_csv({other.name!r}, index=False)."
        )


def _images(folder: Path, files: Sequence[Path]) -> Local:
    """Return images by the part that the first folder says, all as train where none does."""
    parts: dict[str, list[Path]] = {}
    patterns: dict[str, set[str]] = {}
    tops = {file: file.relative_to(folder).parts[0] for file in files}
    is_split = any(part_of([top.lower()]) == "train" for top in tops.values())
    for file, top in tops.items():
        part = part_of([top.lower()]) if is_split else "train"
        if part:
            root = glob.escape(str(folder / top if is_split else folder))
            parts.setdefault(part, []).append(file)
            patterns.setdefault(part, set()).add(
                f"{root}/**/{file.name if file.name in METADATA else f'*{file.suffix}'}"
            )
    hint = "In a folder of images, a class is a folder: train/maple/1.png, train/oak/7.png, test/maple/3.png."
    sorted_ = {part: sorted(names) for part, names in patterns.items()}
    return Local(str(folder), folder.name, "imagefolder", parts, sorted_, hint=hint)
