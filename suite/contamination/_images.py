"""Images that are equal or nearly so: by their pixels, by a perceptual hash, and by their detail.

Equal: the same pixels in RGB, whatever file holds them. Near: the perceptual hashes (phash of the library imagehash)
differ in at most HAMMING of 64 bits, and then, both brought to one size of at most SIDE pixels, what is left of the
brightness when the mean of 3x3 pixels is taken away (detail) correlates by DETAIL, and all of the colours by LIKENESS.
Outlines make many pictures of one sort alike, as two shirts are; of two photographs the detail is not. Below SMALLEST
pixels a side there is so little of it that it must correlate by DETAIL_TINY.

Copies may be shifted by a pixel: then what both show is compared. A hash of 28 pixels does not outlast that, so images
below SHIFTED pixels a side have a hash for each of nine such parts, two of which may differ in HAMMING_SHIFTED bits.
Brightness and contrast make no difference to a correlation. What is cropped, turned, mirrored or coloured anew is not
found, nor every photograph of 32 pixels that went through JPEG.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from pydantic import JsonValue

from suite import limits
from suite.contamination._rows import Pairs, Pool, Side, blocks, nearest
from suite.spec import SuiteError

if TYPE_CHECKING:
    from PIL.Image import Image

HAMMING = 8
HAMMING_SHIFTED = 4
DETAIL = 0.96
DETAIL_TINY = 0.98
LIKENESS = 0.9
SIDE = 32
SMALLEST = 16
SHIFTED = 96
THRESHOLDS: dict[str, JsonValue] = {
    "hamming": HAMMING,
    "hamming_shifted": HAMMING_SHIFTED,
    "detail": DETAIL,
    "detail_tiny": DETAIL_TINY,
    "likeness": LIKENESS,
    "side": SIDE,
    "smallest": SMALLEST,
    "shifted": SHIFTED,
}

_SHIFTS = [(x, y) for y in (-1, 0, 1) for x in (-1, 0, 1)]
_STILL = 4
"""The place of (0, 0) among the shifts; the opposite of shift i is 8 - i."""
_MOST = 256
_AT_ONCE = 1 << 22
_PIECE = 1024
_IN_MEMORY = 150_000


def pixels(content: bytes) -> Image:
    """Return an image as models are given it: its first frame in RGB.

    Raises:
        SuiteError: it cannot be opened.
    """
    try:
        return limits.open_picture(content).convert("RGB")
    except Exception as error:  # Pillow's decoders raise many types on a stranger's bytes
        raise SuiteError(f"An image cannot be opened: {error}.") from error


def digest(content: bytes) -> bytes:
    """Return 16 bytes by which images of equal pixels are known."""
    return _digest(pixels(content))


def _digest(image: Image) -> bytes:
    return hashlib.blake2b(f"{image.width}x{image.height}\n".encode() + image.tobytes(), digest_size=16).digest()


def marks(pool: Pool, threads: int) -> dict[str, np.ndarray]:
    """Return of every image the digest, uint8 [n, 16], size, int64 [n, 2], and phash a shift, uint64 [n, 9]."""
    files = [cells[0] for cells in pool.cells]
    if threads > 1:  # decoders work side by side, whatever order they end in
        with ThreadPoolExecutor(threads) as executor:
            looked = list(executor.map(_look, files, chunksize=64))
    else:
        looked = [_look(file) for file in files]
    return {
        "digest": np.frombuffer(b"".join(one[0] for one in looked), dtype=np.uint8).reshape(-1, 16),
        "size": np.array([one[1] for one in looked], dtype=np.int64).reshape(-1, 2),
        "hashes": np.array([one[2] for one in looked], dtype=np.uint64).reshape(-1, len(_SHIFTS)),
    }


def _look(content: bytes) -> tuple[bytes, tuple[int, int], list[int]]:
    image = pixels(content)
    grey = image.convert("L")
    wanted = _SHIFTS if 1 < min(image.size) < SHIFTED else [(0, 0)]
    hashes = [_phash(_part(grey, shift)) for shift in wanted]
    return _digest(image), image.size, hashes if len(hashes) > 1 else hashes * len(_SHIFTS)


def _phash(image: Image) -> int:
    import imagehash

    return int.from_bytes(np.packbits(imagehash.phash(image).hash.ravel()).tobytes())


def _part(image: Image, shift: tuple[int, int]) -> Image:
    """Return the part of an image that a copy shares whose content lies `shift` pixels before its own."""
    x, y = shift
    if shift == (0, 0):
        return image
    return image.crop((max(x, 0), max(y, 0), image.width + min(x, 0), image.height + min(y, 0)))


def near(asked: Side, learned: Side, units: np.ndarray | None) -> Pairs:
    """Return the near copies of asked images among the learned; rows of one unit are none of each other's."""
    seen = _Seen(asked, learned)
    found = [_verified(seen, *some) for some in _candidates(asked, learned, units)]
    parts = [np.concatenate([pairs[i] for pairs in found]) if found else np.zeros(0) for i in range(3)]
    return Pairs(parts[0].astype(np.int64), parts[1].astype(np.int64), parts[2])


