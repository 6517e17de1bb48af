"""Frozen features: computed once per (checkpoint, rows, pooling), kept by content, reused by every probe.

The address of a split's features is the hash of all they depend on; two runs that differ only in
seed, fold or regularisation read the same file. What a process read last it keeps in memory, as long as
the file is the one that it read.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import JsonValue
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from suite import files, timing
from suite.models import Model
from suite.outputs import map_batches
from suite.resources import cache_folder as cache_folder
from suite.spec import SEMANTICS, Precision, canonical_json

IGNORED = -100
"""The label of a token that starts no word."""

MOST_IN_MEMORY = 2**29
"""Bytes of features that a process keeps for its next runs: 350,000 rows of 384 numbers."""

AT_ONCE = 512
"""Rows whose tokens' features are in memory at a time; of those only the words' stay."""


@dataclass(frozen=True)
class Words:
    """Features of the words of rows, one behind the other: `values` fp32 [words, width], `counts` [n] a row."""

    values: np.ndarray
    counts: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> Words:
        """Return the words of these rows, in that order."""
        pieces = np.split(self.values, np.cumsum(self.counts)[:-1])
        return Words(np.concatenate([pieces[row] for row in rows]), self.counts[rows])


@dataclass(frozen=True)
class Features:
    """Arrays that nobody may write into, what computing them cost in seconds, and the body's parameters."""

    arrays: dict[str, np.ndarray]
    seconds: float
    params: int

    @property
    def size(self) -> int:
        """The memory that they take, in bytes."""
        return sum(array.nbytes for array in self.arrays.values())


class Memory:
    """The features that were asked for last, by the file they are of, and no more than `most` bytes of them.

    A file that was changed, made anew or taken away since is another file, and what is known of it is forgotten.
    """

    def __init__(self, most: int) -> None:
        """Start with nothing."""
        self._most = most
        self._known: dict[Path, tuple[tuple[int, ...] | None, Features]] = {}

    def recall(self, path: Path) -> Features | None:
        """Return what is known of a file as it is now."""
        mark, found = self._known.get(path, (None, None))
        return found if found is not None and mark == _mark(path) else None

    def remember(self, path: Path, found: Features) -> None:
        """Keep what a file holds, and let go of what was asked for longest ago."""
        self._known.pop(path, None)
        for array in found.arrays.values():
            array.flags.writeable = False
        self._known[path] = _mark(path), found
        while sum(features.size for _, features in self._known.values()) > self._most:
            self._known.pop(next(iter(self._known)))


_MEMORY = Memory(MOST_IN_MEMORY)


def _mark(path: Path) -> tuple[int, ...] | None:
    """Return what tells a file from any other of its name; None where there is none."""
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_dev, about.st_ino, about.st_mtime_ns, about.st_size


