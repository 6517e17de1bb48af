"""Data as a checkpoint takes it, prepared once and kept in the cache: tokens, and images cut to size.

    prepared/tokens/3f/3f9c...-0.safetensors      the address is the hash of all that the numbers depend on
    prepared/images/a1/a17e...-12.safetensors     rows 3072 to 3327, as bytes
    prepared/notes/77/77b0...-0.json              a few numbers about rows: they outlive what they are about

A file is written whole or not at all and says its own digest: one that is damaged counts as none and is made anew, so
that what comes out is bit for bit what would be prepared. It is read through a memory map, which the processes of a
machine share. What was used longest ago goes when all of it takes more than `most_bytes()`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import JsonValue
from safetensors.numpy import save

from suite import files
from suite.environment import versions
from suite.resources import cache_folder
from suite.spec import SuiteError, canonical_json, digest

MOST_BYTES = 20_000_000_000
"""All prepared data together take at most so many bytes of the cache, unless the environment says otherwise."""

LIMIT = "TRANSFER_SUITE_PREPARED_BYTES"
"""The environment variable with another number of bytes; 0 keeps nothing."""

LEAST_TEXTS = 10_000
"""So many texts are worth a file: fewer are tokenised in half a second, and reading them takes a quarter of that."""

LEAST_IMAGES = 64
"""So many images are worth a file: fewer are looked at, and not a data set."""

LEAST_PIXELS = 128 * 128
"""Images of so many pixels are worth a file: smaller ones are decoded about as fast as they are read."""

ROWS = 256
"""Images in one file."""

FORMAT = 1
_LIBRARIES = ("torch", "torchvision", "transformers", "tokenizers", "timm", "pillow")
_DTYPES: dict[str, Any] = {"U8": np.uint8, "I32": np.int32}

Arrays = Mapping[str, np.ndarray]
Items = list[dict[str, Any]]


@dataclass(frozen=True)
class Address:
    """Where something prepared is kept: what sort of thing it is, and the hash of all that it depends on."""

    sort: str
    key: str

    def path(self, part: int = 0, form: str = "safetensors") -> Path:
        """Return the file of a part."""
        return _folder() / self.sort / self.key[:2] / f"{self.key}-{part}.{form}"


def address(sort: str, about: Mapping[str, JsonValue], content: Iterable[bytes]) -> Address:
    """Return the address of what is made of some content in a way that `about` describes."""
    total = hashlib.sha256(canonical_json([FORMAT, about, _libraries()]).encode())
    for piece in content:
        total.update(len(piece).to_bytes(8, "little"))
        total.update(piece)
    return Address(sort, total.hexdigest())


def _libraries() -> dict[str, str | None]:
    import PIL

    return {name: versions().get(name) for name in _LIBRARIES} | {"pillow": PIL.__version__}


def find(at: Address, part: int = 0) -> dict[str, np.ndarray] | None:
    """Return what is kept there, read-only and memory-mapped; None if nothing is, or what is there is damaged."""
    path = at.path(part)
    try:
        found = _read(path)
        os.utime(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return found


def keep(at: Address, arrays: Arrays, part: int = 0) -> None:
    """Keep arrays, and let go of what was used longest ago if there is too much; what cannot be kept is told once.

    Raises:
        SuiteError: the environment variable that limits it is no number.
    """
    most = most_bytes()
    size = sum(array.nbytes for array in arrays.values())
    if size > most:
        return
    make_room(most - size)
    content = save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, {"digest": _digest(arrays)})
    files.keep(at.path(part), content, "Prepared data")


def most_bytes() -> int:
    """Return how much may be kept.

    Raises:
        SuiteError: the environment says something that is no number.
    """
    said = os.environ.get(LIMIT, str(MOST_BYTES))
    if not said.isdecimal():
        raise SuiteError(f"{LIMIT} is '{said}'; expected a number of bytes, 0 to keep no prepared data.")
    return int(said)


def make_room(most: int) -> None:
    """Take away what was used longest ago until at most so many bytes are left."""
    there = sorted(_sizes(_folder()), reverse=True)
    total = sum(size for _, size, _ in there)
    while there and total > most:
        _, size, path = there.pop()
        with contextlib.suppress(OSError):  # another process was faster
            path.unlink()
        total -= size


def _sizes(folder: Path) -> Iterator[tuple[int, int, Path]]:
    """Yield when each kept file was last used, its bytes and its path."""
    for path in folder.glob("*/??/*.safetensors"):
        with contextlib.suppress(OSError):
            about = path.stat()
            yield about.st_mtime_ns, about.st_size, path


def _folder() -> Path:
    return cache_folder() / "prepared"


def _read(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a file as maps of it.

    Raises:
        OSError: there is none.
        ValueError: it is not what was written; so do KeyError, TypeError and AttributeError say.
    """
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > path.stat().st_size:
            raise ValueError("the header is longer than the file")
        header: dict[str, Any] = json.loads(stream.read(length))
    said = header.pop("__metadata__")["digest"]
    arrays: dict[str, np.ndarray] = {}
    for name, one in header.items():
        start, end = one["data_offsets"]
        dtype, shape = _DTYPES[one["dtype"]], tuple(one["shape"])
        if end - start != int(np.prod(shape)) * np.dtype(dtype).itemsize:
            raise ValueError("an array has not the size that it should have")
        empty = end == start  # nothing can be mapped
        arrays[name] = np.zeros(shape, dtype) if empty else np.memmap(path, dtype, "r", 8 + length + start, shape)
    if _digest(arrays) != said:
        raise ValueError("the content is not what was written")
    return arrays


