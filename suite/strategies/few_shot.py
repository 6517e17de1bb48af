"""Few-shot: a checkpoint is judged by how it learns new tasks from a handful of rows, over many small episodes.

Each episode draws some classes and a few training rows of each; a head on frozen features learns from these and
answers to test rows of the same classes. The features are centred by the mean of the training rows and brought to
length 1 (SimpleShot, Wang et al. 2019, arXiv 1911.04623). The head is the nearest class mean, or ridge regression on
one-hot classes (Bertinetto et al. 2019, arXiv 1805.08136).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from suite.spec import Modality, SuiteError, canonical_json
from suite.strategies import Adapted, Job, Part, Settings, Strategy

if TYPE_CHECKING:
    from suite.data import Prepared
    from suite.features import Reader
    from suite.stats.episodes import Episodes

POOLINGS = ("mean", "cls", "native")
HEADS = ("prototype", "ridge")


class FewShot(Strategy):
    """N-way K-shot episodes, drawn by the rows' ids alone: the same ones for every checkpoint.

    Head and strength are chosen on episodes whose tested rows are the validation split's. Episodes share
    rows, so an interval over them says what other episodes of these rows would give.
    """

    targets = ("class",)
    resamples = ("holdout",)
    seeded = False
    own_rows = True
    instead = "episodes are drawn by class; use -s linear_probe, full or lora"

    def recipe(self, modality: Modality) -> Settings:
        """Return pooling, the size and number of episodes, the grid of ridge strengths, and which head."""
        return {
            "pooling": "mean" if modality == "text" else "native",
            "ways": 5,
            "shots": 5,
            "queries": 15,
            "episodes": 600,
            "ridge": [0.01, 0.1, 1.0, 10.0],
            "head": "best",
        }

    def check(self, settings: Settings) -> None:
        """Refuse an unknown pooling or head, and sizes and strengths that mean nothing."""
        for setting, known in (("pooling", POOLINGS), ("head", ("best", *HEADS))):
            if settings[setting] not in known:
                raise SuiteError(f"few_shot.{setting} is '{settings[setting]}'; expected one of {', '.join(known)}.")
        for setting, least in (("ways", 2), ("shots", 1), ("queries", 1), ("episodes", 2)):
            value = settings[setting]
            if not isinstance(value, int) or value < least:
                raise SuiteError(f"few_shot.{setting} is {value}; expected a whole number of at least {least}.")
        grid = settings["ridge"]
        if not isinstance(grid, list) or not grid or not all(isinstance(a, int | float) and a > 0 for a in grid):
            raise SuiteError(f"few_shot.ridge is {grid}; expected a list of numbers above 0.")

    def fit(self, job: Job) -> Adapted:
        """Extract features once, choose a head on validation episodes, and answer to those of the test split."""
        from threadpoolctl import threadpool_limits

        from suite import features
        from suite.strategies import _rows

        part, pooling = job.part, job.spec.settings["pooling"]
        if _rows.has_choices(part):
            raise SuiteError("few_shot draws episodes by class, and choices have none; use -s linear_probe or full.")
        reader = features.Reader(job.build, str(pooling), part.collate, job.device, part.identity, job.reading)
        rows = _features(reader, part)
        with threadpool_limits(1):  # the same bits whatever the number of cores
            return _play(job, reader, rows)


def _play(job: Job, reader: Reader, rows: Mapping[str, np.ndarray]) -> Adapted:
    """Choose a head on validation episodes and answer to test episodes."""
    settings: dict[str, Any] = job.spec.settings
    part, (task,) = job.part, job.parts
    held, told = (_deal(part, asked, settings) for asked in (part.validation, part.test))
    tried = _tried(rows["train"], rows["validation"], held.episodes, settings["ridge"])
    best = {name: max((one for one in tried if one.head == name), key=lambda one: one.accuracy) for name in HEADS}
    chosen = max(best.values(), key=lambda one: one.accuracy)  # of equals the first, which has nothing to tune
    if settings["head"] != "best":
        chosen = best[settings["head"]]
    answers = {name: _answers(one, rows["train"], rows["test"], told.episodes) for name, one in best.items()}
    episodes, ways, shots = told.episodes.support.shape
    width = rows["train"].shape[1]
    log = {
        "head": chosen.head,
        "ridge": chosen.strength,
        "validation": chosen.accuracy,
        "tried": [{"head": one.head, "ridge": one.strength, "validation": one.accuracy} for one in tried],
        "heads": {name: _summary(told.episodes.accuracies(values)) for name, values in answers.items()},
        "episodes": episodes,
        "ways": ways,
        "shots": shots,
        "queries": told.episodes.queries.shape[2],
        "classes_left_out": {"validation": held.left_out, "test": told.left_out},
        "width": width,
        **reader.cost(),
    }
    return Adapted(
        {task: _logits(answers[chosen.head], told.episodes, part.n_outputs)},
        trainable_params=width * ways,
        total_params=reader.params + width * ways,
        log=log,
        tested=_tested(part.test, told.episodes),
        told_apart=ways,
    )


@dataclass(frozen=True)
class _Tried:
    """A head, its strength if it has one, and its mean accuracy on validation episodes."""

    head: str
    strength: float | None
    accuracy: float


@dataclass(frozen=True)
class _Dealt:
    """Episodes, and how many classes had too few rows to take part."""

    episodes: Episodes
    left_out: int


def _features(reader: Reader, part: Part) -> dict[str, np.ndarray]:
    """Return each split's features as the heads take them, fp32 [n, width]."""
    from suite.stats import episodes

    names = ("train", "validation", "test")
    found = {
        name: reader.read(split.items, split.lengths, split.ids) for name, split in zip(names, part.splits, strict=True)
    }
    mean = found["train"].mean(axis=0, dtype=np.float64)
    return {name: episodes.centred(features, mean).astype(np.float32) for name, features in found.items()}


