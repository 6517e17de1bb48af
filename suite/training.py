"""The door to Trainer: train a model on a mixture of tasks, and predict with it.

One task is a mixture of one. The order of the rows is ours (`row_order`), made before training from
its own seed, so that a hand-written loop over the same batches gives the same weights.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import TrainerControl, TrainerState

from suite.models import PREDICT_BATCH, Model, map_batches
from suite.spec import Protocol, SuiteError

GROUP = 32
"""Rows are sorted by length inside windows of this many batches."""

Collate = Callable[[list[dict[str, Any]]], dict[str, Any]]
Progress = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Part:
    """One task's share of a mixture, as kinds prepare it, and how its validation logits are scored."""

    train: Sequence[dict[str, Any]]
    train_lengths: Sequence[int]
    validation: Sequence[dict[str, Any]]
    collate: Collate
    score: Callable[[np.ndarray], float]


@dataclass(frozen=True)
class Recipe:
    """What a strategy asks of the optimiser.

    The head (and all that the checkpoint lacked) learns at `learning_rate * head_multiplier`.
    """

    learning_rate: float
    head_multiplier: float = 1.0
    freeze_batch_norm: bool = False


@dataclass(frozen=True)
class Setting:
    """Around a training: seeds by role (`order` and `dropout` are used), the device, whom to tell."""

    seeds: Mapping[str, int]
    device: str
    progress: Progress


@dataclass
class Fit:
    """A trained model and what is worth recording of how it came about."""

    model: Model
    log: dict[str, Any] = field(default_factory=dict)


def steps_of(protocol: Protocol, rows: int) -> int:
    """Return the number of optimiser steps that a protocol spends on so many training rows."""
    steps = math.ceil(protocol.budget.epochs * rows / protocol.batch)
    return max(protocol.budget.min_steps, min(protocol.budget.max_steps, steps))


def row_order(lengths: Sequence[int], batch: int, steps: int, seed: int) -> list[list[int]]:
    """Return `steps` batches of row numbers: shuffled epochs, rows of like length side by side.

    Epochs follow each other without a gap, so that every batch is full and every row is seen once
    before any is seen again.
    """
    generator = np.random.default_rng(seed)
    stream: list[int] = []
    while len(stream) < steps * batch:
        stream.extend(_epoch(lengths, batch, -len(stream) % batch, generator))
    return [stream[start : start + batch] for start in range(0, steps * batch, batch)]


def _epoch(lengths: Sequence[int], batch: int, gap: int, generator: np.random.Generator) -> list[int]:
    """Return every row once: `gap` rows that fill up the batch before, batches of like length, and what is left."""
    rows: list[int] = generator.permutation(len(lengths)).tolist()
    end = gap + max(0, len(rows) - gap) // batch * batch
    order = rows[:gap]
    for start in range(gap, end, batch * GROUP):
        window = sorted(rows[start : min(end, start + batch * GROUP)], key=lambda row: lengths[row])
        group = [window[i : i + batch] for i in range(0, len(window), batch)]
        order.extend(row for i in generator.permutation(len(group)) for row in group[i])
    return order + rows[end:]


def fit(
    build: Callable[[], Model],
    part: Part,
    recipe: Recipe,
    protocol: Protocol,
    setting: Setting,
) -> Fit:
    """Train one model for each learning rate of the protocol; return the best on validation.

    Args:
        build: makes a fresh, adapted model; called once a learning rate, equal every time.
        part: the task's prepared rows.
        recipe: the strategy's own settings for the optimiser.
        protocol: budget, schedule, selection and precision.
        setting: the seeds, the device and whom to tell how it goes.

    Raises:
        SuiteError: the loss is no finite number under every learning rate.
    """
    best: Fit | None = None
    tried = []
    for multiple in protocol.selection.learning_rates:
        scaled = replace(recipe, learning_rate=recipe.learning_rate * multiple)
        one = _fit_once(build(), part, scaled, protocol, setting)
        told = {k: one.log[k] for k in ("learning_rate", "validation", "loss")}
        tried.append({k: v if math.isfinite(v) else None for k, v in told.items()})
        if math.isfinite(one.log["loss"]) and (best is None or one.log["validation"] > best.log["validation"]):
            best = one
    if best is None:
        raise SuiteError("The training loss is not a finite number; try a protocol with a lower learning rate.")
    return Fit(best.model, best.log | {"tried": tried})


def _fit_once(model: Model, part: Part, recipe: Recipe, protocol: Protocol, setting: Setting) -> Fit:
    steps = steps_of(protocol, len(part.train))
    batches = row_order(part.train_lengths, protocol.batch, steps, setting.seeds["order"])
    watch = _Watch(model, setting.progress, steps, protocol.selection.looks)
    with tempfile.TemporaryDirectory(prefix="transfer-suite-") as folder:
        trainer = _Trainer(
            model=model,
            args=_arguments(folder, protocol, recipe, steps, setting),
            train_dataset=part.train,
            eval_dataset=part.validation,
            data_collator=part.collate,
            compute_metrics=lambda seen: {"score": part.score(_array(seen.predictions))},
            callbacks=[watch],
        )
        trainer.batches, trainer.recipe = batches, recipe
        trainer.remove_callback(PrinterCallback)
        result = trainer.train()
    watch.restore()
    return Fit(
        model,
        {
            "learning_rate": recipe.learning_rate,
            "steps": steps,
            "samples_seen": steps * protocol.batch,
            "effective_batch": protocol.batch,
            "micro_batch": protocol.batch,
            "accumulation": 1,
            "loss": float(result.training_loss),
            "best_step": watch.best_step,
            "validation": watch.best_score,
            "curve": watch.curve,
        },
    )


