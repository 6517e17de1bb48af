"""Pinned data: rows of a task under the kind's column names, split, limited and hashed.

Every row is known by the sha256 of its own content. Splits are carved and limited by that hash, so
the same row falls on the same side whatever else is added, and predictions of two checkpoints are
paired by it.
"""

from __future__ import annotations

import base64
import glob
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite import columns, limits
from suite.spec import Carve, SuiteError, TaskSpec, canonical_json, digest

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass(frozen=True)
class Split:
    """Rows of one split.

    `columns` maps the kind's column names to equally long lists: a text is a str, an image the
    encoded bytes of its file, a label whatever the data says (class names where they are known).
    """

    name: str
    columns: dict[str, list[Any]]
    hashes: list[str]

    def __len__(self) -> int:
        return len(self.hashes)

    @property
    def ids(self) -> list[str]:
        """One id a row: its hash, and a count behind it for exact repetitions."""
        seen: dict[str, int] = {}
        ids = []
        for row in self.hashes:
            seen[row] = seen.get(row, 0) + 1
            ids.append(row[:20] if seen[row] == 1 else f"{row[:20]}-{seen[row]}")
        return ids

    def take(self, rows: Sequence[int]) -> Split:
        """Return the given rows, in that order."""
        cells = {name: [values[i] for i in rows] for name, values in self.columns.items()}
        return Split(self.name, cells, [self.hashes[i] for i in rows])


@dataclass(frozen=True)
class TaskData:
    """The three splits of a task, its class names if the data set has them, and its pins."""

    train: Split
    validation: Split
    test: Split
    labels: tuple[str, ...] | None
    pins: dict[str, Any] = field(default_factory=dict)

    @property
    def splits(self) -> tuple[Split, Split, Split]:
        """Train, validation and test."""
        return self.train, self.validation, self.test


@dataclass(frozen=True)
class Prepared:
    """Examples as a model takes them.

    `items[i]` is the dict of model inputs of item i and `lengths[i]` how long it is (for batching). An
    example is one item unless `owners` says which example each item is a window of. `labels` holds
    one target an example, `ids` one id, `truncated` how many examples had to be cut. Examples of one
    cluster are not independent of each other. `context` is what a kind needs of the rows to read the
    model's outputs.
    """

    items: Sequence[dict[str, Any]]
    labels: Any
    lengths: Sequence[int]
    ids: list[str]
    truncated: int = 0
    owners: list[int] | None = None
    clusters: list[str] | None = None
    context: Any = None

    def __len__(self) -> int:
        return len(self.ids)


def limited(rows: TaskData, caps: Mapping[Any, int]) -> TaskData:
    """Return the rows with at most so many a split, stratified by label and chosen by their hash."""
    kept = {part.name: part.take(_limit(part, caps.get(part.name))) for part in rows.splits}
    ids = {name: hash_ids(part.ids) for name, part in kept.items()}
    pins = rows.pins | {"ids_sha256": ids}
    if "train_distinct" in pins:
        pins["train_distinct"] = len(set(kept["train"].hashes))
    return TaskData(kept["train"], kept["validation"], kept["test"], rows.labels, pins)


_LOADED: dict[str, TaskData] = {}


def load(task: TaskSpec, files: dict[str, list[str]] | None, caps: Mapping[Any, int]) -> TaskData:
    """Return a task's rows; the last few are kept, since the runs of a grid share them.

    Args:
        task: the task, its data set pinned.
        files: the data files of each split, for a local builder.
        caps: most rows a split, the smaller of these and the task's own being taken.

    Raises:
        SuiteError: a split or column is missing, a split is empty, or the data set cannot be read.
    """
    key = canonical_json([task.model_dump(mode="json", by_alias=True), dict(caps)])
    if key not in _LOADED:
        while len(_LOADED) >= 4:
            _LOADED.pop(next(iter(_LOADED)))
        _LOADED[key] = _load(task, files, caps)
    return _LOADED[key]


