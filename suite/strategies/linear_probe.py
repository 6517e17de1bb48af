"""Linear probe: a linear head on frozen features, its strength chosen on validation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from suite.spec import Modality, SuiteError
from suite.strategies import Adapted, Job, Kept, Part, Settings, Strategy

if TYPE_CHECKING:
    from suite.data import Prepared
    from suite.features import Reader
    from suite.outputs import Outputs
    from suite.strategies._heads import Head, Scale
    from suite.strategies._rows import Rows

POOLINGS = ("mean", "cls", "native")
SOLVERS = ("path", "lbfgs")


class LinearProbe(Strategy):
    """Logistic regression on standardised features, penalised by 1/C, or of a number ridge regression with alpha = 1/C.

    All C are solved along one path, each to its optimum. Recipes from before there was a choice of solver have none in
    their settings; they go on as they did, by scikit-learn's L-BFGS from zero.

    Choices share one scorer of right and wrong; each of several labels has a regression of its own; tags are
    those of words, by the features of a word's first token.

    The fit has no noise of its own. Each seed therefore fits on its own share of the training rows,
    so that the spread over seeds says what another training set would change.
    """

    targets = ("class", "labels", "number", "tags")
    keeps = "head"
    unkept = ("loo",)
    resamples = ("holdout", "kfold", "bootstrap", "partition", "loo")

    def recipe(self, modality: Modality) -> Settings:
        """Return pooling, the grid of C, the share of training rows a seed, the solver and when it stops."""
        return {
            "pooling": "mean" if modality == "text" else "native",
            "C": [0.0001, 0.001, 0.01, 0.1, 1.0],
            "train_share": 0.9,
            "solver": "path",
            "tolerance": 0.01,
            "max_iter": 1000,
        }

    def check(self, settings: Settings) -> None:
        """Refuse an unknown pooling or solver, and numbers that mean nothing."""
        for setting, known in (("pooling", POOLINGS), ("solver", SOLVERS)):
            if settings[setting] not in known:
                raise SuiteError(
                    f"linear_probe.{setting} is '{settings[setting]}'; expected one of {', '.join(known)}."
                )
        grid = settings["C"]
        if not isinstance(grid, list) or not grid or not all(isinstance(c, int | float) and c > 0 for c in grid):
            raise SuiteError(f"linear_probe.C is {grid}; expected a list of numbers above 0.")
        if not 0 < float(settings["train_share"]) <= 1:  # type: ignore[arg-type]
            raise SuiteError(f"linear_probe.train_share is {settings['train_share']}; expected above 0 and at most 1.")
        if not float(settings["tolerance"]) > 0:  # type: ignore[arg-type]  # a number, since the default is one
            raise SuiteError(f"linear_probe.tolerance is {settings['tolerance']}; expected a number above 0.")
        if not isinstance(settings["max_iter"], int) or settings["max_iter"] < 1:
            raise SuiteError(f"linear_probe.max_iter is {settings['max_iter']}; expected a whole number of at least 1.")

    def fit(self, job: Job) -> Adapted:
        """Extract features once, fit a head a C, keep the best on validation; or leave every row out in turn."""
        from suite import features

        pooling: Any = job.spec.settings["pooling"]
        reader = features.Reader(job.build, pooling, job.part.collate, job.device, job.part.identity, job.reading)
        return _leave_out(job, reader) if job.spec.resample == "loo" else _hold_out(job, reader)

    def restore(self, kept: Kept) -> Callable[[Prepared], Outputs]:
        """Put the head on features that the base checkpoint gives anew; none are read from the store."""
        from suite import features
        from suite.strategies import _heads, _rows

        head, scale = _heads.load(kept.folder)
        pooling: Any = kept.settings["pooling"]
        reader = features.Reader(kept.build, pooling, kept.collate, kept.device, None, kept.precision)

        def answers(rows: Prepared) -> Outputs:
            found = _rows.of(reader, rows, kept.per_token)
            return found.outputs(head.answers(scale(found.x), kept.n_outputs))

        return answers


def _hold_out(job: Job, reader: Reader) -> Adapted:
    from suite.strategies import _rows

    settings: dict[str, Any] = job.spec.settings
    part = job.part
    train, validation, test = _rows.read(reader, job)
    examples = chosen_rows(len(part.train), settings["train_share"], job.seeds["split"])
    x, labels = train.take(examples, job.seeds["split"])
    _check_classes(part, labels, settings["train_share"])
    scale = standardiser(x)
    candidates = _heads_of(part, train, scale(x), labels, settings)
    held = scale(validation.x)
    scores = [part.score(validation.outputs(head.outputs(held))) for head in candidates]
    best = int(np.argmax(scores))
    head = candidates[best]
    log = {
        "C": settings["C"][best],
        "tried": [{"C": c, "validation": s} for c, s in zip(settings["C"], scores, strict=True)],
        "validation": scores[best],
        "width": x.shape[1],
        "rows": len(examples),
        **({"words": len(x), "most_words": _rows.MOST_WORDS} if part.per_token else {}),
        **reader.cost(),
    }

    def save(task: str, folder: Path) -> None:
        from suite.strategies import _heads

        about: dict[str, object] = {"pooling": settings["pooling"], "classes": list(part.classes)}
        _heads.save(head.kept(), scale, about, folder)

    adapted = _adapted(job, test.outputs(head.outputs(scale(test.x))), head.size, reader, log)
    return replace(adapted, save=save)


def _leave_out(job: Job, reader: Reader) -> Adapted:
    """Return what each row gets from ridge regression on the others; no seed has a part in it.

    Features are standardised once over all rows, of which no label is looked at.
    """
    from suite.strategies import _left_out, _rows

    settings: dict[str, Any] = job.spec.settings
    part = job.part
    _left_out.check(part)
    x = _rows.read(reader, job)[-1].x
    outputs, chosen, errors = _left_out.predict(standardiser(x)(x), part, settings["C"])
    counts = Counter(chosen.tolist())
    log = {
        "C": settings["C"][counts.most_common(1)[0][0]],
        "tried": [
            {"C": c, "squared_error": float(error), "rows": counts[place]}
            for place, (c, error) in enumerate(zip(settings["C"], errors, strict=True))
        ],
        "chosen": "for each row the C with the least squared error of the other rows when left out",
        "standardised": "once over all rows, without their labels",
        "validation": part.score(outputs),
        "width": x.shape[1],
        "rows": len(x),
        **reader.cost(),
    }
    return _adapted(job, outputs, (x.shape[1] + 1) * outputs.shape[1], reader, log)


def _adapted(job: Job, outputs: Any, head: int, reader: Reader, log: dict[str, Any]) -> Adapted:
    (task,) = job.parts
    return Adapted({task: outputs}, head, reader.params + head, log)


def _heads_of(part: Part, rows: Rows, x: np.ndarray, labels: np.ndarray, settings: dict[str, Any]) -> list[Head]:
    """Return a fitted head for each C of the settings, of the sort that the target asks for."""
    from suite.strategies import _heads, _rows

    grid = _heads.Grid(settings["C"], settings["max_iter"], part.n_outputs, settings.get("tolerance", 0.0))
    solver = _heads.SOLVERS[settings.get("solver", _heads.UNNAMED)]
    if isinstance(rows, _rows.Choices):
        return solver.right_choice(x, labels, grid)
    by_target = {"labels": solver.every_class, "number": _heads.number}
    return by_target.get(part.target, solver.one_class)(x, labels, grid)


def _check_classes(part: Part, labels: np.ndarray, share: float) -> None:
    if part.target in ("class", "tags") and len(set(labels.tolist())) < 2:
        raise SuiteError(
            f"A share of {share} of {len(part.train)} training rows holds one class only; "
            "a probe needs two. Raise linear_probe.train_share in the protocol, or give more rows."
        )


def chosen_rows(n: int, share: float, seed: int) -> np.ndarray:
    """Return the sorted numbers of the training rows of one seed."""
    count = max(1, round(n * share))
    return np.sort(np.random.default_rng(seed).permutation(n)[:count])


def standardiser(x: np.ndarray) -> Scale:
    """Return a function that gives each column of x [n, width] mean 0 and variance 1 (constant ones: 0)."""
    from suite.strategies._heads import Scale

    mean, deviation = x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64)
    deviation[deviation == 0] = 1.0
    return Scale(mean, deviation)


STRATEGY = LinearProbe()
