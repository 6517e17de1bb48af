"""Few-shot episodes on frozen features: which rows each one holds, and two heads that learn from a handful.

An episode draws W classes ("ways"), S rows of each to learn from ("shots") and Q others of each to be tested on.
Arrays over episodes are [episodes, ways, ...]; a class with fewer than Q rows to test has -1 in their place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

AT_ONCE = 32
"""Episodes whose features are gathered at a time: some tens of MB."""


@dataclass(frozen=True)
class Shape:
    """How many classes, rows of each to learn from, rows of each to be tested on, and episodes."""

    ways: int
    shots: int
    queries: int
    episodes: int


@dataclass(frozen=True)
class Episodes:
    """Each episode's classes [e, w], their rows to learn from [e, w, shots] and to be tested on [e, w, queries]."""

    classes: np.ndarray
    support: np.ndarray
    queries: np.ndarray

    @property
    def asked(self) -> np.ndarray:
        """Which places of `queries` hold a row, bool [e, w * queries]."""
        return self.queries.reshape(len(self.queries), -1) >= 0

    @property
    def truth(self) -> np.ndarray:
        """The way that each place of `queries` belongs to [w * queries]."""
        return np.repeat(np.arange(self.queries.shape[1]), self.queries.shape[2])

    def accuracies(self, values: np.ndarray) -> np.ndarray:
        """Return each episode's share of right answers [e]; an answer is the way with the largest of values [.., w]."""
        right = (values.argmax(axis=-1) == self.truth) & self.asked
        shares: np.ndarray = right.sum(axis=1) / self.asked.sum(axis=1)
        return shares


def eligible(support: np.ndarray, queries: np.ndarray, shots: int) -> np.ndarray:
    """Return the classes that have `shots` rows to learn from and one to be tested on.

    Args:
        support: the class of each row to learn from [n].
        queries: the class of each row to be tested on [m].
        shots: how many rows an episode learns a class from.
    """
    classes, counts = np.unique(support, return_counts=True)
    return classes[(counts >= shots) & np.isin(classes, queries)]


def draw(support: np.ndarray, queries: np.ndarray, classes: np.ndarray, shape: Shape, seed: int) -> Episodes:
    """Return episodes over `classes`, every one from a generator of its own: more of them leave the first as they are.

    Args:
        support: the class of each row to learn from [n].
        queries: the class of each row to be tested on [m].
        classes: those that take part, at least `shape.ways`.
        shape: the size of an episode and how many there are.
        seed: any whole number that is not negative.
    """
    rows = {c: (np.flatnonzero(support == c), np.flatnonzero(queries == c)) for c in classes.tolist()}
    found = Episodes(
        np.empty((shape.episodes, shape.ways), dtype=np.int64),
        np.empty((shape.episodes, shape.ways, shape.shots), dtype=np.int64),
        np.full((shape.episodes, shape.ways, shape.queries), -1, dtype=np.int64),
    )
    for episode in range(shape.episodes):
        generator = np.random.default_rng([seed, episode])
        found.classes[episode] = generator.choice(classes, shape.ways, replace=False)
        for way, name in enumerate(found.classes[episode].tolist()):
            learned, asked = rows[name]
            count = min(shape.queries, len(asked))
            found.support[episode, way] = generator.choice(learned, shape.shots, replace=False)
            found.queries[episode, way, :count] = generator.choice(asked, count, replace=False)
    return found


def centred(x: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return the rows of x [n, width] less the mean, each at length 1 (SimpleShot's CL2N, arXiv 1911.04623)."""
    moved = x - mean
    length = np.linalg.norm(moved, axis=1, keepdims=True)
    scaled: np.ndarray = moved / np.where(length == 0, 1.0, length)
    return scaled


def prototype(support: np.ndarray, queries: np.ndarray, episodes: Episodes) -> np.ndarray:
    """Return -|q - c|^2 [e, w * queries, w] for queries q and class means c (SimpleShot, arXiv 1911.04623).

    Args:
        support: features of the rows to learn from [n, width].
        queries: features of the rows to be tested on [m, width].
        episodes: which rows each episode holds.
    """
    found = []
    for learned, asked in _gathered(support, queries, episodes):
        means = learned.mean(axis=2)
        products = asked @ means.transpose(0, 2, 1)
        found.append(2 * products - (asked**2).sum(-1)[:, :, None] - (means**2).sum(-1)[:, None, :])
    return np.concatenate(found)


def ridge(support: np.ndarray, queries: np.ndarray, episodes: Episodes, strengths: Sequence[float]) -> list[np.ndarray]:
    """Return for each strength what ridge regression on one-hot classes gives, [e, w * queries, w].

    q X' (X X' + lambda I)^-1 Y with the rows X that an episode learns from (Bertinetto et al. 2019, arXiv 1805.08136):
    a system of as many equations as there are rows. There is no intercept: with as many rows of each class it would
    be the same for all.

    Args:
        support: features of the rows to learn from [n, width].
        queries: features of the rows to be tested on [m, width].
        episodes: which rows each episode holds.
        strengths: the lambdas, all above 0.
    """
    ways, shots = episodes.support.shape[1:]
    targets = np.repeat(np.eye(ways), shots, axis=0)
    found: list[list[np.ndarray]] = [[] for _ in strengths]
    for learned, asked in _gathered(support, queries, episodes):
        x = learned.reshape(len(learned), ways * shots, -1)
        products, answers = x @ x.transpose(0, 2, 1), asked @ x.transpose(0, 2, 1)
        for place, strength in enumerate(strengths):
            weights = np.linalg.solve(products + strength * np.eye(ways * shots), targets[None])
            found[place].append(answers @ weights)
    return [np.concatenate(parts) for parts in found]


def _gathered(support: np.ndarray, queries: np.ndarray, episodes: Episodes) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the features of some episodes at a time in fp64: [e, w, shots, width] and [e, w * queries, width]."""
    for start in range(0, len(episodes.classes), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        asked = episodes.queries[some].reshape(len(episodes.queries[some]), -1)
        yield support[episodes.support[some]].astype(np.float64), queries[asked].astype(np.float64)