def _deal(part: Part, asked: Prepared, settings: dict[str, Any]) -> _Dealt:
    """Return episodes that learn from training rows and are tested on those asked.

    Raises:
        SuiteError: fewer than two classes have enough.
    """
    from suite.stats import episodes

    classes = episodes.eligible(part.train.labels, asked.labels, settings["shots"])
    if len(classes) < 2:
        raise SuiteError(
            f"An episode needs two classes with {settings['shots']} training rows each and a row to be tested on; "
            f"of {part.n_outputs} classes {len(classes)} {'has' if len(classes) == 1 else 'have'} that. Give more rows "
            "or set few_shot.shots lower in the protocol."
        )
    ids = [part.train.ids, asked.ids]
    seed = int.from_bytes(hashlib.sha256(canonical_json(ids).encode()).digest()[:8], "big")
    ways = min(settings["ways"], len(classes))
    shape = episodes.Shape(ways, settings["shots"], settings["queries"], settings["episodes"])
    dealt = episodes.draw(part.train.labels, asked.labels, classes, shape, seed)
    return _Dealt(dealt, part.n_outputs - len(classes))


def _tried(train: np.ndarray, validation: np.ndarray, held: Episodes, grid: list[float]) -> list[_Tried]:
    """Return every head with its mean accuracy on validation episodes."""
    from suite.stats import episodes

    means = [float(held.accuracies(episodes.prototype(train, validation, held)).mean())]
    means += [float(held.accuracies(values).mean()) for values in episodes.ridge(train, validation, held, grid)]
    heads = [("prototype", None), *(("ridge", strength) for strength in grid)]
    return [_Tried(head, strength, mean) for (head, strength), mean in zip(heads, means, strict=True)]


def _answers(head: _Tried, train: np.ndarray, test: np.ndarray, told: Episodes) -> np.ndarray:
    from suite.stats import episodes

    if head.strength is None:
        return episodes.prototype(train, test, told)
    return episodes.ridge(train, test, told, [head.strength])[0]


def _summary(accuracies: np.ndarray) -> dict[str, Any]:
    """Return the mean accuracy over episodes with its 95% t interval."""
    from suite.stats import intervals

    found = intervals.two_way(accuracies[None, :])
    bounds = found.interval()
    return {"accuracy": found.mean, "interval": None if bounds is None else list(bounds)}


def _logits(answers: np.ndarray, told: Episodes, n_outputs: int) -> np.ndarray:
    """Return fp32 [rows tested, n_outputs]; classes outside the episode get the lowest float."""
    episodes, places = np.nonzero(told.asked)
    logits = np.full((len(episodes), n_outputs), np.finfo(np.float32).min, dtype=np.float32)
    np.put_along_axis(logits, told.classes[episodes], answers[episodes, places].astype(np.float32), axis=1)
    return logits


def _tested(rows: Prepared, told: Episodes) -> Prepared:
    """Return what is tested: rows of the split under an id an episode, those of an episode being one cluster."""
    from suite.data import Prepared

    episodes, places = np.nonzero(told.asked)
    numbers = told.queries.reshape(len(told.queries), -1)[episodes, places]
    digits = max(3, len(str(len(told.queries))))
    names = [f"e{episode + 1:0{digits}d}" for episode in episodes]
    ids = [f"{name}-{rows.ids[row]}" for name, row in zip(names, numbers.tolist(), strict=True)]
    return Prepared(items=[], labels=rows.labels[numbers], lengths=[], ids=ids, clusters=names)


STRATEGY = FewShot()
