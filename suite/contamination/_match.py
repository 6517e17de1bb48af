"""Which rows of one set another holds too: equals by their digest, near copies by the way of their sort."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from pydantic import JsonValue

from suite.contamination import _images, _texts
from suite.contamination._kept import Arrays, kept
from suite.contamination._rows import Pool, Side
from suite.spec import digest

VERSION = 1
NEAR, EXACT = 1, 2


@dataclass(frozen=True)
class Matches:
    """For each of n asked rows: whether it is among the learned, and where.

    `how` is 0, NEAR or EXACT; `match` the hash of the row found, "" for none; `similarity` 1 for an equal one;
    `agrees` whether a row as near as that has the same answer.
    """

    how: np.ndarray
    match: list[str]
    similarity: np.ndarray
    agrees: np.ndarray


def method(pool: Pool) -> dict[str, JsonValue]:
    """Return how rows of a pool are compared: the name, version and thresholds that a record keeps."""
    name = {"text": "minhash", "image": "phash", "mixed": "exact"}[pool.sort]
    thresholds: dict[str, Mapping[str, JsonValue]] = {"text": _texts.THRESHOLDS, "image": _images.THRESHOLDS}
    return {"method": name, "version": VERSION, "thresholds": dict(thresholds.get(pool.sort, {}))}


def comparable(one: Pool, two: Pool) -> bool:
    """Return whether rows of two pools can be the same: of one sort, and with as many columns."""
    return one.sort == two.sort and len(one.inputs) == len(two.inputs)


def find(asked: tuple[Pool, list[str]], learned: tuple[Pool, list[str]], apart: bool, threads: int) -> Matches:
    """Return where the asked rows of one pool, by their hashes, are among the learned ones of another.

    Args:
        asked: the pool and the hashes of its rows, n of them.
        learned: the same of what is learned from.
        apart: rows of one unit are left out together, so that none of them is learned from when another is tested.
        threads: how many images are decoded at once.
    """
    wanted, held = (np.unique(of.places(hashes)) for of, hashes in (asked, learned))
    names = [[of.hashes[i] for i in places] for (of, _), places in ((asked, wanted), (learned, held))]
    about: list[object] = ["pairs", method(asked[0]), [digest("\n".join(rows).encode()) for rows in names], apart]
    about += [list(asked[0].inputs), list(learned[0].inputs)]

    def make() -> Arrays:
        sides = [Side(of, _marks(of, threads), places) for (of, _), places in ((asked, wanted), (learned, held))]
        return _find(sides[0], sides[1], asked[0].units if apart else None)

    found = kept(about, make)
    rows = np.searchsorted(wanted, asked[0].places(asked[1]))
    match = [names[1][place] if place >= 0 else "" for place in found["match"][rows]]
    return Matches(found["how"][rows], match, found["similarity"][rows], found["agrees"][rows])


def _marks(pool: Pool, threads: int) -> Arrays:
    about = ["marks", method(pool), digest("\n".join(pool.hashes).encode()), list(pool.inputs)]
    if pool.sort == "text":
        return kept(about, lambda: _texts.marks(pool))
    if pool.sort == "image":
        return kept(about, lambda: _images.marks(pool, threads))
    digests = [_texts.digest([_named(cell) for cell in cells]) for cells in pool.cells]
    return {"digest": np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, 16)}


def _named(cell: object) -> str:
    """Return a text that tells a cell of a row with images and texts."""
    return _images.digest(cell).hex() if isinstance(cell, bytes) else _texts.normalised(_texts.text_of(cell))


def _find(asked: Side, learned: Side, units: np.ndarray | None) -> Arrays:
    """Return `how`, `match` (a place among the learned, or -1), `similarity` and `agrees` of asked rows, [n] each."""
    n = len(asked.places)
    how, match, similarity = np.zeros(n, dtype=np.uint8), np.full(n, -1, dtype=np.int64), np.zeros(n)
    agrees = np.zeros(n, dtype=bool)
    equal = dict.fromkeys(_equals(asked, learned, units), 1.0)
    rest = np.setdiff1d(asked.places, [place for place, _ in equal])
    for pairs, name in ((equal, EXACT), (_near(Side(asked.pool, asked.marks, rest), learned, units), NEAR)):
        for (place, other), alike in _nearest(pairs, asked.pool, learned.pool):
            row = np.searchsorted(asked.places, place)
            how[row], match[row], similarity[row] = name, np.searchsorted(learned.places, other), alike
            same = asked.pool.answers[place] == learned.pool.answers[other]
            agrees[row] = same or (name == NEAR and asked.pool.tagged)
    return {"how": how, "match": match, "similarity": similarity, "agrees": agrees}


def _equals(asked: Side, learned: Side, units: np.ndarray | None) -> Iterator[tuple[int, int]]:
    """Yield the places of asked rows and of one that is equal: the first with the same answer, or else the first."""
    by_digest: dict[bytes, list[int]] = defaultdict(list)
    for place in learned.places.tolist():
        by_digest[learned.marks["digest"][place].tobytes()].append(place)
    answers = asked.pool.answers, learned.pool.answers
    for place in asked.places.tolist():
        held = by_digest.get(asked.marks["digest"][place].tobytes(), [])
        others = (other for other in held if units is None or units[place] != units[other])
        best = min(((answers[0][place] != answers[1][other], other) for other in others), default=None)
        if best:
            yield place, best[1]


def _near(asked: Side, learned: Side, units: np.ndarray | None) -> Mapping[tuple[int, int], float]:
    if asked.pool.sort == "mixed" or not len(asked.places):
        return {}
    found = (_texts if asked.pool.sort == "text" else _images).near(asked, learned, units)
    return dict(
        zip(zip(found.asked.tolist(), found.learned.tolist(), strict=True), found.similarity.tolist(), strict=True)
    )


def _nearest(
    pairs: Mapping[tuple[int, int], float], asked: Pool, learned: Pool
) -> Iterable[tuple[tuple[int, int], float]]:
    """Return one pair an asked row: the most alike; of equally alike ones one with the same answer, then the first."""

    def rank(pair: tuple[tuple[int, int], float]) -> tuple[float, bool, int]:
        (place, other), alike = pair
        return -alike, asked.answers[place] != learned.answers[other], other

    best = {pair[0][0]: pair for pair in sorted(pairs.items(), key=rank, reverse=True)}  # the best comes last and stays
    return best.values()
