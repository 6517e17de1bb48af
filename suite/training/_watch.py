"""What goes on during a training: losses told, looks at validation, the best look's weights kept."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import TrainerCallback, TrainingArguments
from transformers.trainer_callback import TrainerControl, TrainerState

from suite.models import Model
from suite.training._parts import Progress

TOLD = 20
"""How often the loss of a training is told."""

CHECKED = 100
"""Steps after which a GPU is asked, which takes waiting, whether its losses are numbers; a CPU is at every step."""


class Losses:
    """Adds up the losses of a training as Trainer does: fp32 between two tellings, fp64 from there on."""

    def __init__(self, device: str) -> None:
        self._since = torch.tensor(0.0, device=device)
        self.on_cpu = self._since.device.type == "cpu"
        self._total, self._told_at = 0.0, 0

    def add(self, loss: torch.Tensor) -> None:
        """Count a batch's loss in; it is the batch's share of a step's."""
        self._since += loss

    def is_finite(self) -> bool:
        """Return whether all losses since the last telling were numbers."""
        return math.isfinite(self._since.item())

    def tell(self, step: int) -> float:
        """Return the mean loss of the steps since the last telling."""
        sum_since, steps = self._since.item(), step - self._told_at
        self._total, self._told_at = self._total + sum_since, step
        self._since.zero_()
        return sum_since / steps

    def mean(self, steps: int) -> float:
        """Return the mean loss of all steps."""
        return (self._total + self._since.item()) / max(steps, 1)

    def state(self) -> dict[str, float]:
        """Return what `restore` takes."""
        return {"since": self._since.item(), "total": self._total, "told_at": self._told_at}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._since.fill_(state["since"])
        self._total, self._told_at = state["total"], state["told_at"]


class Watch(TrainerCallback):
    """Tells how training goes, stops it where the loss is no number, keeps the weights of the best look.

    `due` says whether it is time to leave a checkpoint.
    """

    def __init__(self, model: Model, progress: Progress, steps: int, looks: int, due: Callable[[], bool]) -> None:
        self._model, self._progress, self._steps, self._due = model, progress, steps, due
        self._looks = {math.ceil(steps * (look + 1) / looks) for look in range(looks)}
        self._every = max(1, steps // TOLD)
        self._best: dict[str, torch.Tensor] = {}
        self.losses = Losses(str(next(model.parameters()).device))
        self.best_score, self.best_step = -math.inf, 0
        self.best_scores: dict[str, float] = {}
        self.curve: list[dict[str, float]] = []
        self.diverged_at: int | None = None

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        step = state.global_step
        if self._is_no_number(step):
            self.diverged_at = step
            control.should_training_stop = True
            return
        if step % self._every == 0:
            loss = self.losses.tell(step)
            self.curve.append({"step": step, "loss": loss})
            self._progress({"step": step, "steps": self._steps, "loss": loss})
        control.should_evaluate = step in self._looks
        control.should_save = step < self._steps and self._due()

    def _is_no_number(self, step: int) -> bool:
        asked = self.losses.on_cpu or step % min(self._every, CHECKED) == 0 or step == self._steps
        return asked and not self.losses.is_finite()

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, metrics: Any = None, **kwargs: Any
    ) -> None:
        score = float(metrics["eval_score"])
        by_task = {task: value for task, value in metrics.items() if task != "eval_score"}
        self.curve.append({"step": state.global_step, "validation": score})
        if score > self.best_score:
            self.best_score, self.best_step, self.best_scores = score, state.global_step, by_task
            self._keep(last=state.global_step == self._steps)

    def _keep(self, last: bool) -> None:
        """Keep the weights as they are now; after the last look they stay as they are."""
        if last:
            self._best = {}
            return
        with torch.no_grad():
            for name, value in moving(self._model).items():
                if name not in self._best:
                    self._best[name] = torch.empty_like(value, device="cpu")
                self._best[name].copy_(value)

    def restore(self) -> None:
        """Put the best look's weights back."""
        fill(self._model, self._best)
        self._best = {}

    def write(self, folder: Path) -> None:
        """Write what `read` goes on from.

        Raises:
            OSError: the disk does not take it.
        """
        names = ("best_score", "best_step", "best_scores", "curve")
        said = {name: getattr(self, name) for name in names} | {"losses": self.losses.state()}
        (folder / "watch.json").write_text(json.dumps(said), encoding="utf-8")
        if self._best:
            save_file(_plain(self._best), folder / "best.safetensors")

    def read(self, folder: Path) -> None:
        """Go on from where `write` left."""
        said = json.loads((folder / "watch.json").read_text(encoding="utf-8"))
        self.losses.restore(said.pop("losses"))
        for name, value in said.items():
            setattr(self, name, value)
        self._best = load_file(folder / "best.safetensors") if (folder / "best.safetensors").exists() else {}


def moving(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return what training changes: trained parameters and buffers."""
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    return trained | dict(model.named_buffers())


def fill(model: torch.nn.Module, weights: dict[str, torch.Tensor]) -> None:
    """Copy weights into those of a model that have their names."""
    with torch.no_grad():
        for name, value in moving(model).items():
            if name in weights:
                value.copy_(weights[name])


def write_moving(model: torch.nn.Module, path: Path) -> None:
    """Write what training changes of a model.

    Raises:
        OSError: the disk does not take it.
    """
    save_file(_plain(moving(model)), path)


def _plain(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return tensors as a file takes them; two buffers may be views of the same numbers, and it refuses that."""
    plain = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    return {name: value if value.is_floating_point() else value.clone() for name, value in plain.items()}
