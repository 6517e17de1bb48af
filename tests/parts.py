"""Jobs of frozen-feature strategies made by hand: a row's item holds its features, and no model is built."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from suite import strategies
from suite.data import Prepared
from suite.features import IGNORED, Reader, Words
from suite.strategies import Adapted, Job, Part


def rows(x: np.ndarray, labels: Any, name: str = "row", clusters: list[str] | None = None) -> Prepared:
    """Return rows with features x [n, ...]."""
    ids = [f"{name}{i:05d}" for i in range(len(x))]
    return Prepared([{"x": one} for one in x], np.asarray(labels), [1] * len(x), ids, clusters=clusters)


def sentences(x: list[np.ndarray], tags: list[list[int]], name: str = "row") -> Prepared:
    """Return rows of words with features [words, width] each; every word has a second token, and row 0 a third."""
    items = []
    for place, (features, own) in enumerate(zip(x, tags, strict=True)):
        tokens = [label for tag in own for label in (tag, IGNORED)] + [IGNORED] * (place == 0)
        items.append({"x": features, "labels": tokens})
    return Prepared(items, tags, [1] * len(x), [f"{name}{i:05d}" for i in range(len(x))])


def part(target: str, n_outputs: int, *splits: Prepared, score: Any = None, choices: bool = False) -> Part:
    """Return the part of train, validation and test rows, or of one split that is all three."""
    train, validation, test = splits if len(splits) == 3 else splits * 3
    batch = {"input_ids": np.zeros((1, 2, 3))} if choices else {"pixel_values": None}
    shaped = {name: SimpleNamespace(dim=lambda value=value: np.ndim(value)) for name, value in batch.items()}
    return Part(
        target=target,
        n_outputs=n_outputs,
        per_token=target == "tags",
        train=train,
        validation=validation,
        test=test,
        collate=lambda items: shaped,
        score=score or (lambda outputs: 0.0),
        identity={},
    )


def fit(
    monkeypatch: pytest.MonkeyPatch, name: str, of: Part, resample: str = "holdout", seed: int = 7, **settings: Any
) -> Adapted:
    """Return what a strategy makes of a part, the features being those that the items hold."""
    monkeypatch.setattr(Reader, "read", lambda self, items, lengths, ids: np.stack([item["x"] for item in items]))
    monkeypatch.setattr(
        Reader,
        "read_words",
        lambda self, items, lengths, ids: Words(
            np.concatenate([item["x"] for item in items]), np.array([len(item["x"]) for item in items])
        ),
    )
    recipe = strategies.get(name).recipe("image") | settings
    spec: Any = SimpleNamespace(settings=recipe, resample=resample, protocol=SimpleNamespace(precision="fp32"))
    build: Any = None
    return strategies.get(name).fit(Job(spec, {"t": of}, build, {"split": seed}, "cpu", "fp32", lambda event: None))
