"""Trainer with our row order, a faster head, micro-batches, and nothing on the way that nobody asked for."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.data_loader import prepare_data_loader
from torch import nn
from torch.utils.data import DataLoader
from transformers import Trainer

from suite import batches, compiling, deadline, micro, timing
from suite.optimiser import Recipe, parameter_groups, rest_batch_norm
from suite.outputs import Outputs, rows_of
from suite.training._parts import Part
from suite.training._rows import Order, Rows
from suite.training._watch import Watch, fill, write_moving

WEIGHTS = "weights.safetensors"


@dataclass(frozen=True)
class Course:
    """What a training follows: batches, recipe, tasks, rows a micro-batch; who watches it, what saves it into a folder.

    `save` is given a function that writes a checkpoint into a folder. `compiled` says that steps are; looks are not.
    """

    plan: batches.Plan
    recipe: Recipe
    parts: Mapping[str, Part]
    size: int
    watch: Watch
    save: Callable[[Callable[[Path], None]], None]
    compiled: bool = False


class PlannedTrainer(Trainer):
    """Trainer on a course."""

    course: Course
    share = 1.0
    _in_training = False
    _trained: list[nn.Parameter] | None = None

    def create_accelerator_and_postprocess(self) -> None:
        """Make the accelerator, without the walk through every object of the process before each training."""
        super().create_accelerator_and_postprocess()
        self.accelerator.free_memory = lambda *objects: list(objects)
        if self.args.world_size > 1:  # every process reads whole batches: the padding and noise of its rows are theirs
            alone = functools.partial(prepare_data_loader, device=self.args.device, num_processes=1, process_index=0)
            self.accelerator.prepare_data_loader = lambda loader, **_: alone(
                loader, put_on_device=True, non_blocking=self.accelerator.non_blocking
            )

    def _get_train_sampler(self, train_dataset: Any = None) -> Order:
        return Order(self.course.plan.rows)

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Return the loader of the training's batches; one with workers ends a reading that hangs itself."""
        loader: Any = super().get_train_dataloader()
        if loader.num_workers:
            loader.base_dataloader.timeout = deadline.SECONDS
        return loader  # type: ignore[no-any-return]

    def training_step(self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> torch.Tensor:
        """Run a batch forward and backward, in micro-batches where the whole does not fit; return its loss.

        Of several processes each runs its own rows of the batch; the loss is the whole's in all of them.
        """
        if not self._in_training:
            self._switch(model)
        if self.args.world_size > 1:
            loss: torch.Tensor = self.accelerator.reduce(self._run_pieces(model, inputs), "mean")
        elif micro.rows_of(inputs) <= self.course.size:
            loss = self._run(model, inputs)
        else:
            loss = self._run_pieces(model, inputs)
        self.course.watch.losses.add(loss)
        return loss

    def _switch(self, model: nn.Module) -> None:
        """Turn to training, once at the start and after each look: walking through all modules takes time."""
        model.train()
        if self.course.recipe.freeze_batch_norm:
            rest_batch_norm(model)
        self._in_training = True

    def _run_pieces(self, model: nn.Module, inputs: dict[str, Any]) -> torch.Tensor:
        losses, among = [], self.args.world_size
        pieces = micro.pieces(inputs, self.course.size, self.args.device, self.args.process_index, among)
        for piece in pieces:
            self.share = piece.share * among  # what comes of the processes is averaged
            waits = among > 1 and piece is not pieces[-1]  # gradients are exchanged once
            with piece.noise(), self.accelerator.no_sync(model) if waits else contextlib.nullcontext():
                losses.append(self._run(model, piece.inputs))
        self.share = 1.0
        return torch.stack(losses).sum()

    def _run(self, model: nn.Module, inputs: dict[str, Any]) -> torch.Tensor:
        """Run rows forward and backward; return their share of the step's loss."""
        inputs = self._prepare_inputs(inputs)
        loss: torch.Tensor = self.compute_loss(model, inputs) / self.current_gradient_accumulation_steps
        self.accelerator.backward(loss)
        return loss.detach()

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Return the loss that the model gives, as its rows' share of the batch's."""
        loss = model(**inputs)["loss"]
        return loss * self.share if self.share != 1.0 else loss

    def _clip_grad_norm(self, model: nn.Module) -> torch.Tensor:
        if self._trained is None:  # asking the model anew takes longer than the clipping of a small one
            self._trained = [p for p in model.parameters() if p.requires_grad]
        return nn.utils.clip_grad_norm_(self._trained, self.args.max_grad_norm)

    @timing.phase("looks")
    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Score every task on its validation rows; the whole mixture's score is their mean."""
        with compiling.as_it_is() if self.course.compiled else contextlib.nullcontext():
            scores = {task: part.score(self._outputs(task, part)) for task, part in self.course.parts.items()}
        found = {"eval_score": float(np.mean(list(scores.values()))), **scores}
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, found)
        return found

    def _outputs(self, task: str, part: Part) -> Outputs:
        """Return the outputs for a task's validation rows, through Trainer's own loader and precision."""
        found: list[np.ndarray] = []
        rows, told = Rows({task: part}, "validation"), {"task": task} if len(self.course.parts) > 1 else {}
        model: Any = self.model
        model.eval()
        self._in_training = False
        with torch.no_grad():
            for batch in self._eval_loader(rows):
                inputs: Any = self._prepare_inputs(batch)
                inputs.pop("labels", None)
                with self.compute_loss_context_manager():
                    out = model(**inputs, **told)["logits"]
                found.extend(rows_of(out.float().cpu().numpy(), inputs, part.per_token))
        rows.close()
        return found if part.per_token else np.stack(found)

    def _eval_loader(self, rows: Rows) -> DataLoader[Any]:
        """Return Trainer's loader of rows in their order; its workers, if training has any, are training's alone."""
        collate, workers = self.data_collator, self.args.dataloader_num_workers
        self.data_collator, self.args.dataloader_num_workers = rows, 0
        try:
            return self.get_eval_dataloader(range(len(rows)))  # type: ignore[arg-type]
        finally:
            self.data_collator, self.args.dataloader_num_workers = collate, workers

    def create_optimizer(self, *args: Any, **kwargs: Any) -> torch.optim.Optimizer:
        """Return AdamW with the recipe's rates."""
        if self.optimizer is None:
            groups = parameter_groups(self.model, self.course.recipe, self.args.weight_decay)  # type: ignore[arg-type]
            self.optimizer = torch.optim.AdamW(groups, lr=self.course.recipe.learning_rate, fused=True)
        return self.optimizer

    def let_go(self) -> None:
        """Free the optimiser's memory now: it stands in a circle of references, which Python takes its time to find."""
        if self.optimizer is not None:
            self.optimizer.state.clear()
            self.optimizer.param_groups.clear()

    # -- checkpoints ---------------------------------------------------------------------------------------------------

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """Leave a checkpoint: Trainer's own, what the watch has seen, and only those weights that move."""
        usual = self.args.output_dir

        def write(folder: Path) -> None:
            self.args.output_dir = str(folder)
            try:
                super(PlannedTrainer, self)._save_checkpoint(model, trial)
            finally:
                self.args.output_dir = usual
            self.course.watch.write(folder)

        self.course.save(write)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        assert output_dir is not None  # a checkpoint's, and no other is saved
        Path(output_dir).mkdir(parents=True, exist_ok=True)
        write_moving(self.model, Path(output_dir) / WEIGHTS)  # type: ignore[arg-type]

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        from safetensors.torch import load_file

        fill(self.model, load_file(Path(resume_from_checkpoint) / WEIGHTS))  # type: ignore[arg-type]