def _load(task: TaskSpec, files: dict[str, list[str]] | None, caps: Mapping[Any, int]) -> TaskData:
    carves: dict[str, Carve] = {}
    wanted: dict[str, str] = {}
    for part in ("train", "test", "validation"):
        of = getattr(task.splits, part)
        wanted[part] = of.origin if isinstance(of, Carve) else of
        if isinstance(of, Carve):
            carves[part] = of
    source = _materialise(task, files)
    folders = _folders(files)
    sources = {name: _rows(task, source, name, folders) for name in dict.fromkeys(wanted.values())}
    parts = {part: sources[name][0] for part, name in wanted.items()}
    rows_hash = {name: hash_ids(rows.hashes) for name, (rows, _) in sources.items()}
    open_to = dict(wanted)
    for part, carve in carves.items():  # the test part first, so that what is left is carved for validation
        _carve(parts, open_to, part, carve)
        del open_to[part]
    for part, rows in parts.items():
        most = min((n for of in (caps, task.limits) for name, n in of.items() if name == part), default=None)
        parts[part] = replace(rows.take(_limit(rows, most)), name=part)
        if not len(parts[part]):
            remedy = "name a split that has rows"
            if part in carves:
                carve = carves[part]
                remedy = f"a fraction of {carve.fraction} took none of '{carve.origin}'; raise it, or name a split"
            raise SuiteError(f"{task.where('splits', part)}: the {part} split of {task.name} is empty: {remedy}.")
    pins = {
        "revision": task.dataset.revision,
        "unpinned": task.dataset.unpinned,
        "rows_sha256": rows_hash,
        "ids_sha256": {part: hash_ids(rows.ids) for part, rows in parts.items()},
    }
    labels = next((names for _, names in sources.values() if names), None)
    return TaskData(parts["train"], parts["validation"], parts["test"], labels, pins)


def _carve(parts: dict[str, Split], wanted: Mapping[str, str], part: str, carve: Carve) -> None:
    """Take a part out of its origin and away from the others that come from there; rows of a group stay together."""
    salt = "carve" if part == "validation" else f"carve-{part}"
    held: dict[str, bool] = {}
    for other in [name for name, origin in wanted.items() if origin == carve.origin]:
        rows = parts[other]
        groups = rows.columns.get("group")
        marks = [_mark(row, group) for row, group in zip(rows.hashes, groups or [None] * len(rows), strict=True)]
        held |= {mark: fraction(f"{salt}:{carve.seed}", mark) < carve.fraction for mark in set(marks) - held.keys()}
        parts[other] = rows.take([i for i, mark in enumerate(marks) if held[mark] == (other == part)])


def _mark(row: str, group: Any) -> str:
    """Return what decides on which side a row falls: its group, or the row itself where it names none."""
    return row if group is None else digest(canonical_json(_plain(group)).encode())


def cached(task: TaskSpec) -> bool:
    """Return whether the cache of this machine has a Hub data set at its pinned commit."""
    return _from_cache(task) is not None


def _materialise(task: TaskSpec, files: dict[str, list[str]] | None) -> dict[str, Dataset]:
    """Read the data set with `datasets`: a local builder over files, or the Hub at a commit."""
    import datasets
    from huggingface_hub.utils import logging as hub_logging

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # what it would log, we raise
    hub_logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # its client would tell of every retry
    ref = task.dataset
    for file in dict.fromkeys(name for names in (files or {}).values() for name in names):
        _check_file(task, Path(file))
    try:
        if files is None:
            return _from_hub(task)
        return dict(datasets.load_dataset(ref.path, name=ref.config, data_files=_literal(files)))
    except SuiteError:
        raise
    except Exception as error:  # datasets raises dozens of types; each becomes one sentence
        reason = _culprit(ref.path, files or {}) or _reason(error)
        raise SuiteError(f"{task.where('dataset')}: cannot load {_name(task)}: {reason}.") from error


