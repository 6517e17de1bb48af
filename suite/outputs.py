"""What a model gives for items: batched by length, in the items' order, in halves where memory is short."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from suite.deadline import Deadline

PREDICT_BATCH = 64

Outputs = np.ndarray | list[np.ndarray]
"""fp32: one array [n, k], or [tokens, k] an item where the model answers for every token."""


def map_batches(
    model: nn.Module,
    function: Callable[[dict[str, torch.Tensor]], torch.Tensor],
    items: Sequence[dict[str, Any]],
    lengths: Sequence[int],
    collate: Callable[[list[dict[str, Any]]], dict[str, Any]],
    per_token: bool = False,
) -> Outputs:
    """Return `function(batch)` for all items, fp32, batched by length, in the items' order.

    That is an array [n, ...], or where the function answers for every token a list of [tokens, ...].
    A batch that does not fit into memory is cut in half; a row's numbers do not depend on the others'.
    """
    device = next(model.parameters()).device
    model.eval()
    order = sorted(range(len(items)), key=lambda row: lengths[row])
    found: list[np.ndarray] = []
    size = PREDICT_BATCH

    def read(rows: Sequence[int]) -> dict[str, Any]:
        return collate([items[row] for row in rows])

    with torch.inference_mode(), Deadline("Reading the rows") as deadline:
        while len(found) < len(order):
            batch = deadline.call(read, order[len(found) : len(found) + size])
            try:
                out = function({k: v.to(device) for k, v in batch.items()}).float().cpu().numpy()
            except RuntimeError as error:
                if not is_out_of_memory(error) or size == 1:
                    raise
                size //= 2
                continue
            found.extend(rows_of(out, batch, per_token))
    result: list[Any] = [None] * len(order)
    for row, values in zip(order, found, strict=True):
        result[row] = values
    return result if per_token else np.stack(result)


def rows_of(out: np.ndarray, batch: dict[str, Any], per_token: bool) -> list[np.ndarray]:
    """Return one array a row of a batch; of those for every token, the padding's are left out."""
    if not per_token:
        return list(out)
    masks = batch["attention_mask"].cpu().numpy().astype(bool)
    return [values[mask] for values, mask in zip(out, masks, strict=True)]


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory ran out, on the GPU or the CPU."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