def _digest(arrays: Arrays) -> str:
    total = hashlib.sha256()
    for name in sorted(arrays):
        total.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}\n".encode())
        total.update(np.ascontiguousarray(arrays[name]).data)
    return total.hexdigest()


# -- notes -------------------------------------------------------------------------------------------------------------

Note = dict[str, list[int]]


def note(at: Address) -> Note | None:
    """Return the numbers that are noted there; None if none are, or what is there is damaged."""
    try:
        found = json.loads(at.path(form="json").read_bytes())
        said: Note = found["said"]
        return said if found["digest"] == digest(canonical_json(said).encode()) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def keep_note(at: Address, said: Note) -> None:
    """Note a few numbers, unless nothing is to be kept; a note takes some hundred bytes, and does not count as data.

    Raises:
        SuiteError: the environment variable that limits what is kept is no number.
    """
    if most_bytes():
        content = canonical_json({"said": said, "digest": digest(canonical_json(said).encode())})
        files.keep(at.path(form="json"), content.encode(), "What was noted of prepared data")


# -- tokens ------------------------------------------------------------------------------------------------------------


def tokens(at: Address, make: Callable[[], tuple[Items, list[int]]]) -> tuple[Items, list[int]]:
    """Return items of token numbers and which of them were cut, as `make` does or as it did before.

    Items that are no lists of whole numbers, the same names in each, are made and not kept.
    """
    found = find(at)
    if found is not None:
        return _unpacked(found)
    items, cut = make()
    packed = _packed(items, cut)
    if packed is not None:
        keep(at, packed)
    return items, cut


def _packed(items: Items, cut: Sequence[int]) -> dict[str, np.ndarray] | None:
    """Return all items' numbers one behind the other, int32 each name, with the items' lengths."""
    names = list(items[0])
    if any(list(item) != names or len({len(of) for of in item.values()}) > 1 for item in items):
        return None
    lengths = [len(item[names[0]]) for item in items]
    whole = {}
    for place, name in enumerate(names):
        numbers = [number for item in items for number in item[name]]
        if set(map(type, numbers)) - {int}:  # numpy would cut fractions off
            return None
        try:
            whole[f"item {place} {name}"] = np.array(numbers, np.int32)
        except OverflowError:
            return None
    return whole | {"lengths": np.array(lengths, np.int32), "cut": np.array(cut, np.int32)}


def _unpacked(found: Arrays) -> tuple[Items, list[int]]:
    ends = np.cumsum(found["lengths"], dtype=np.int64).tolist()
    starts = [0, *ends[:-1]]
    places = sorted((name for name in found if name.startswith("item ")), key=lambda name: int(name.split(" ")[1]))
    numbers = {place.split(" ", 2)[2]: found[place].tolist() for place in places}
    items = [{name: of[start:end] for name, of in numbers.items()} for start, end in zip(starts, ends, strict=True)]
    return items, found["cut"].tolist()