def _arguments(folder: str, protocol: Protocol, recipe: Recipe, steps: int, setting: Setting) -> TrainingArguments:
    """Return Trainer's arguments: nothing saved, nothing reported, looks at the validation split only."""
    arguments = TrainingArguments(
        output_dir=folder,
        per_device_train_batch_size=protocol.batch,
        per_device_eval_batch_size=PREDICT_BATCH,
        max_steps=steps,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=protocol.schedule,
        warmup_steps=math.ceil(protocol.warmup * steps),
        weight_decay=protocol.weight_decay,
        max_grad_norm=protocol.max_grad_norm,
        bf16=protocol.precision == "bf16",
        use_cpu=setting.device == "cpu",
        seed=setting.seeds["dropout"],
        eval_strategy="steps",
        eval_steps=steps,  # _Watch asks for the looks before the last
        save_strategy="no",
        logging_strategy="steps",
        logging_steps=max(1, steps // 20),
        logging_nan_inf_filter=False,  # it would hide a loss that is no number
        disable_tqdm=True,
        report_to="none",
        remove_unused_columns=False,
        label_names=["labels"],
        dataloader_num_workers=0,
        dataloader_pin_memory=setting.device != "cpu",
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # with more, Trainer would multiply the batch
    return arguments


class _Order(torch.utils.data.Sampler[int]):
    """Row numbers as they stand in the batches made beforehand."""

    def __init__(self, batches: list[list[int]]) -> None:
        self._rows = [row for batch in batches for row in batch]

    def __iter__(self) -> Iterator[int]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


class _Trainer(Trainer):
    """Trainer with our row order, a faster head and, where asked, BatchNorm at rest."""

    batches: list[list[int]]
    recipe: Recipe

    def _get_train_sampler(self, train_dataset: Any = None) -> _Order:
        return _Order(self.batches)

    def create_optimizer(self, *args: Any, **kwargs: Any) -> torch.optim.Optimizer:
        if self.optimizer is None:
            groups = parameter_groups(self.model, self.recipe, self.args.weight_decay)  # type: ignore[arg-type]
            self.optimizer = torch.optim.AdamW(groups, lr=self.recipe.learning_rate, fused=True)
        return self.optimizer

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if self.recipe.freeze_batch_norm and model.training:  # Trainer calls train() before every step
            rest_batch_norm(model)
        outputs = model(**inputs)
        return (outputs["loss"], outputs) if kwargs.get("return_outputs") else outputs["loss"]


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


class _Watch(TrainerCallback):
    """Tells how training goes, and keeps the trained weights of the best look at validation."""

    def __init__(self, model: Model, progress: Progress, steps: int, looks: int) -> None:
        self._model, self._progress, self._steps = model, progress, steps
        self._looks = {math.ceil(steps * (look + 1) / looks) for look in range(looks)}
        self._best: dict[str, torch.Tensor] = {}
        self.best_score, self.best_step = -math.inf, 0
        self.curve: list[dict[str, float]] = []

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        control.should_evaluate = state.global_step in self._looks

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Any = None, **kwargs: Any
    ) -> None:
        if logs and "loss" in logs:
            self.curve.append({"step": state.global_step, "loss": float(logs["loss"])})
            self._progress({"step": state.global_step, "steps": self._steps, "loss": float(logs["loss"])})

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, metrics: Any = None, **kwargs: Any
    ) -> None:
        score = float(metrics["eval_score"])
        self.curve.append({"step": state.global_step, "validation": score})
        if score > self.best_score:
            self.best_score, self.best_step = score, state.global_step
            self._best = {name: value.detach().clone() for name, value in self._moving().items()}

    def _moving(self) -> dict[str, torch.Tensor]:
        """What training changes: trained parameters and buffers."""
        trained = {name: p for name, p in self._model.named_parameters() if p.requires_grad}
        return trained | dict(self._model.named_buffers())

    def restore(self) -> None:
        """Put the best look's weights back."""
        with torch.no_grad():
            for name, value in self._moving().items():
                if name in self._best:
                    value.copy_(self._best[name])


def predict(model: nn.Module, items: Sequence[dict[str, Any]], lengths: Sequence[int], collate: Collate) -> np.ndarray:
    """Return the logits of every item, fp32 [n, k], in the items' order."""

    def logits(batch: dict[str, torch.Tensor]) -> torch.Tensor:
        inputs = {name: value for name, value in batch.items() if name != "labels"}
        out: torch.Tensor = model(**inputs)["logits"]
        return out

    return map_batches(model, logits, items, lengths, collate)


def _array(predictions: Any) -> np.ndarray:
    return np.asarray(predictions[0] if isinstance(predictions, tuple) else predictions)
