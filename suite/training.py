"""The door to Trainer: train a model on a mixture of tasks, and predict with it.

One task is a mixture of one. The order of the batches is ours (`suite.batches`), made before training
from its own seed, so that a hand-written loop over the same batches gives the same weights. A batch is
one task's. Where it does not fit into memory it is cut into micro-batches, whose gradients add up.
"""

from __future__ import annotations

import gc
import itertools
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import TrainerControl, TrainerState

from suite import batches, micro
from suite.models import Model
from suite.optimiser import Recipe, parameter_groups, rest_batch_norm, sees_whole_batches
from suite.outputs import PREDICT_BATCH, Outputs, is_out_of_memory, map_batches, rows_of
from suite.spec import Mixture, Precision, Protocol, SuiteError

Collate = Callable[[list[dict[str, Any]]], dict[str, Any]]
Progress = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Part:
    """One task's share of a mixture, as kinds prepare it, and how its validation outputs are scored."""

    train: Sequence[dict[str, Any]]
    train_lengths: Sequence[int]
    validation: Sequence[dict[str, Any]]
    collate: Collate
    score: Callable[[Outputs], float]
    per_token: bool = False


@dataclass(frozen=True)
class Setting:
    """Around a training: seeds by role (`order`, `dropout`), device and precision, whom to tell, how tasks mix."""

    seeds: Mapping[str, int]
    device: str
    precision: Precision
    progress: Progress
    mixture: Mixture = field(default_factory=Mixture)


@dataclass
class Fit:
    """A trained model and what is worth recording of how it came about."""

    model: Model
    log: dict[str, Any] = field(default_factory=dict)


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

    Raises:
        SuiteError: the loss is no finite number under every learning rate, or one row does not fit into memory.
    """
    best: Fit | None = None
    tried = []
    size = protocol.batch
    for multiple in protocol.selection.learning_rates:
        scaled = replace(recipe, learning_rate=recipe.learning_rate * multiple)
        one, size = _fit_in_memory(build, parts, scaled, protocol, setting, size)
        told = {k: one.log[k] for k in ("learning_rate", "validation", "loss")}
        tried.append({k: v if math.isfinite(v) else None for k, v in told.items()})
        if math.isfinite(one.log["loss"]) and (best is None or one.log["validation"] > best.log["validation"]):
            best = one
    if best is None:
        raise SuiteError("The training loss is not a finite number; try a protocol with a lower learning rate.")
    return Fit(best.model, best.log | {"tried": tried})


def _fit_in_memory(
    build: Callable[[], Model],
    parts: Mapping[str, Part],
    recipe: Recipe,
    protocol: Protocol,
    setting: Setting,
    size: int,
) -> tuple[Fit, int]:
    """Train with micro-batches of at most `size` rows, halved as often as memory runs out; return the size too."""
    while True:
        try:
            return _fit_once(build(), parts, recipe, protocol, setting, size), size
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            reason = str(error).splitlines()[0]
        if size == 1:
            raise SuiteError(
                f"Not even one row fits into memory ({reason}). Use a protocol with a smaller max_length or with "
                "activation_checkpointing: true."
            )
        if sees_whole_batches(build(), recipe):
            raise SuiteError(
                f"A batch of {size} does not fit into memory, and the batch normalisation of this checkpoint would "
                "give other numbers on smaller ones. Use activation_checkpointing: true, or a protocol with a "
                "smaller batch."
            )
        size //= 2
        gc.collect()
        if setting.device == "cuda":
            torch.cuda.empty_cache()


def _fit_once(
    model: Model, parts: Mapping[str, Part], recipe: Recipe, protocol: Protocol, setting: Setting, size: int
) -> Fit:
    lengths = {task: part.train_lengths for task, part in parts.items()}
    plan = batches.plan(lengths, protocol, setting.seeds["order"], setting.mixture)
    watch = _Watch(model, setting.progress, plan.steps, protocol.selection.looks)
    if protocol.activation_checkpointing:
        model.recompute_activations()
    with tempfile.TemporaryDirectory(prefix="transfer-suite-") as folder:
        trainer = _Trainer(
            model=model,
            args=_arguments(folder, protocol, recipe, plan, setting, size),
            train_dataset=_rows({task: part.train for task, part in parts.items()}),
            data_collator=_collate(parts),
            callbacks=[watch],
        )
        trainer.plan, trainer.recipe, trainer.parts, trainer.size = plan, recipe, parts, size
        trainer.model_accepts_loss_kwargs = False  # our losses are means over rows already
        trainer.remove_callback(PrinterCallback)
        result = trainer.train()
    watch.restore()
    seen = {task: n * protocol.batch for task, n in plan.shares.items()}
    return Fit(
        model,
        {
            "learning_rate": recipe.learning_rate,
            "steps": plan.steps,
            "samples_seen": sum(seen.values()),
            "effective_batch": protocol.batch * plan.accumulation,
            "micro_batch": size,
            "accumulation": math.ceil(protocol.batch / size) * plan.accumulation,
            "loss": float(result.training_loss),
            "best_step": watch.best_step,
            "validation": watch.best_score,
            "curve": watch.curve,
            **({"samples_by_task": seen, "validation_by_task": watch.best_scores} if len(parts) > 1 else {}),
        },
    )


def _rows(items: Mapping[str, Sequence[dict[str, Any]]]) -> Sequence[Any]:
    """Return the rows of one task as they are; of several one behind the other, each with its task's name."""
    if len(items) == 1:
        return next(iter(items.values()))
    return _Chained(items)