class Reader:
    """Features of one checkpoint, read from the store or computed by a model that is built on first need.

    Attributes:
        seconds: what computing the features cost, in this process or when they were stored.
        reused_seconds: the part of it that was not spent now, since the features were stored.
        stored: whether all that was read so far was there already.
        params: number of parameters of the body, the head not counted.
    """

    def __init__(
        self,
        build: Callable[[], Model],
        pooling: str,
        collate: Callable[[list[dict[str, Any]]], dict[str, Any]],
        device: str,
        identity: Mapping[str, JsonValue] | None,
        precision: Precision = "fp32",
    ) -> None:
        """Take what features depend on besides the rows as `identity`; without one none are stored or looked up.

        Under a `precision` of bf16 the body runs in autocast, and the features have an address of their own.
        """
        self._build, self._pooling, self._collate, self._device = build, pooling, collate, device
        self._identity, self._precision = identity, precision
        self._model: Model | None = None
        self.seconds, self.reused_seconds, self.stored, self.params = 0.0, 0.0, True, 0

    def read(self, items: Sequence[dict[str, Any]], lengths: Sequence[int], ids: Sequence[str]) -> np.ndarray:
        """Return the features of these rows, fp32 [n, width]; of rows with choices [n, choices, width].

        Raises:
            SuiteError: the checkpoint lacks the pooling.
        """
        found = self._stored(
            self._pooling, lengths, ids, lambda: {"features": self._compute(self._pooling, items, lengths)}
        )
        return found["features"]

    def read_words(self, items: Sequence[dict[str, Any]], lengths: Sequence[int], ids: Sequence[str]) -> Words:
        """Return the features of these rows' words: of a word, those of its first token."""
        found = self._stored("words", lengths, ids, lambda: self._compute_words(items, lengths))
        return Words(found["features"], found["counts"])

    def cost(self) -> dict[str, Any]:
        """Return for the log what the features cost, how much of it earlier, and whether all of them were stored."""
        return {
            "features_seconds": self.seconds,
            "features_reused_seconds": self.reused_seconds,
            "features_stored": self.stored,
        }

    @timing.phase("features")
    def _stored(
        self, pooling: str, lengths: Sequence[int], ids: Sequence[str], compute: Callable[[], dict[str, np.ndarray]]
    ) -> dict[str, np.ndarray]:
        if self._identity is None:
            return compute()
        path = self._path(pooling, ids, self._identity)
        found = _MEMORY.recall(path) or _load(path)
        if found is None:
            list(lengths)  # rows that are made ready on demand are made now: it is not a cost of features
            started = time.perf_counter()
            arrays = compute()
            found = Features(arrays, time.perf_counter() - started, self.params)
            _save(path, found)
            self.stored = False
        else:
            self.reused_seconds += found.seconds
        _MEMORY.remember(path, found)
        self.params = found.params
        self.seconds += found.seconds
        return found.arrays

    def _path(self, pooling: str, ids: Sequence[str], identity: Mapping[str, JsonValue]) -> Path:
        rows = hashlib.sha256("\n".join(ids).encode()).hexdigest()
        address = {**identity, "rows": rows, "pooling": pooling, "semantics": SEMANTICS}
        if self._precision != "fp32":
            address["precision"] = self._precision
        key = hashlib.sha256(canonical_json(address).encode()).hexdigest()
        return cache_folder() / "features" / key[:2] / f"{key}.safetensors"

    def _compute(self, pooling: str, items: Sequence[dict[str, Any]], lengths: Sequence[int]) -> Any:
        """Return the model's features, for every token where the pooling is `tokens`."""
        if self._model is None:
            self._model = self._build().to(self._device)
            heads = tuple(f"{name}." for name in self._model.head)
            body = [p for name, p in self._model.net.named_parameters() if not name.startswith(heads)]
            self.params = sum(p.numel() for p in body)
        model = self._model

        def pooled(batch: dict[str, Any]) -> Any:
            batch.pop("labels", None)
            return model.features(pooling, **batch)

        with torch.autocast(self._device, dtype=torch.bfloat16, enabled=self._precision == "bf16"):  # casts once
            return map_batches(model, pooled, items, lengths, self._collate, per_token=pooling == "tokens")

    def _compute_words(self, items: Sequence[dict[str, Any]], lengths: Sequence[int]) -> dict[str, np.ndarray]:
        found = []
        for start in range(0, len(items), AT_ONCE):
            some = slice(start, start + AT_ONCE)
            tokens = self._compute("tokens", items[some], lengths[some])
            found += [values[words(item)] for item, values in zip(items[some], tokens, strict=True)]
        return {"features": np.concatenate(found), "counts": np.array([len(values) for values in found])}


def words(item: Mapping[str, Any]) -> np.ndarray:
    """Return which tokens of an item start a word, bool [tokens]: those whose label is not ignored."""
    starts: np.ndarray = np.asarray(item["labels"]) != IGNORED
    return starts


def _load(path: Path) -> Features | None:
    """Return what is stored, or None: a file that cannot be read counts as none and is made anew."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="np") as file:
            about = file.metadata()
            arrays = {name: file.get_tensor(name) for name in sorted(file.keys())}
            whole = about["digest"] == _digest(arrays)
            return Features(arrays, float(about["seconds"]), int(about["params"])) if whole else None
    except (OSError, SafetensorError, KeyError, ValueError, TypeError):
        return None


def _save(path: Path, found: Features) -> None:
    about = {"seconds": repr(found.seconds), "params": str(found.params), "digest": _digest(found.arrays)}
    files.keep(path, save(found.arrays, metadata=about), "Features")


def _digest(arrays: Mapping[str, np.ndarray]) -> str:
    total = hashlib.sha256()
    for name in sorted(arrays):
        total.update(np.ascontiguousarray(arrays[name]).data)
    return f"sha256:{total.hexdigest()}"