def _check_file(task: TaskSpec, path: Path) -> None:
    """Look at a data file before a reader in C does: its size, what it claims to become, how deep it is nested.

    Raises:
        SuiteError: it is too much.
    """
    try:
        limits.check_rows(path, task.dataset.path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SuiteError(f"{task.where('dataset')}: cannot load {_name(task)}: {path.name}: {reason}.") from None


def _literal(files: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return the names as patterns that match them alone: `datasets` would read `[` as one."""
    return {split: [glob.escape(name) for name in names] for split, names in files.items()}


def _from_hub(task: TaskSpec) -> dict[str, Dataset]:
    """Read a Hub data set at its commit, from the cache where it is there.

    Without a connection `datasets` takes the newest commit of its cache, whichever is asked for; so
    what it gives is compared with the pin.
    """
    import datasets

    ref = task.dataset
    cached = _from_cache(task)
    if cached:
        return cached
    loaded = dict(datasets.load_dataset(ref.path, name=ref.config, revision=ref.revision))
    found = {Path(file["filename"]).parent.name for rows in loaded.values() for file in rows.cache_files}
    if ref.revision and found != {ref.revision}:
        raise SuiteError(
            f"{task.where('dataset', 'revision')}: {_name(task)} at {ref.revision[:12]} is not in the cache of this "
            "machine, and the Hub was not asked or did not answer. Run once with a connection."
        )
    return loaded


def _from_cache(task: TaskSpec) -> dict[str, Dataset] | None:
    """Return what `datasets` keeps of a configuration at the pinned commit; a commit never changes."""
    from datasets.packaged_modules.cache.cache import Cache

    ref = task.dataset
    about = {"repo_id": ref.path, "dataset_name": ref.path.split("/")[-1], "config_name": ref.config or "default"}
    folder = Path(Cache(**about).cache_dir).parent  # the configuration's; below it versions, below those commits
    versions = [path.parent.name for path in folder.glob(f"*/{ref.revision}")] if ref.revision else []
    if len(versions) != 1:
        return None
    return dict(Cache(**about, version=versions[0], hash=ref.revision).as_dataset())


def _culprit(builder: str, files: dict[str, list[str]]) -> str:
    """Return which data file cannot be read on its own, and why; nothing if each of them can."""
    import datasets

    for file in dict.fromkeys(name for names in files.values() for name in names):
        try:
            datasets.load_dataset(builder, data_files=_literal({"train": [file]}))
        except Exception as error:
            return f"{Path(file).name}: {_reason(error)}"
    return ""


def _reason(error: BaseException) -> str:
    """Return the cause that lies deepest, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    if "corresponds to no data" in text or "the first 0 values" in text:
        return "it holds no rows"
    if text.startswith("Couldn't reach"):
        return "the Hub was not reached, and the cache of this machine does not have it; run once with a connection"
    if text.startswith("Couldn't cast"):
        return f"the files differ in their columns or types; expected {text.partition(' to ')[2][:200]}"
    return text[:300]


def _name(task: TaskSpec) -> str:
    return " ".join(filter(None, [task.dataset.path, task.dataset.config]))


def _folders(files: dict[str, list[str]] | None) -> frozenset[str]:
    """Return the folders that a picture's file may lie in: those of the data files, else the caches of the Hub."""
    from datasets import config
    from huggingface_hub import constants

    if files is None:
        places = [Path(str(config.HF_CACHE_HOME)), Path(str(config.HF_DATASETS_CACHE)), Path(constants.HF_HUB_CACHE)]
    else:
        places = [Path(name).parent for names in files.values() for name in names]
    return frozenset(str(path) for place in set(places) for path in (place.absolute(), place.resolve()))


def _rows(
    task: TaskSpec, source: dict[str, Dataset], split: str, folders: frozenset[str]
) -> tuple[Split, tuple[str, ...] | None]:
    """Return one source split under the kind's column names, and the class names it declares."""
    if split not in source:
        part = next((k for k in ("train", "validation", "test") if getattr(task.splits, k) == split), "train")
        raise SuiteError(
            f"{task.where('splits', part)}: split '{split}' is not in {_name(task)}. It has: {', '.join(source)}."
        )
    try:
        cells, names = columns.read(task, source[split], split, folders)
    except (ValueError, OSError) as error:  # a file that opened well may hold bytes that are no text
        raise SuiteError(f"{task.where('dataset')}: cannot read {_name(task)} ({split}): {_reason(error)}.") from error
    return Split(split, cells, list(_row_hashes(cells))), names


def _row_hashes(cells_of: dict[str, list[Any]]) -> Iterator[str]:
    names = sorted(cells_of)
    for cells in zip(*(cells_of[name] for name in names), strict=True):
        row = {name: _plain(cell) for name, cell in zip(names, cells, strict=True)}
        yield hashlib.sha256(canonical_json(row).encode()).hexdigest()


def _plain(cell: Any) -> Any:
    if isinstance(cell, str):  # nearly all are
        return cell
    if isinstance(cell, bytes):
        return base64.b64encode(cell).decode()
    if isinstance(cell, float) and not math.isfinite(cell):
        return str(cell)
    if isinstance(cell, dict):
        return {str(name): _plain(value) for name, value in cell.items()}
    if isinstance(cell, list | tuple):
        return [_plain(value) for value in cell]
    return cell if cell is None or isinstance(cell, int | float) else f"{type(cell).__name__} {cell}"


def hash_ids(rows: Sequence[str]) -> str:
    """Return the hash of rows' ids or hashes, in their order."""
    return digest("\n".join(rows).encode())


def fraction(salt: str, row: str) -> float:
    """Return a number in [0, 1) that depends on the row's content and the salt alone."""
    return int.from_bytes(hashlib.sha256(f"{salt}:{row}".encode()).digest()[:8], "big") / 2**64


def _limit(rows: Split, most: int | None) -> list[int]:
    """Return the numbers of at most so many rows, stratified by label, chosen by hash and in their old order."""
    if most is None or len(rows) <= most:
        return list(range(len(rows)))
    labels = [str(label) for label in rows.columns.get("label", [""] * len(rows))]
    groups: dict[str, list[int]] = {}
    for i in sorted(range(len(rows)), key=lambda i: fraction("limit", rows.hashes[i])):
        groups.setdefault(labels[i], []).append(i)
    # Each row's place in its own class, as a fraction, ranks it: the first `most` are stratified.
    ranked = sorted(
        ((place + 0.5) / len(members), label, i) for label, members in groups.items() for place, i in enumerate(members)
    )
    return sorted(i for _, _, i in ranked[:most])
