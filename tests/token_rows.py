"""Rows of made-up tokens for tests that train without a data set, and batches of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from conftest import WORDS


def token_rows(n: int, seed: int = 0, classes: int = 2) -> list[dict[str, Any]]:
    """Return rows of 3 to 11 tokens each, their classes in turn."""
    generator = np.random.default_rng(seed)
    return [
        {"input_ids": generator.integers(5, len(WORDS), generator.integers(3, 12)).tolist(), "labels": i % classes}
        for i in range(n)
    ]


def padded(items: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a batch of rows, padded to the longest of them."""
    longest = max(len(item["input_ids"]) for item in items)
    rows = [item["input_ids"] + [0] * (longest - len(item["input_ids"])) for item in items]
    mask = [[1] * len(item["input_ids"]) + [0] * (longest - len(item["input_ids"])) for item in items]
    labels = torch.tensor([item["labels"] for item in items])
    return {"input_ids": torch.tensor(rows), "attention_mask": torch.tensor(mask), "labels": labels}