def _candidates(
    asked: Side, learned: Side, units: np.ndarray | None
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield places of images whose hashes are close, asked [k] and learned [k], and the shift between them [k]."""
    for some in blocks(len(asked.places), len(learned.places), _AT_ONCE):
        part = Side(asked.pool, asked.marks, asked.places[some])
        rows, columns, distances, shifts = np.concatenate(list(_close(part, learned)), axis=1)
        if units is not None:
            kept = units[rows] != units[columns]
            rows, columns, distances, shifts = (values[kept] for values in (rows, columns, distances, shifts))
        best = nearest(rows, columns, distances, _MOST)
        yield rows[best], columns[best], shifts[best]


def _close(asked: Side, learned: Side) -> Iterator[np.ndarray]:
    """Yield for every shift the places of close images, the distance of their hashes and the shift, int64 [4, k]."""
    own, other = (side.marks["hashes"][side.places] for side in (asked, learned))
    sizes, others = (side.marks["size"][side.places] for side in (asked, learned))
    small = sizes.min(axis=1, keepdims=True) < SHIFTED
    apart = np.bitwise_count(own[:, _STILL, None] ^ other[:, _STILL])
    for shift in range(len(_SHIFTS)):
        if shift == _STILL:
            rows, columns = np.nonzero(apart <= HAMMING)
            distances = apart[rows, columns]
        else:  # of large images all nine hashes are the one of the whole
            moved = np.bitwise_count(own[:, shift, None] ^ other[:, -1 - shift]) if small.any() else apart
            rows, columns = np.nonzero(moved <= np.where(small, HAMMING_SHIFTED, HAMMING))
            alike = (sizes[rows] == others[columns]).all(axis=1)
            rows, columns = rows[alike], columns[alike]
            distances = moved[rows, columns]
        yield np.stack([asked.places[rows], learned.places[columns], distances, np.full(len(rows), shift)])


class _Seen:
    """Parts of images at one size, the last of them kept."""

    def __init__(self, asked: Side, learned: Side) -> None:
        self._pools = asked.pool, learned.pool
        self.sizes = asked.marks["size"].min(axis=1), learned.marks["size"].min(axis=1)
        self._parts: dict[tuple[int, int, int, int], np.ndarray] = {}

    def grey(self, side: int, places: np.ndarray, shift: int, size: int) -> np.ndarray:
        """Return the brightness of parts of images, uint8 [k, size, size]."""
        return np.stack([self._grey((side, place, shift, size)) for place in places.tolist()])

    def _grey(self, key: tuple[int, int, int, int]) -> np.ndarray:
        if key not in self._parts:
            if len(self._parts) >= _IN_MEMORY:
                self._parts.clear()
            self._parts[key] = np.asarray(self._part(*key).convert("L"))
        return self._parts[key]

    def colours(self, side: int, places: np.ndarray, shift: int, size: int) -> np.ndarray:
        """Return parts of images in RGB, uint8 [k, size, size, 3]."""
        parts = np.zeros((len(places), size, size, 3), dtype=np.uint8)
        for row, place in enumerate(places.tolist()):
            parts[row] = np.asarray(self._part(side, place, shift, size))
        return parts

    def _part(self, side: int, place: int, shift: int, size: int) -> Image:
        from PIL.Image import Resampling

        part = _part(pixels(self._pools[side].cells[place][0]), _SHIFTS[shift])
        return part if part.size == (size, size) else part.resize((size, size), Resampling.LANCZOS)


def _verified(
    seen: _Seen, asked: np.ndarray, learned: np.ndarray, shifts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which candidates are near copies, and the correlation of their detail."""
    sides = np.minimum(np.minimum(seen.sizes[0][asked], seen.sizes[1][learned]), SIDE)
    least = np.where(sides < SMALLEST, DETAIL_TINY, DETAIL)
    detail = np.zeros(len(asked))
    for shift, size in sorted(set(zip(shifts.tolist(), sides.tolist(), strict=True))):
        places = np.flatnonzero((shifts == shift) & (sides == size))
        for start in range(0, len(places), _PIECE):
            some = places[start : start + _PIECE]
            one = seen.grey(0, asked[some], shift, size)
            two = seen.grey(1, learned[some], len(_SHIFTS) - 1 - shift, size)
            detail[some] = _correlations(_detail(one), _detail(two))
            some = some[detail[some] >= least[some]]
            one = seen.colours(0, asked[some], shift, size)
            two = seen.colours(1, learned[some], len(_SHIFTS) - 1 - shift, size)
            detail[some] *= _correlations(one.astype(np.float64), two.astype(np.float64)) >= LIKENESS
    kept = detail >= least
    return asked[kept], learned[kept], detail[kept]


def _detail(grey: np.ndarray) -> np.ndarray:
    """Return brightness less the mean of its 3x3 surroundings, fp32 [k, size, size]."""
    wide = np.pad(grey.astype(np.float32), ((0, 0), (1, 1), (1, 1)), mode="edge")
    size = grey.shape[1]
    rows = wide[:, :-2] + wide[:, 1:-1] + wide[:, 2:]
    detail: np.ndarray = grey - (rows[:, :, :size] + rows[:, :, 1 : size + 1] + rows[:, :, 2:]) / np.float32(9)
    return detail


def _correlations(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Return each pair's correlation over all its numbers, fp64 [k]; 0 where one of the two is constant."""
    left, right = (values.reshape(len(values), math.prod(values.shape[1:])) for values in (one, two))
    left, right = (values - values.mean(axis=1, keepdims=True) for values in (left, right))
    scale = np.sqrt((left**2).sum(axis=1) * (right**2).sum(axis=1))
    found: np.ndarray = np.divide((left * right).sum(axis=1), scale, out=np.zeros(len(left)), where=scale > 1e-9)
    return found