class _Chained(Sequence[Any]):
    """Rows of several tasks behind each other; a row is (task, item)."""

    def __init__(self, items: Mapping[str, Sequence[dict[str, Any]]]) -> None:
        self._tasks, self._items = list(items), list(items.values())
        self._ends = list(itertools.accumulate(len(rows) for rows in self._items))

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, row: Any) -> Any:
        place = next(i for i, end in enumerate(self._ends) if row < end)
        start = self._ends[place] - len(self._items[place])
        return self._tasks[place], self._items[place][row - start]


def _collate(parts: Mapping[str, Part]) -> Callable[[list[Any]], dict[str, Any]]:
    """Return what makes a batch of rows as `_rows` gives them."""
    if len(parts) == 1:
        return next(iter(parts.values())).collate

    def batch(rows: list[Any]) -> dict[str, Any]:
        (task,) = {task for task, _ in rows}
        return {**parts[task].collate([item for _, item in rows]), "task": task}

    return batch


def _arguments(
    folder: str, protocol: Protocol, recipe: Recipe, plan: batches.Plan, setting: Setting, size: int
) -> TrainingArguments:
    """Return Trainer's arguments: nothing saved, nothing reported, looks at the validation split only."""
    steps = plan.steps
    looked_at = PREDICT_BATCH if size == protocol.batch else min(PREDICT_BATCH, 2 * size)  # memory is short there too
    arguments = TrainingArguments(
        output_dir=folder,
        per_device_train_batch_size=protocol.batch,
        per_device_eval_batch_size=looked_at,
        gradient_accumulation_steps=plan.accumulation,
        max_steps=steps,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=protocol.schedule,
        warmup_steps=math.ceil(protocol.warmup * steps),
        weight_decay=protocol.weight_decay,
        max_grad_norm=protocol.max_grad_norm,
        bf16=setting.precision == "bf16",
        use_cpu=setting.device == "cpu",
        seed=setting.seeds["dropout"],
        eval_strategy="no",  # _Watch asks for the looks
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

    def __init__(self, rows: list[int]) -> None:
        self._rows = rows

    def __iter__(self) -> Any:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


class _Trainer(Trainer):
    """Trainer with our row order, a faster head, micro-batches and, where asked, BatchNorm at rest."""

    plan: batches.Plan
    recipe: Recipe
    parts: Mapping[str, Part]
    size: int
    share = 1.0

    def _get_train_sampler(self, train_dataset: Any = None) -> _Order:
        return _Order(self.plan.rows)

    def training_step(self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> torch.Tensor:
        """Run a batch forward and backward, in micro-batches where the whole does not fit."""
        if micro.rows_of(inputs) <= self.size:
            return super().training_step(model, inputs, *args, **kwargs)
        losses = []
        for piece in micro.pieces(inputs, self.size, self.args.device):
            self.share = piece.share
            with piece.noise():
                losses.append(super().training_step(model, piece.inputs, *args, **kwargs))
        self.share = 1.0
        return torch.stack(losses).sum()

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Score every task on its validation rows; the whole mixture's score is their mean."""
        scores = {task: part.score(self._outputs(task, part)) for task, part in self.parts.items()}
        found = {"eval_score": float(np.mean(list(scores.values()))), **scores}
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, found)
        return found

    def _outputs(self, task: str, part: Part) -> Outputs:
        """Return the outputs for a task's validation rows, through Trainer's own loader and precision."""
        rows: list[np.ndarray] = []
        self.data_collator = part.collate
        told = {"task": task} if len(self.parts) > 1 else {}
        model: Any = self.model
        model.eval()
        with torch.no_grad():
            for batch in self.get_eval_dataloader(part.validation):  # type: ignore[arg-type]
                inputs: Any = self._prepare_inputs(batch)
                inputs.pop("labels", None)
                with self.compute_loss_context_manager():
                    out = model(**inputs, **told)["logits"]
                rows.extend(rows_of(out.float().cpu().numpy(), inputs, part.per_token))
        return rows if part.per_token else np.stack(rows)

    def create_optimizer(self, *args: Any, **kwargs: Any) -> torch.optim.Optimizer:
        if self.optimizer is None:
            groups = parameter_groups(self.model, self.recipe, self.args.weight_decay)  # type: ignore[arg-type]
            self.optimizer = torch.optim.AdamW(groups, lr=self.recipe.learning_rate, fused=True)
        return self.optimizer

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if self.recipe.freeze_batch_norm and model.training:  # Trainer calls train() before every step
            rest_batch_norm(model)
        outputs = model(**inputs)
        return outputs["loss"] * self.share if self.share != 1.0 else outputs["loss"]


class _Watch(TrainerCallback):
    """Tells how training goes, and keeps the trained weights of the best look at validation."""

    def __init__(self, model: Model, progress: Progress, steps: int, looks: int) -> None:
        self._model, self._progress, self._steps = model, progress, steps
        self._looks = {math.ceil(steps * (look + 1) / looks) for look in range(looks)}
        self._best: dict[str, torch.Tensor] = {}
        self.best_score, self.best_step = -math.inf, 0
        self.best_scores: dict[str, float] = {}
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
        by_task = {task: value for task, value in metrics.items() if task != "eval_score"}
        self.curve.append({"step": state.global_step, "validation": score})
        if score > self.best_score:
            self.best_score, self.best_step, self.best_scores = score, state.global_step, by_task
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
