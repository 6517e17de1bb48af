"""The door to Trainer: train a model on a mixture of tasks, and predict with it.

One task is a mixture of one. The order of the batches is ours (`suite.batches`), made before training
from its own seed, so that a hand-written loop over the same batches gives the same weights. A batch is
one task's. Where it does not fit into memory it is cut into micro-batches, whose gradients add up.

What goes wrong on the way is tried again once and recorded: too little memory with smaller micro-batches,
a loss that bf16 makes no number in fp32. A long training leaves checkpoints where it is told to, and goes
on from them bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from suite import timing
from suite.models import Model
from suite.optimiser import Recipe
from suite.outputs import Outputs, map_batches
from suite.spec import Protocol, SuiteError
from suite.training._parts import Collate, Fit, Part, Progress, Setting
from suite.training._rates import Rates

__all__ = ["Collate", "Fit", "Part", "Progress", "Setting", "fit", "predict"]


def fit(
    build: Callable[[], Model],
    parts: Mapping[str, Part],
    recipe: Recipe,
    protocol: Protocol,
    setting: Setting,
) -> Fit:
    """Train one model for each learning rate of the protocol; return the best on validation.

    Args:
        build: makes a fresh, adapted model; called once a learning rate, equal every time.
        parts: each task's prepared rows. Of several, the model takes `task` with each batch, and the best
            is that with the highest mean over the tasks of their validation scores.
        recipe: the strategy's own settings for the optimiser.
        protocol: budget, schedule and selection.
        setting: the seeds, the device and whom to tell how it goes.

    Returns:
        The log says by `precision` what it was trained in and by `retries` what was tried again: `memory` with
        other micro-batches, `loss` in fp32, if under bf16 no learning rate gave a finite one.

    Raises:
        SuiteError: the loss is no finite number under every learning rate, one row does not fit into memory, or
            reading rows hangs.
    """
    rates = Rates(build, parts, recipe, protocol, setting)
    while (best := rates.try_all()) is None:
        if not rates.fall_back():
            raise SuiteError("The training loss is not a finite number; try a protocol with a lower learning rate.")
    return best


@timing.phase("predicting")
def predict(
    model: nn.Module,
    items: Sequence[dict[str, Any]],
    lengths: Sequence[int],
    part: Part,
    task: str | None = None,
) -> Outputs:
    """Return the outputs of every item in the items' order; `task` names the head of a shared model."""
    told: dict[str, Any] = {"task": task} if task else {}

    def logits(batch: dict[str, torch.Tensor]) -> torch.Tensor:
        inputs = {name: value for name, value in batch.items() if name != "labels"}
        out: torch.Tensor = model(**inputs, **told)["logits"]
        return out

    return map_batches(model, logits, items, lengths, part.collate, part.per_token)
