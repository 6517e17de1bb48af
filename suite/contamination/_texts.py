"""Texts that are equal or nearly so: normalised, cut into shingles, sketched by MinHash, sorted into bands.

Equal: the same after Unicode's NFKC, case folding, and one space for any run of them. Near: in every column the
same but for punctuation and spaces, or, where both have LEAST characters then, a Jaccard similarity of their sets
of SHINGLE-character shingles of at least JACCARD. In a shorter text a changed word is too large a part.

MinHash: Broder, "On the resemblance and containment of documents", 1997. Bands: Indyk & Motwani 1998; of two rows
at the threshold 1 - (1 - 0.8^5)^25 = 99.995% share a band. What shares one is held against its true similarity.
"""

from __future__ import annotations

import functools
import hashlib
import re
import sys
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import JsonValue

from suite.contamination._rows import Pairs, Pool, Side, blocks, nearest

SHINGLE = 5
JACCARD = 0.8
LEAST = 50
PERMUTATIONS = 128
BANDS, BAND = 25, 5
THRESHOLDS: dict[str, JsonValue] = {
    "shingle": SHINGLE,
    "jaccard": JACCARD,
    "least_characters": LEAST,
    "permutations": PERMUTATIONS,
    "bands": BANDS,
    "band": BAND,
}

_SEED = 1
_FLOOR = JACCARD - 0.2
"""Estimates from 128 permutations have a standard deviation of 0.035 at 0.8: a pair at 0.8 never seems so."""
_MOST = 16
"""Of one row so many candidates, nearest by estimate, are held against their true similarity."""
_AT_ONCE = 1 << 25
_PIECE = 8192
_MIX = np.uint64(0x9E3779B97F4A7C15)


def text_of(cell: Any) -> str:
    """Return a cell as one text: of a list the texts of its parts, of what is missing none."""
    if isinstance(cell, list | tuple):
        return " ".join(text_of(part) for part in cell)
    return "" if cell is None else str(cell)


def normalised(text: str) -> str:
    """Return a text by which equals are known: NFKC, case folded, single spaces."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.split())


def bare(text: str) -> str:
    """Return a normalised text without punctuation and spaces; signs in front of a digit stay: 5-3 is not 5.3.

    Of a text of nothing else, all but the spaces stays.
    """
    return _dropped().sub("", text) or "".join(text.split())


@functools.cache
def _dropped() -> re.Pattern[str]:
    marks = "".join(c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c)[0] == "P")
    return re.compile(rf"\s+|[{re.escape(marks)}](?!\d)|[\u00ad\u200b-\u200f\u2060\ufeff]")


def digest(texts: Sequence[str]) -> bytes:
    """Return 16 bytes by which equal rows are known."""
    total = hashlib.blake2b(digest_size=16)
    for text in texts:
        content = text.encode("utf-8", "surrogatepass")
        total.update(len(content).to_bytes(8) + content)
    return total.digest()


def shingles(text: str) -> np.ndarray:
    """Return the hashes of a bare text's shingles, uint64, each once and in ascending order; a shorter text is one."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    if len(points) == 0:
        return points
    if len(points) < SHINGLE:
        points = np.pad(points, (0, SHINGLE - len(points)))
    count = len(points) - SHINGLE + 1
    hashes = np.zeros(count, dtype=np.uint64)
    for place in range(SHINGLE):
        hashes = hashes * _MIX + points[place : place + count]
    return np.unique(hashes)


def marks(pool: Pool) -> dict[str, np.ndarray]:
    """Return the digest, uint8 [n, 16], and the MinHash signature, uint32 [n, 128], of every row."""
    from datasketch import MinHash

    blank = MinHash(num_perm=PERMUTATIONS, seed=_SEED, hashfunc=int)
    digests = np.zeros((len(pool), 16), dtype=np.uint8)
    signatures = np.zeros((len(pool), PERMUTATIONS), dtype=np.uint32)
    for place, cells in enumerate(pool.cells):
        texts = [normalised(text_of(cell)) for cell in cells]
        digests[place] = np.frombuffer(digest(texts), dtype=np.uint8)
        sketch = blank.copy()
        for column, text in enumerate(texts):  # a shingle of one column is none of another's
            own = (shingles(bare(text)) + np.uint64(column)) * _MIX >> np.uint64(32)
            for start in range(0, len(own), _PIECE):  # a long text's table of all permutations would fill memory
                sketch.update_batch(own[start : start + _PIECE])
        signatures[place] = sketch.hashvalues
    return {"digest": digests, "signature": signatures}


