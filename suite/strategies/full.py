"""Full fine-tuning: every weight of the body and a fresh head."""

from suite.spec import Modality
from suite.strategies import Adapted, Job, Settings, Strategy, _gradient


class Full(Strategy):
    """Train everything. The fresh head learns faster than the pre-trained body."""

    joint = True
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
        return _gradient.train(job, lambda model: model, freeze_batch_norm=False)


STRATEGY = Full()
