"""Linear probe: logistic regression on frozen features, its strength chosen on validation."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from suite.spec import Modality, SuiteError
from suite.strategies import Adapted, Job, Settings, Strategy

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

POOLINGS = ("mean", "cls", "native")


class LinearProbe(Strategy):
    """scikit-learn's LogisticRegression on standardised features.

    The fit has no noise of its own. Each seed therefore fits on its own share of the training rows,
    so that the spread over seeds says what another training set would change.
    """

    def recipe(self, modality: Modality) -> Settings:
        """Return pooling, the grid of C, the share of training rows a seed, and the solver's limit."""
        return {
            "pooling": "mean" if modality == "text" else "native",
            "C": [0.0001, 0.001, 0.01, 0.1, 1.0],
            "train_share": 0.9,
            "max_iter": 1000,
        }

    def check(self, settings: Settings) -> None:
        """Refuse an unknown pooling and a grid or share that means nothing."""
        if settings["pooling"] not in POOLINGS:
            raise SuiteError(f"linear_probe.pooling is '{settings['pooling']}'; expected one of {', '.join(POOLINGS)}.")
        grid = settings["C"]
        if not isinstance(grid, list) or not grid or not all(isinstance(c, int | float) and c > 0 for c in grid):
            raise SuiteError(f"linear_probe.C is {grid}; expected a list of numbers above 0.")
        if not 0 < float(settings["train_share"]) <= 1:  # type: ignore[arg-type]
            raise SuiteError(f"linear_probe.train_share is {settings['train_share']}; expected above 0 and at most 1.")
        if not isinstance(settings["max_iter"], int) or settings["max_iter"] < 1:
            raise SuiteError(f"linear_probe.max_iter is {settings['max_iter']}; expected a whole number of at least 1.")

    def fit(self, job: Job) -> Adapted:
        """Extract features once, fit a regression a C, keep the best on validation."""
        from suite import features

        settings: dict[str, Any] = job.spec.settings
        pooled = features.Reader(
            build=job.build, pooling=settings["pooling"], collate=job.collate, device=job.device, identity=job.identity
        )
        train, validation, test = (pooled.read(split.items, split.lengths, split.ids) for split in job.splits)
        rows = chosen_rows(len(train), settings["train_share"], job.seeds["split"])
        if len(set(job.train.labels[rows].tolist())) < 2:
            raise SuiteError(
                f"A share of {settings['train_share']} of {len(train)} training rows holds one class only; "
                "a probe needs two. Raise linear_probe.train_share in the protocol, or give more rows."
            )
        scale = standardiser(train[rows])
        candidates = [
            regression(scale(train[rows]), job.train.labels[rows], strength, settings["max_iter"])
            for strength in settings["C"]
        ]
        scores = [job.score(outputs(probe, scale(validation), job.n_outputs)) for probe in candidates]
        best = int(np.argmax(scores))
        probe = candidates[best]
        head = probe.coef_.size + probe.intercept_.size
        log = {
            "C": settings["C"][best],
            "tried": [{"C": c, "validation": s} for c, s in zip(settings["C"], scores, strict=True)],
            "validation": scores[best],
            "width": train.shape[1],
            "rows": len(rows),
            "features_seconds": pooled.seconds,
            "features_stored": pooled.stored,
        }
        return Adapted(outputs(probe, scale(test), job.n_outputs), head, pooled.params + head, log)


def chosen_rows(n: int, share: float, seed: int) -> np.ndarray:
    """Return the sorted numbers of the training rows of one seed."""
    count = max(1, round(n * share))
    return np.sort(np.random.default_rng(seed).permutation(n)[:count])


def standardiser(x: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that gives each column of x [n, width] mean 0 and variance 1 (constant ones: 0)."""
    mean, deviation = x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64)
    deviation[deviation == 0] = 1.0
    return lambda features: (features - mean) / deviation


def regression(x: np.ndarray, labels: np.ndarray, strength: float, max_iter: int) -> LogisticRegression:
    """Return multinomial logistic regression, L2-penalised with inverse strength C, fitted by L-BFGS."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), warnings.catch_warnings():  # so small a problem is slower, not faster, on several
        warnings.simplefilter("ignore", ConvergenceWarning)  # a weak penalty may stop at the limit; validation decides
        return LogisticRegression(C=strength, max_iter=max_iter).fit(x, labels)


def outputs(probe: LogisticRegression, x: np.ndarray, n_outputs: int) -> np.ndarray:
    """Return log-probabilities fp32 [n, n_outputs]; a class that was not seen gets the lowest float."""
    from scipy.special import log_softmax

    decision = probe.decision_function(x)
    seen = decision if decision.ndim == 2 else np.stack([np.zeros_like(decision), decision], axis=1)
    logits = np.full((len(x), n_outputs), np.finfo(np.float32).min, dtype=np.float32)
    logits[:, probe.classes_] = log_softmax(seen, axis=1)  # predict_log_proba gives -inf where a probability is tiny
    return logits


STRATEGY = LinearProbe()
