"""One trunk, one head a task: models of the same checkpoint made to share their body.

min over theta, phi_1..phi_T of sum_t w_t * L_t(f(x; theta, phi_t), y_t): theta is the trunk's, phi_t the head's of
task t. A batch says by `task` whose it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from suite.models import Loss, Model, TimmModel, TransformersModel, head_output


class SharedModel(Model):
    """A trunk with several heads; what a task's batch gives is its own head's output and its own weighted loss."""

    def __init__(self, net: nn.Module, head: tuple[str, ...], fresh: frozenset[str]) -> None:
        super().__init__()
        self.net: Any = net
        self.head, self.fresh = head, fresh
        self.losses: dict[str, tuple[Loss, float]] = {}

    def forward(self, labels: torch.Tensor | None = None, task: str = "", **inputs: Any) -> dict[str, torch.Tensor]:
        """Return `logits` of the task's head, and its `loss` times its weight where labels are given."""
        logits = self.logits(task=task, **inputs)
        if labels is None:
            return {"logits": logits}
        loss, weight = self.losses[task]
        return {"loss": weight * loss(logits.float(), labels), "logits": logits}

    def logits(self, **inputs: Any) -> torch.Tensor:
        """Return the output of the head that `task` names."""
        logits: torch.Tensor = self.net(**inputs)
        return logits

    def recompute_activations(self) -> None:
        """Turn on gradient checkpointing of the trunk."""
        self.net.recompute_activations()


def share(builds: Mapping[str, Callable[[], Model]], weights: Mapping[str, float]) -> Model:
    """Return one model of several; bodies beyond the first are let go as they come, so that one is in memory.

    Args:
        builds: makes each task's model, all of one checkpoint.
        weights: what a task's loss counts; 1 where it is not named.
    """
    keys = {task: f"t{place}" for place, task in enumerate(builds)}
    losses: dict[str, tuple[Loss, float]] = {}
    net: _Transformers | _Timm | None = None
    fresh: set[str] = set()
    head: list[str] = []
    for task, build in builds.items():
        part = build()
        if net is None:
            net = _Timm(part, keys) if isinstance(part, TimmModel) else _Transformers(part, keys)
        fresh |= net.add(part, keys[task])
        head.extend(net.path(name, keys[task]) for name in part.head[: 1 if isinstance(part, TimmModel) else None])
        losses[task] = part.loss, weights.get(task, 1.0)
    assert net is not None
    model = SharedModel(net, tuple(head), frozenset(fresh))
    model.losses = losses
    return model


def extract(shared: SharedModel, task: str, alone: Model) -> Model:
    """Return `alone`, a fresh model of one task, with the weights of the trunk and of the task's head."""
    net: Any = shared.net
    inner = net.get_base_model() if hasattr(net, "get_base_model") else net  # adapters wrap the whole
    trained, prefix = net.state_dict(), "base_model.model." if inner is not net else ""
    weights = {}
    for name in alone.net.state_dict():
        plain = name.removeprefix(prefix)
        weights[name] = trained[prefix + inner.of_task(plain, task, alone.head)]
    alone.net.load_state_dict(weights)
    return alone


class _Transformers(nn.Module):
    """Nets of transformers, each with its own head, around one body."""

    def __init__(self, first: Model, keys: Mapping[str, str]) -> None:
        super().__init__()
        assert isinstance(first, TransformersModel)
        self._keys = dict(keys)
        self._body: str = first.net.base_model_prefix
        self.nets = nn.ModuleDict()

    def add(self, part: Model, key: str) -> set[str]:
        """Take a net in; return the names of its parameters that are fresh here.

        The largest body is kept: some heads come with a pooler, others without.
        """
        net: Any = part.net
        others: list[Any] = list(self.nets.values())
        if others and _size(getattr(net, self._body)) <= _size(getattr(others[0], self._body)):
            setattr(net, self._body, getattr(others[0], self._body))
        for other in others:
            setattr(other, self._body, getattr(net, self._body))
        self.nets[key] = net
        return {self.path(name, "t0" if name.startswith(f"{self._body}.") else key) for name in part.fresh}

    def path(self, name: str, key: str) -> str:
        """Return where a part's module or parameter is here."""
        return f"nets.{key}.{name}"

    def of_task(self, name: str, task: str, head: tuple[str, ...]) -> str:
        """Return where a parameter of one task's own model is here."""
        return self.path(name, "t0" if name.startswith(f"{self._body}.") else self._keys[task])

    def forward(self, task: str, **inputs: Any) -> torch.Tensor:
        """Return the output of the task's head."""
        return head_output(self.nets[self._keys[task]](**inputs))

    def recompute_activations(self) -> None:
        """Turn on gradient checkpointing."""
        net: Any = self.nets["t0"]
        TransformersModel(net, frozenset()).recompute_activations()


class _Timm(nn.Module):
    """A backbone of timm without classifier, and one a task beside it."""

    def __init__(self, first: Model, keys: Mapping[str, str]) -> None:
        super().__init__()
        self._keys = dict(keys)
        self.heads = nn.ModuleDict()
        self.body: Any = first.net

    def add(self, part: Model, key: str) -> set[str]:
        """Take a classifier in; return the names of the parameters that are fresh here."""
        body = {f"body.{name}" for name in part.fresh if not name.startswith(tuple(f"{h}." for h in part.head))}
        self.heads[key] = part.net.get_submodule(part.head[0])
        if len(self.heads) == 1:  # the first: its backbone is the trunk
            self.body.reset_classifier(0)  # without one, a backbone gives what its classifier would see
        return body | {f"heads.{key}.{name}" for name, _ in self.heads[key].named_parameters()}

    def path(self, name: str, key: str) -> str:
        """Return where a part's head is here."""
        return f"heads.{key}"

    def of_task(self, name: str, task: str, head: tuple[str, ...]) -> str:
        """Return where a parameter of one task's own model is here; the two heads of a distilled one are one here."""
        of = next((one for one in head if name.startswith(f"{one}.")), None)
        return f"body.{name}" if of is None else self.path(of, self._keys[task]) + name.removeprefix(of)

    def forward(self, task: str, **inputs: Any) -> torch.Tensor:
        """Return the output of the task's classifier."""
        logits: torch.Tensor = self.heads[self._keys[task]](self.body(inputs["pixel_values"]))
        return logits

    def recompute_activations(self) -> None:
        """Turn on gradient checkpointing."""
        TimmModel(self.body, frozenset(), ()).recompute_activations()


def _size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
