"""One fit by one learning rate, again with smaller micro-batches where memory is short."""

from __future__ import annotations

import contextlib
import math
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback

from suite import batches, compiling, files
from suite.models import Model
from suite.optimiser import Recipe, sees_whole_batches
from suite.outputs import is_out_of_memory
from suite.spec import Protocol, SuiteError
from suite.training import _pace
from suite.training._arguments import arguments
from suite.training._checkpoints import Checkpoints, Found, State
from suite.training._parts import Fit, Part, Setting
from suite.training._rows import Rows, count_workers
from suite.training._trainer import Course, PlannedTrainer
from suite.training._watch import Watch


@dataclass(frozen=True)
class Request:
    """What a fit was asked for, and where it leaves checkpoints."""

    build: Callable[[], Model]
    parts: Mapping[str, Part]
    protocol: Protocol
    setting: Setting
    checkpoints: Checkpoints


class CompiledError(Exception):
    """A training whose steps are compiled failed, for a reason that may lie in that."""


def fit_in_memory(
    request: Request, recipe: Recipe, state: State, keep: Callable[[Path], None], found: Found | None
) -> Fit:
    """Train with micro-batches of at most `state.size` rows, halved as often as memory runs out.

    Args:
        request: what is trained.
        recipe: at the learning rate to train by.
        state: how far the fit has come; its size and retries are brought up to date.
        keep: writes what is worth keeping of the learning rates before this one.
        found: a checkpoint to go on from.

    Raises:
        SuiteError: one row does not fit, or cut batches would give other numbers.
        CompiledError: its steps were compiled, and may go well as they are.
    """
    while True:
        try:
            return _fit_once(request, recipe, state, keep, found)
        except SuiteError:
            raise
        except Exception as error:
            _tell_hanging(error)
            if state.compiled:
                raise CompiledError(compiling.reason(error)) from error
            if not is_out_of_memory(error):
                raise
            reason = str(error).splitlines()[0]
        if request.setting.devices > 1:  # the others are in the middle of a step, and wait for this one
            raise SuiteError(
                f"A device's share of a batch does not fit into memory ({reason}). Use more devices, a protocol with a "
                "smaller batch or max_length, or with activation_checkpointing: true."
            )
        _refuse_cutting(request, recipe, state.size, reason)
        state.retries.append({"what": "memory", "micro_batch": state.size, "then": state.size // 2})
        state.size, found = state.size // 2, None
        _pace.free(request.setting.device)


def _tell_hanging(error: Exception) -> None:
    """Say in a sentence that a loader's worker does not answer, if that is what the error says."""
    if "DataLoader timed out" in str(error):
        raise SuiteError(
            f"Reading the train rows hangs ({str(error).splitlines()[0]}): a file, a disk or a decoder. See that the "
            "data can be read, and run the same command again."
        ) from error


def _refuse_cutting(request: Request, recipe: Recipe, size: int, reason: str) -> None:
    if size == 1:
        raise SuiteError(
            f"Not even one row fits into memory ({reason}). Use a protocol with a smaller max_length or with "
            "activation_checkpointing: true."
        )
    if sees_whole_batches(request.build(), recipe):
        raise SuiteError(
            f"A batch of {size} does not fit into memory, and the batch normalisation of this checkpoint would "
            "give other numbers on smaller ones. Use activation_checkpointing: true, or a protocol with a "
            "smaller batch."
        )


def _fit_once(request: Request, recipe: Recipe, state: State, keep: Callable[[Path], None], found: Found | None) -> Fit:
    setting, protocol, checkpoints = request.setting, request.protocol, request.checkpoints
    lengths = {task: part.train_lengths for task, part in request.parts.items()}
    plan = batches.plan(lengths, protocol, setting.seeds["order"], setting.mixture)
    model = request.build()
    if state.compiled is None:
        state.compiled = _pace.decide(request, recipe, plan, model, _train)
    model = model.to(setting.device)
    if setting.devices > 1 and sees_whole_batches(model, recipe):
        raise SuiteError(
            "The batch normalisation of this checkpoint sees whole batches, which several devices would cut; train "
            "it on one."
        )
    if protocol.activation_checkpointing:
        model.recompute_activations()
    watch = Watch(model, setting.progress, plan.steps, protocol.selection.looks, checkpoints.due)

    def save(write: Callable[[Path], None]) -> None:
        def both(folder: Path) -> None:
            keep(folder)
            write(folder)

        checkpoints.save(state, both)

    _train(request, Course(plan, recipe, request.parts, state.size, watch, save, state.compiled), model, found)
    if setting.precision == "bf16":
        narrow(model, setting.device)
    watch.restore()
    return Fit(model, _log(request, recipe, plan, watch, state.size))


def _train(request: Request, course: Course, model: Model, found: Found | None = None) -> None:
    """Train a model on a course, from the start or from a checkpoint on."""
    setting, plan = request.setting, course.plan
    rows = Rows(request.parts)
    if found is not None:
        course.watch.read(found.folder)
    with files.scratch() as folder:
        shape = plan.steps, plan.accumulation
        args = arguments(str(folder), request.protocol, course.recipe.learning_rate, shape, course.size, setting)
        args.dataloader_num_workers = count_workers(rows, plan.rows[: request.protocol.batch], setting.device)
        trainer = PlannedTrainer(
            model=model,
            args=args,
            train_dataset=range(len(rows)),
            data_collator=rows,
            callbacks=[course.watch],
        )
        trainer.course = course
        trainer.model_accepts_loss_kwargs = False  # our losses are means over rows already
        trainer.remove_callback(PrinterCallback)
        try:
            with _compiled(model, request.parts) if course.compiled else contextlib.nullcontext():
                trainer.train(resume_from_checkpoint=str(found.trainer) if found else None)
        finally:
            trainer.let_go()
            rows.close()


def _compiled(model: Model, parts: Mapping[str, Part]) -> contextlib.AbstractContextManager[None]:
    """Compile the net alone: the loss and what accelerate puts around the model stay as they are."""
    return compiling.compiled(model.net, varies=len({n for part in parts.values() for n in part.train_lengths}) > 1)


def _log(request: Request, recipe: Recipe, plan: batches.Plan, watch: Watch, size: int) -> dict[str, Any]:
    batch = request.protocol.batch
    seen = {task: n * batch for task, n in plan.shares.items()}
    several = {"samples_by_task": seen, "validation_by_task": watch.best_scores} if len(request.parts) > 1 else {}
    return {
        "learning_rate": recipe.learning_rate,
        "steps": plan.steps,
        "samples_seen": sum(seen.values()),
        "effective_batch": batch * plan.accumulation,
        "micro_batch": size,
        "accumulation": math.ceil(batch / size) * plan.accumulation,
        "loss": watch.losses.mean(plan.steps) if watch.diverged_at is None else math.nan,
        "diverged_at": watch.diverged_at,
        "best_step": watch.best_step,
        "validation": watch.best_score,
        "curve": watch.curve,
        **several,
    }


def narrow(model: Model, device: str) -> None:
    """Let a model answer in bf16, as it was trained.

    accelerate does the same by hanging a method on the model itself; that circle of references would keep the
    weights of model after model in memory.
    """
    forward: Any = type(model).forward
    me = weakref.ref(model)

    def narrowed(*arguments: Any, **named: Any) -> Any:
        with torch.autocast(device, dtype=torch.bfloat16):
            return forward(me(), *arguments, **named)

    vars(model).pop("_original_forward", None)
    model.forward = narrowed  # type: ignore[method-assign]
