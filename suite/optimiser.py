"""What a strategy asks of the optimiser: rates for body and head, decay, and BatchNorm moving or at rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from suite.models import Model


@dataclass(frozen=True)
class Recipe:
    """What a strategy asks of the optimiser.

    The head (and all that the checkpoint lacked) learns at `learning_rate * head_multiplier`.
    """

    learning_rate: float
    head_multiplier: float = 1.0
    freeze_batch_norm: bool = False


def sees_whole_batches(model: nn.Module, recipe: Recipe) -> bool:
    """Return whether a row's numbers depend on the other rows of its batch: BatchNorm in training."""
    norms = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())
    return norms and not recipe.freeze_batch_norm


def rest_batch_norm(model: nn.Module) -> None:
    """Keep BatchNorm's running statistics as they are: an adapter could not carry them along."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def parameter_groups(model: Model, recipe: Recipe, weight_decay: float) -> list[dict[str, Any]]:
    """Return AdamW's groups: decay on matrices only, a rate of its own for what the checkpoint lacked."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    heads = tuple(f".{name}." for name in model.head)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            plain = name.removeprefix("net.").replace("base_model.model.", "").replace(".modules_to_save.default", "")
            is_head = plain in model.fresh or any(h in f".{plain}" for h in heads)
            groups.setdefault((is_head, parameter.dim() > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": recipe.learning_rate * (recipe.head_multiplier if is_head else 1.0),
            "weight_decay": weight_decay if decays else 0.0,
        }
        for (is_head, decays), parameters in groups.items()
    ]
