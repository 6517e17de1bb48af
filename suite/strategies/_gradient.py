"""What strategies that train by gradient share: hand a model to Trainer, predict the test rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from suite.spec import SuiteError
from suite.strategies import Adapted, Job, Settings

if TYPE_CHECKING:
    from suite.models import Model


def check(name: str, settings: Settings, positive: tuple[str, ...] = ("learning_rate", "head_multiplier")) -> None:
    """Refuse settings of the optimiser that are not above 0.

    Raises:
        SuiteError: one is zero or less.
    """
    for setting in positive:
        if not float(settings[setting]) > 0:  # type: ignore[arg-type]  # the types were checked with the protocol
            raise SuiteError(f"{name}.{setting} is {settings[setting]}; expected a number above 0.")


def train(job: Job, adapt: Callable[[Model], Model], freeze_batch_norm: bool) -> Adapted:
    """Train `adapt(job.build())` by the job's settings and protocol."""
    from suite import training

    settings = job.spec.settings
    recipe = training.Recipe(
        learning_rate=float(settings["learning_rate"]),  # type: ignore[arg-type]  # plan checked the types
        head_multiplier=float(settings["head_multiplier"]),  # type: ignore[arg-type]
        freeze_batch_norm=freeze_batch_norm,
    )
    part = training.Part(job.train.items, job.train.lengths, job.validation.items, job.collate, job.score)
    setting = training.Setting(job.seeds, job.device, job.progress)
    fit = training.fit(lambda: adapt(job.build()), part, recipe, job.spec.protocol, setting)
    logits = training.predict(fit.model, job.test.items, job.test.lengths, job.collate)
    sizes = [(p.numel(), p.requires_grad) for p in fit.model.parameters()]
    return Adapted(logits, sum(n for n, trained in sizes if trained), sum(n for n, _ in sizes), fit.log)