def near(asked: Side, learned: Side, units: np.ndarray | None) -> Pairs:
    """Return the near copies of asked rows among the learned; rows of one unit are none of each other's."""
    own, other = (side.marks["signature"][side.places] for side in (asked, learned))
    candidates = _candidates(own, other, asked, learned, units)
    found = [(a, b, similarity(asked.pool.cells[a], learned.pool.cells[b])) for a, b in candidates]
    kept = [pair for pair in found if pair[2] is not None]
    places = np.array([pair[:2] for pair in kept], dtype=np.int64).reshape(-1, 2)
    return Pairs(places[:, 0], places[:, 1], np.array([pair[2] for pair in kept], dtype=np.float64))


def _candidates(
    own: np.ndarray, other: np.ndarray, asked: Side, learned: Side, units: np.ndarray | None
) -> list[tuple[int, int]]:
    """Return places of rows that share a band and look alike by their signatures."""
    bands = [_bands(own), _bands(other)]
    order = np.argsort(bands[1], axis=0, kind="stable")
    ordered = np.take_along_axis(bands[1], order, axis=0)
    found: list[tuple[int, int]] = []
    for some in blocks(len(own), len(other), _AT_ONCE):
        hits = _colliding(bands[0][some], ordered, order)
        if units is not None:
            hits &= units[asked.places[some], None] != units[learned.places]
        rows, columns = np.nonzero(hits)
        alike = _estimates(own[some], other, rows, columns)
        rows, columns, alike = (values[alike >= _FLOOR] for values in (rows, columns, alike))
        best = nearest(rows, columns, -alike, _MOST)
        pairs = asked.places[some][rows[best]], learned.places[columns[best]]
        found += zip(*(values.tolist() for values in pairs), strict=True)
    return found


def _bands(signatures: np.ndarray) -> np.ndarray:
    """Return a number a band, uint64 [n, BANDS]: equal where all signature values of the band are."""
    parts = signatures[:, : BANDS * BAND].astype(np.uint64).reshape(len(signatures), BANDS, BAND)
    numbers = np.zeros(parts.shape[:2], dtype=np.uint64)
    for place in range(BAND):
        numbers = (numbers + parts[:, :, place]) * _MIX
    return numbers


def _colliding(own: np.ndarray, ordered: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return which rows share a band, bool [asked, learned]."""
    hits = np.zeros((len(own), len(order)), dtype=bool)
    for band in range(BANDS):
        first = np.searchsorted(ordered[:, band], own[:, band], "left")
        last = np.searchsorted(ordered[:, band], own[:, band], "right")
        for row in np.flatnonzero(last > first):
            hits[row, order[first[row] : last[row], band]] = True
    return hits


def _estimates(own: np.ndarray, other: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the share of equal signature values of pairs, fp64 [k]."""
    pieces = [slice(start, start + _PIECE) for start in range(0, len(rows), _PIECE)]
    shares = [(own[rows[some]] == other[columns[some]]).mean(axis=1) for some in pieces]
    return np.concatenate([np.zeros(0), *shares])


def similarity(one: Sequence[Any], two: Sequence[Any]) -> float | None:
    """Return how alike two rows are, by the column in which they are least so, or None if they are not near."""
    least = 1.0
    for cells in zip(one, two, strict=True):
        left, right = (bare(normalised(text_of(cell))) for cell in cells)
        if left == right:
            continue
        if min(len(left), len(right)) < LEAST:
            return None
        least = min(least, _jaccard(shingles(left), shingles(right)))
    return least if least >= JACCARD else None


def _jaccard(one: np.ndarray, two: np.ndarray) -> float:
    shared = len(np.intersect1d(one, two, assume_unique=True))
    return shared / (len(one) + len(two) - shared)
