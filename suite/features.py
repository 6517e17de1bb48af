"""Frozen features: computed once per (checkpoint, rows, pooling), kept by content, reused by every probe.

The address of a split's features is the hash of all they depend on; two runs that differ only in
seed, fold or regularisation read the same file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import JsonValue
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from suite.models import Model, map_batches
from suite.spec import SEMANTICS, SuiteError, canonical_json, digest


def cache_folder() -> Path:
    """Return where features are kept: $TRANSFER_SUITE_CACHE, else ~/.cache/transfer-suite."""
    named = os.environ.get("TRANSFER_SUITE_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "transfer-suite"


class Reader:
    """Features of one checkpoint, read from the store or computed by a model that is built on first need.

    Attributes:
        seconds: what computing the features cost, in this process or when they were stored.
        stored: whether all that was read so far was there already.
        params: number of parameters of the body, the head not counted.
    """

    def __init__(
        self,
        build: Callable[[], Model],
        pooling: str,
        collate: Callable[[list[dict[str, Any]]], dict[str, Any]],
        device: str,
        identity: Mapping[str, JsonValue],
    ) -> None:
        self._build, self._pooling, self._collate, self._device = build, pooling, collate, device
        self._identity = identity
        self._model: Model | None = None
        self.seconds, self.stored, self.params = 0.0, True, 0

    def read(self, items: Sequence[dict[str, Any]], lengths: Sequence[int], ids: Sequence[str]) -> np.ndarray:
        """Return the features of these rows, fp32 [n, width].

        Raises:
            SuiteError: the cache cannot be written, or the checkpoint lacks the pooling.
        """
        path = self._path(ids)
        found = _load(path)
        if found is None:
            started = time.perf_counter()
            features = self._compute(items, lengths)
            found = features, time.perf_counter() - started, self.params
            _save(path, *found)
            self.stored = False
        features, seconds, self.params = found
        self.seconds += seconds
        return features

    def _path(self, ids: Sequence[str]) -> Path:
        rows = hashlib.sha256("\n".join(ids).encode()).hexdigest()
        address = {**self._identity, "rows": rows, "pooling": self._pooling, "semantics": SEMANTICS}
        key = hashlib.sha256(canonical_json(address).encode()).hexdigest()
        return cache_folder() / "features" / key[:2] / f"{key}.safetensors"

    def _compute(self, items: Sequence[dict[str, Any]], lengths: Sequence[int]) -> np.ndarray:
        if self._model is None:
            self._model = self._build().to(self._device)
            heads = tuple(f"{name}." for name in self._model.head)
            body = [p for name, p in self._model.net.named_parameters() if not name.startswith(heads)]
            self.params = sum(p.numel() for p in body)
        model = self._model

        def pooled(batch: dict[str, Any]) -> Any:
            batch.pop("labels", None)
            return model.features(self._pooling, **batch)

        return map_batches(model, pooled, items, lengths, self._collate)


def _load(path: Path) -> tuple[np.ndarray, float, int] | None:
    """Return what is stored, or None: a file that cannot be read counts as none and is made anew."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="np") as file:
            about = file.metadata()
            features = file.get_tensor("features")
            whole = about["digest"] == digest(features.tobytes())
            return (features, float(about["seconds"]), int(about["params"])) if whole else None
    except (SafetensorError, KeyError, ValueError, TypeError):
        return None


def _save(path: Path, features: np.ndarray, seconds: float, params: int) -> None:
    """Write under another name and rename, so that a reader sees a whole file or none."""
    about = {"seconds": repr(seconds), "params": str(params), "digest": digest(features.tobytes())}
    temporary = path.with_name(f"{path.stem}.{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(save({"features": features}, metadata=about))
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise SuiteError(
            f"Features cannot be kept in {path.parent.parent}: {error.strerror}. Free some space, or name another "
            "folder in TRANSFER_SUITE_CACHE."
        ) from None
