"""Fashion-MNIST's tasks: which rows each takes, and boards that show several pieces at once.

Pre-training sees the first rows of the train file, the tasks the others. A piece is in one task.
"""

import gzip
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from rows import Row, Splits, balanced, without_repeats
from wordnet_database import rank

FASHION = Path("/usr/share/datasets/fashion-mnist")
FASHION_PRETRAINING_ROWS = 40_000
FASHION_LABELS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
FASHION_TOPS = ("T-shirt/top", "Pullover", "Dress", "Coat", "Shirt")
FIELDS = 4
"""A board has two rows of two fields, each as large as a piece or empty."""


def fashion(folder: Path) -> dict[str, Splits]:
    """Return the tasks' splits by name; no row is in two of them."""
    pieces = _pieces(folder)
    tasks = {
        "fashion-mnist-small": {
            "train": balanced(pieces["train"], _rank, 4000),
            "test": balanced(pieces["test"], _rank, 1000),
        }
    }
    rest = _without(pieces, tasks["fashion-mnist-small"])
    tasks["fashion-tops"] = {
        name: balanced([row for row in rest[name] if row["label"] in FASHION_TOPS], _rank, count)
        for name, count in (("train", 2500), ("test", 1000))
    }
    rest = _without(rest, tasks["fashion-tops"])
    tasks["fashion-grid"] = {"train": _boards(rest["train"], 1200), "test": _boards(rest["test"], 400)}
    return tasks


def _pieces(folder: Path) -> Splits:
    train_pixels, train_labels = read_fashion(folder, "train")
    test_pixels, test_labels = read_fashion(folder, "t10k")
    test = without_repeats(image_rows(test_pixels, test_labels), _rank)
    taken = {pixel_hash(pixels) for pixels in train_pixels[:FASHION_PRETRAINING_ROWS]}
    taken |= {row["hash"] for row in test}
    rows = image_rows(train_pixels[FASHION_PRETRAINING_ROWS:], train_labels[FASHION_PRETRAINING_ROWS:])
    train = without_repeats((row for row in rows if row["hash"] not in taken), _rank)
    return {"train": train, "test": test}


def _without(pieces: Splits, task: Splits) -> Splits:
    used = {row["hash"] for split in task.values() for row in split}
    return {name: [row for row in rows if row["hash"] not in used] for name, rows in pieces.items()}


def _boards(pieces: list[Row], count: int) -> list[Row]:
    """Return boards of two to four pieces side by side, each with the set of articles on it."""
    waiting = iter(balanced(pieces, _board_rank, FIELDS * count))
    return [_board(waiting) for _ in range(count)]


def _board_rank(row: Row) -> int:
    # The other tasks have taken the tops that rank lowest, so here they would come last.
    return rank(row["hash"], "grid")


def _board(waiting: Iterator[Row]) -> Row:
    first = next(waiting)
    pieces = [first, *(next(waiting) for _ in range(1 + _board_rank(first) % 3))]
    free = list(range(FIELDS))
    board = np.zeros((2, 2, *first["pixels"].shape), np.uint8)
    for piece in pieces:
        field = free.pop(piece["rank"] % len(free))
        board[field // 2, field % 2] = piece["pixels"]
    pixels = board.swapaxes(1, 2).reshape(2 * board.shape[2], -1)
    labels = [label for label in FASHION_LABELS if any(piece["label"] == label for piece in pieces)]
    return {"image": {"bytes": _png(pixels), "path": None}, "labels": labels}


def _rank(row: Row) -> int:
    number: int = row["rank"]
    return number


def read_fashion(folder: Path, name: str) -> tuple[np.ndarray, list[str]]:
    """Return (rows, 28, 28) pixels and the label names of Fashion-MNIST's `train` or `t10k`."""
    images = folder / f"{name}-images-idx3-ubyte.gz"
    if not images.is_file():
        raise FileNotFoundError(
            f"No {images}. Expected Fashion-MNIST there; on Debian: apt install dataset-fashion-mnist"
        )
    pixels = np.frombuffer(gzip.decompress(images.read_bytes()), np.uint8, offset=16)
    labels = (folder / f"{name}-labels-idx1-ubyte.gz").read_bytes()
    numbers = np.frombuffer(gzip.decompress(labels), np.uint8, offset=8)
    return pixels.reshape(-1, 28, 28), [FASHION_LABELS[number] for number in numbers]


def pixel_hash(pixels: np.ndarray) -> str:
    """Return what identifies an image: a hash of its size and its grey values."""
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()


def image_rows(pixels: np.ndarray, labels: list[str]) -> list[Row]:
    """Return rows with the image, also as PNG bytes, its hash, and the rank that follows from it."""
    rows = []
    for image, label in zip(pixels, labels, strict=True):
        found = pixel_hash(image)
        content = {"bytes": _png(image), "path": None}
        rows.append({"image": content, "label": label, "pixels": image, "hash": found, "rank": int(found[:16], 16)})
    return rows


def _png(pixels: np.ndarray) -> bytes:
    # Stored, not deflated: the parquet file's zstd packs all images together, and smaller.
    buffer = io.BytesIO()
    PillowImage.fromarray(pixels).save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()
