"""Full fine-tuning: every weight of the body and a fresh head."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from suite.spec import CheckpointRef, Modality
from suite.strategies import Adapted, Job, Kept, Part, Settings, Strategy, _gradient

if TYPE_CHECKING:
    from suite.data import Prepared
    from suite.models import Model
    from suite.outputs import Outputs


class Full(Strategy):
    """Train everything. The fresh head learns faster than the pre-trained body."""

    joint = True
    spreads = True
    keeps = "model"
    resamples = ("holdout", "kfold", "bootstrap", "partition", "sequential")

    def recipe(self, modality: Modality) -> Settings:
        """Return AdamW's learning rate for the body and the head's multiple of it."""
        rate = 5e-5 if modality == "text" else 2.5e-4
        return {"learning_rate": rate, "head_multiplier": 10.0}

    def check(self, settings: Settings) -> None:
        """Refuse rates of zero or less."""
        _gradient.check("full", settings)

    def fit(self, job: Job) -> Adapted:
        """Train the model as it is."""
        return _gradient.train(job, lambda model: model, _save, freeze_batch_norm=False)

    def restore(self, kept: Kept) -> Callable[[Prepared], Outputs]:
        """Load the whole model; the base checkpoint is not needed."""
        from suite import layouts

        return _gradient.answers(layouts.load(kept.folder, kept.auto), kept)


def _save(model: Model, part: Part, checkpoint: CheckpointRef, folder: Path) -> None:
    from suite import layouts, models

    layouts.save(model, models.open_source(checkpoint), part.classes, part.target, folder)


STRATEGY = Full()
