"""Whether a training is compiled, as far as it goes at all: by the pace of its own steps on a copy that is let go."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from pydantic import JsonValue
from transformers import TrainingArguments
from transformers.trainer_callback import TrainerControl, TrainerState

from suite import batches, compiling, environment, timing
from suite.compiling import Pace
from suite.models import Model
from suite.optimiser import Recipe
from suite.spec import canonical_json, digest
from suite.training._trainer import Course
from suite.training._watch import Watch

if TYPE_CHECKING:
    from suite.training._attempts import Request

    Train = Callable[[Request, Course, Model], None]
    """Trains a model on a course from its start."""

DEVICES = ("cuda",)
"""Where it is measured: on a CPU compiling takes minutes, and the runs there are small."""

FEWEST = 200
"""Steps that a training must have before anything is measured: fewer do not take minutes on a GPU."""

STEPS = 8
"""So many steps are timed, after the same ones once before: then each shape of batch has been met."""


def decide(request: Request, recipe: Recipe, plan: batches.Plan, model: Model, train: Train) -> bool:
    """Return whether a training is compiled; `model` is what it begins with, and stays as it is.

    Raises:
        SuiteError: the environment variable says neither 0, 1 nor auto, or rows cannot be read.
    """
    setting, word = request.setting, environment.compiling()
    if word == "0" or setting.devices > 1 or request.protocol.activation_checkpointing:
        return False
    if word == "1":
        return True
    if setting.device not in DEVICES or plan.steps < FEWEST:
        return False
    measuring = _Measuring(request, recipe, plan, train)
    with timing.phase("other"):
        return compiling.decide(about(request, recipe, model), plan.steps, measuring.pace)


def rule_out(request: Request, recipe: Recipe, why: str) -> None:
    """Keep that a training whose steps were compiled failed, so that none like it is compiled again."""
    if environment.compiling() == "auto":
        compiling.rule_out(about(request, recipe, request.build()), why)


def about(request: Request, recipe: Recipe, model: Model) -> JsonValue:
    """Return all that the pace of a training depends on, other rows of about the same length being the same."""
    protocol, versions = request.protocol, environment.versions()
    weights: JsonValue = [[name, list(p.shape), p.requires_grad] for name, p in model.named_parameters()]
    return {
        "hardware": environment.hardware(request.setting.device),
        "versions": {name: versions.get(name) for name in ("torch", "transformers", "timm", "peft", "accelerate")},
        "net": [type(model.net).__qualname__, digest(canonical_json(weights).encode())],
        "batch_norm": recipe.freeze_batch_norm,
        "precision": request.setting.precision,
        "batch": [protocol.batch, protocol.max_length],
        "mixture": request.setting.mixture.model_dump(mode="json"),
        "lengths": {task: _about_so_long(part.train_lengths) for task, part in request.parts.items()},
    }


def _about_so_long(lengths: Sequence[int]) -> int:
    """Return the mean length, rounded up to a power of two."""
    return 1 << (max(1, math.ceil(sum(lengths) / len(lengths))) - 1).bit_length()


class _Measuring:
    """Times steps on copies of the model that a training begins with."""

    def __init__(self, request: Request, recipe: Recipe, plan: batches.Plan, train: Train) -> None:
        few = plan.rows[: STEPS * plan.accumulation * request.protocol.batch]
        self._request, self._recipe, self._train = request, recipe, train
        self._plan = replace(plan, rows=few * 2, steps=2 * STEPS)

    def pace(self, compiled: bool) -> Pace:
        """Return the pace of the steps, compiled or not."""
        self._request.setting.progress({"phase": "timing compiled steps" if compiled else "timing steps"})
        try:
            return self._timed(compiled)
        finally:
            free(self._request.setting.device)

    def _timed(self, compiled: bool) -> Pace:
        request = self._request
        model = request.build().to(request.setting.device)
        watch = Stopwatch(model)
        size = request.protocol.batch
        self._train(request, Course(self._plan, self._recipe, request.parts, size, watch, _nothing, compiled), model)
        return watch.pace


def free(device: str) -> None:
    """Give back the memory of models that are of no more use: they stand in circles of references."""
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()


def _nothing(write: Any) -> None:
    """Leave no checkpoint."""


class Stopwatch(Watch):
    """Times the second half of `2 * STEPS` steps; what the same took longer in the first half comes once."""

    def __init__(self, model: Model) -> None:
        super().__init__(model, lambda event: None, 2 * STEPS, 1, lambda: False)
        self._marks: list[float] = []

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if not self._marks:
            self._mark()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if state.global_step % STEPS == 0:
            self._mark()

    def _mark(self) -> None:
        if not self.losses.on_cpu:
            torch.cuda.synchronize()
        self._marks.append(time.perf_counter())

    @property
    def pace(self) -> Pace:
        """What was found."""
        start, middle, end = self._marks
        return Pace(max(0.0, (middle - start) - (end - middle)), (end - middle) / STEPS)
