"""Data on this machine: a file, files named by their splits, or a folder of images."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite.drafting._columns import Sample
from suite.drafting._reading import load
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
    """Files by the part that their names say they play: train, validation or test.

    `patterns` are how a task file names them, where that is not file by file.
    """

    title: str
    name: str
    builder: str
    parts: dict[str, list[Path]]
    patterns: dict[str, list[str]] = field(default_factory=dict)
    separator: str = ","
    notes: tuple[str, ...] = ()
    hint: str = ""

    def sample(self, part: str, most: int) -> Sample:
        """Return evenly spaced rows of a part, since files are often sorted by label."""
        import datasets

        rows = self.rows(part)
        images = [name for name, feature in rows.features.items() if isinstance(feature, datasets.Image)]
        step = max(1, -(-len(rows) // most))
        return Sample(rows.features, rows.remove_columns(images).select(range(0, len(rows), step)))

    def rows(self, part: str) -> Dataset:
        """Return all rows of a part.

        Raises:
            SuiteError: its files cannot be read, or hold no rows.
        """
        together = self.builder == "imagefolder"  # a class is a folder of any part
        files = {name: list(map(str, files)) for name, files in self.parts.items() if together or name == part}
        rows = load(self.builder, files, self.separator)[part]
        if len(rows) < 2:
            raise SuiteError(
                f"{self.parts[part][0]} has {len(rows)} row, and a task needs more"
                + ("; expected one object a line, or one list of objects." if self.builder == "json" else ".")
            )
        return rows

    def values(self, column: str) -> set[Any]:
        """Return all different values of a plain column in train."""
        return set(self.rows("train").unique(column))

    def data_files(self, part: str, base: Path) -> list[str]:
        """Return how a task file in the folder `base` names the files of a part."""
        named = self.patterns.get(part) or [str(file) for file in self.parts[part]]
        return [Path(os.path.relpath(name, base)).as_posix() for name in named]


def find(path: Path) -> Local:
    """Return the data that a path means.

    Raises:
        SuiteError: it is no data, or it cannot be told which file is which split.
    """
    found = _folder(path.resolve()) if path.is_dir() else _file(path.parent.resolve() / path.name)
    for file in (file for files in found.parts.values() for file in files):
        if set("*?[]") & set(str(file)):
            raise SuiteError(f"{file}: rename it or its folder; names with *, ?, [ or ] are taken for patterns.")
    return found


def part_of(words: Iterable[str]) -> str | None:
    """Return the part that one of the words says."""
    return next((part for word in words for part, names in PARTS.items() if word in names), None)


def words_of(name: str) -> list[str]:
    """Return the words of a name, in lower case."""
    return [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]


def _bare(name: str) -> list[str]:
    """Return the words of a name that say no part."""
    return [word for word in words_of(name) if not part_of([word])]


def _file(path: Path) -> Local:
    """Return a file, and those beside it whose names differ by the part only: reviews-train.csv, reviews-test.csv."""
    if path.suffix.lower() not in BUILDERS:
        if path.suffix.lower() in PICTURES:
            raise SuiteError(f"{path} is one image; name the folder that has the classes' folders in it.")
        raise SuiteError(f"{path}: its name ends with none of {', '.join(BUILDERS)}; save the rows as one of these.")
    own = part_of(words_of(path.stem)) or "train"
    parts = {own: [path]}
    for other in sorted(path.parent.glob(f"*{path.suffix}")):
        part = part_of(words_of(other.stem))
        if part and part not in parts and _bare(other.stem) == _bare(path.stem):
            parts[part] = [other]
    if "train" not in parts or (not part_of(words_of(path.stem)) and _was_cut(path)):
        parts = {"train": [path]}
    name = " ".join(_bare(path.stem)) or path.parent.name
    return _table(str(path), name, parts)


def _was_cut(path: Path) -> bool:
    """Return whether a file without a part in its name lies beside its own two halves."""
    return any(
        part_of(words_of(other.stem)) == "train" and _bare(other.stem) == _bare(path.stem)
        for other in path.parent.glob(f"*{path.suffix}")
    )


def _folder(folder: Path) -> Local:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    below = [file for file in files if not any(part.startswith(".") for part in file.relative_to(folder).parts)]
    tables = [file for file in below if file.suffix.lower() in BUILDERS and file.name not in (*METADATA, *_NO_ROWS)]
    images = [file for file in files if file.suffix.lower() in PICTURES]
    if len(images) > 10 * len(tables):
        return _images(folder, images, [file for file in files if file.name in METADATA], tables)
    if not tables:
        raise SuiteError(
            f"{folder} has no data; expected tables ({', '.join(BUILDERS)}) named by split, such as train.csv "
            "and test.csv, or images in folders named by class, such as train/maple/1.png."
        )
    return _tables(folder, tables)


def _tables(folder: Path, tables: Sequence[Path]) -> Local:
    """Choose the kind of file that has the most splits, and its files by split."""
    kinds: dict[str, dict[str, list[Path]]] = {}
    for file in tables:
        part = part_of(words_of(str(file.relative_to(folder).with_suffix("")))) or ""
        kinds.setdefault(BUILDERS[file.suffix.lower()], {}).setdefault(part, []).append(file)
    parts = max(kinds.values(), key=lambda parts: ("train" in parts, len(parts)))
    plain = parts.pop("", [])
    if "train" not in parts:
        if len(plain) != 1:
            listed = ", ".join(str(file.relative_to(folder)) for file in tables[:6])
            listed += ", ..." if len(tables) > 6 else ""
            raise SuiteError(
                f"{folder}: it cannot be told which file is which split ({listed}); "
                "name them train and test, such as train.csv and test.csv, or name one file."
            )
        parts["train"] = plain
    used = {file for files in parts.values() for file in files}
    left = [str(file.relative_to(folder)) for file in tables if file not in used]
    notes = (
        (f"not used, since their names say no split or their type is another: {', '.join(left[:6])}",) if left else ()
    )
    return _table(str(folder), folder.name, parts, notes)


def _table(title: str, name: str, parts: dict[str, list[Path]], notes: tuple[str, ...] = ()) -> Local:
    first = parts["train"][0]
    builder = BUILDERS[first.suffix.lower()]
    for file in (file for files in parts.values() for file in files if builder in ("csv", "json")):
        _check_text(file)
    separator = _separator(first) if builder == "csv" else ","
    return Local(title, name, builder, parts, separator=separator, notes=notes)


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
                line.decode("utf-8")
    except UnicodeDecodeError:
        raise SuiteError(f"{path}:{number}: this is no text in UTF-8; save the file as UTF-8 first.") from None
    except OSError as error:
        raise SuiteError(f"Cannot read {path}: {error.strerror}.") from None
    if number == 0:
        raise SuiteError(f"{path} is empty; expected {'a line of column names and ' if _is_csv(path) else ''}rows.")


def _is_csv(path: Path) -> bool:
    return BUILDERS[path.suffix.lower()] == "csv"


def _separator(path: Path) -> str:
    """Return what stands between the names of the first line most often, and as often in the lines below."""
    if path.suffix.lower() in (".tsv", ".tab"):
        return "\t"
    with path.open(encoding="utf-8", errors="replace") as stream:
        first, *rest = [re.sub(r'"[^"]*"', "", line) for line in itertools.islice(stream, 20)]

    def fits(sign: str) -> tuple[int, int]:
        return first.count(sign), sum(line.count(sign) == first.count(sign) for line in rest)

    return max(",;\t|", key=fits)


def _images(folder: Path, images: list[Path], metadata: list[Path], tables: list[Path]) -> Local:
    """Return images by the part that the first folder says, all as train where none does."""
    parts: dict[str, list[Path]] = {}
    roots: dict[str, set[Path]] = {}
    for file in [*images, *metadata]:
        first = file.relative_to(folder).parts[0]
        part = part_of([first.lower()])
        parts.setdefault(part or "", []).append(file)
        roots.setdefault(part or "", set()).add(folder / first if part else folder)
    if "train" not in parts:
        parts, roots = {"train": [*images, *metadata]}, {"train": {folder}}
    parts.pop("", None)
    patterns = {
        part: sorted({f"{root}/**/{_ending(file)}" for root in roots[part] for file in files})
        for part, files in parts.items()
    }
    hint = "In a folder of images, a class is a folder: train/maple/1.png, train/oak/7.png, test/maple/3.png."
    notes = (f"not used: {', '.join(file.name for file in tables[:6])}",) if tables else ()
    return Local(str(folder), folder.name, "imagefolder", parts, patterns, notes=notes, hint=hint)


def _ending(file: Path) -> str:
    return file.name if file.name in METADATA else f"*{file.suffix}"
