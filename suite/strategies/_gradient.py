"""What strategies that train by gradient share: hand a model to Trainer, predict the test rows."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite.spec import CheckpointRef, SuiteError
from suite.strategies import Adapted, Job, Kept, Part, Settings, Stages

if TYPE_CHECKING:
    from suite import training
    from suite.data import Prepared
    from suite.models import Model
    from suite.outputs import Outputs
    from suite.training import Fit

    Save = Callable[[Model, Part, CheckpointRef, Path], None]
    """Writes a trained model of one task."""


def check(name: str, settings: Settings, positive: tuple[str, ...] = ("learning_rate", "head_multiplier")) -> None:
    """Refuse settings of the optimiser that are not above 0.

    Raises:
        SuiteError: one is zero or less.
    """
    for setting in positive:
        if not float(settings[setting]) > 0:  # type: ignore[arg-type]  # the types were checked with the protocol
            raise SuiteError(f"{name}.{setting} is {settings[setting]}; expected a number above 0.")


def train(job: Job, adapt: Callable[[Model], Model], save: Save, freeze_batch_norm: bool) -> Adapted:
    """Train `adapt(job.build())` by the job's settings and protocol, on one stage after the other."""
    from suite import training
    from suite.optimiser import Recipe
    from suite.spec import Mixture

    settings, told = job.spec.settings, len(job.parts) > 1
    recipe = Recipe(
        learning_rate=float(settings["learning_rate"]),  # type: ignore[arg-type]  # plan checked the types
        head_multiplier=float(settings["head_multiplier"]),  # type: ignore[arg-type]
        freeze_batch_norm=freeze_batch_norm,
    )
    setting = training.Setting(
        job.seeds,
        job.device,
        job.precision,
        job.progress,
        job.spec.mixture or Mixture(),
        resume=job.resume,
        run=job.spec.key() if job.resume else "",
        devices=job.devices,
    )

    def fit(build: Callable[[], Model], parts: Mapping[str, Part], **changes: Any) -> training.Fit:
        changed = replace(setting, **changes)
        return training.fit(build, {t: _share(p) for t, p in parts.items()}, recipe, job.spec.protocol, changed)

    if job.stages:
        model, adapted = _in_stages(job, lambda: adapt(job.build()), fit)
    else:
        done = fit(lambda: adapt(job.build()), job.parts)
        model = done.model
        outputs = {task: _predict(model, part, part.test, task if told else None) for task, part in job.parts.items()}
        adapted = Adapted(outputs, *_sizes(model), done.log)

    def write(task: str, folder: Path) -> None:
        save(_alone(job, model, task, adapt), job.parts[task], job.spec.checkpoint, folder)

    return replace(adapted, save=write)


def _alone(job: Job, model: Model, task: str, adapt: Callable[[Model], Model]) -> Model:
    """Return the model of one task: of several on one trunk, the trunk with the task's own head."""
    from suite import trunks

    if not isinstance(model, trunks.SharedModel):
        return model
    return trunks.extract(model, task, adapt(job.builds[task]()))


def answers(model: Model, kept: Kept) -> Callable[[Prepared], Outputs]:
    """Return what a loaded model answers to rows, in the precision that training left it with."""
    import torch

    from suite.outputs import map_batches

    model.to(kept.device)

    def logits(batch: dict[str, Any]) -> Any:
        narrow = torch.autocast(kept.device, dtype=torch.bfloat16) if kept.precision == "bf16" else None
        with narrow or contextlib.nullcontext():
            return model(**{name: value for name, value in batch.items() if name != "labels"})["logits"]

    return lambda rows: map_batches(model, logits, rows.items, rows.lengths, kept.collate, kept.per_token)


def _in_stages(job: Job, build: Callable[[], Model], fit: Callable[..., Fit]) -> tuple[Model, Adapted]:
    """Train the same model on each stage; each learning rate of a stage starts from where the last one ended.

    From a stage on that needed fp32 all are trained in it.
    """
    (task,) = job.parts
    model = build().to(job.device)
    outputs, scores, logs = [], [], []

    def look() -> None:
        outputs.append(_predict(model, job.part, job.part.test))
        scores.append([stage.score(_predict(model, stage, stage.validation)) for stage in job.stages])

    look()
    precision = job.precision
    for place, stage in enumerate(job.stages):
        weights = copy.deepcopy(model.state_dict())
        done = fit(
            lambda weights=weights: _with(build(), weights),
            {task: stage},
            precision=precision,
            resume=job.resume / f"stage-{place}" if job.resume else None,
            staged=place + 1 < len(job.stages),
        )
        model, precision = done.model, done.log["precision"]
        logs.append(done.log)
        look()
    retries = [retry for one in logs for retry in one["retries"]]
    log = logs[-1] | {"steps": sum(one["steps"] for one in logs), "retries": retries, "stages": logs}
    return model, Adapted({task: outputs[-1]}, *_sizes(model), log, stages=Stages(outputs, scores))


def _with(model: Model, weights: Mapping[str, Any]) -> Model:
    model.load_state_dict(weights)
    return model


def _share(part: Part) -> training.Part:
    from suite import training

    train, validation = part.train, part.validation
    return training.Part(train.items, train.lengths, validation.items, part.collate, part.score, part.per_token)


def _predict(model: Model, part: Part, rows: Prepared, task: str | None = None) -> Outputs:
    from suite import training

    return training.predict(model, rows.items, rows.lengths, _share(part), task)


def _sizes(model: Model) -> tuple[int, int]:
    """Return the number of trained and of all parameters."""
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return sum(n for n, trained in sizes if trained), sum(n for n, _ in sizes)
