"""What looking for test rows among training rows costs and finds.

python benchmarks/contamination.py                       the bundled tasks, and 9,000 short texts; seconds of one core
python benchmarks/contamination.py FOLDER [SHEET.png]    Fashion-MNIST as its four files hold it (Debian:
                                                         dataset-fashion-mnist, /usr/share/datasets/fashion-mnist): all
                                                         70,000 pictures, planted copies, and a sheet of what was found
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["TRANSFER_SUITE_CACHE"] = tempfile.mkdtemp(prefix="transfer-suite-contamination-")

import numpy as np
from PIL import Image, ImageEnhance

from suite import contamination, data, tasks
from suite.data import Split, TaskData

KINDS = {"train": "train", "test": "t10k"}
COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG 90": lambda image: through_jpeg(image, 90),
    "JPEG 75": lambda image: through_jpeg(image, 75),
    "shifted by (1, 0)": lambda image: shifted(image, 1, 0),
    "shifted by (-1, 1)": lambda image: shifted(image, -1, 1),
    "shifted, JPEG 75": lambda image: through_jpeg(shifted(image, 1, 0), 75),
    "brightness 1.2": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "brightness 0.7": lambda image: ImageEnhance.Brightness(image).enhance(0.7),
    "contrast 0.8": lambda image: ImageEnhance.Contrast(image).enhance(0.8),
    "twice as large": lambda image: image.resize((56, 56), Image.Resampling.BICUBIC),
    "0.7 times as large": lambda image: image.resize((19, 19), Image.Resampling.LANCZOS),
}


def split(name: str, **columns: list) -> Split:
    """Return a split of these columns."""
    rows = zip(*columns.values(), strict=True)
    return Split(name, columns, [hashlib.sha256(repr(row).encode()).hexdigest() for row in rows])


def looked(name: str, train: Split, test: Split) -> contamination.Found:
    """Look, and print what it found and cost: at first, and again."""
    seconds = []
    rows = TaskData(train, train.take([]), test, None)
    for _ in range(2):
        started = time.process_time()
        found = contamination.look({name: (rows,)})[name]
        seconds.append(time.process_time() - started)
    told = found.report()
    print(
        f"{name:<22} {len(train):>7,} train {len(test):>7,} test  exact {told['exact']:>3} near {told['near']:>3} "
        f"other label {told['other_label']:>3}  {seconds[0]:7.2f} s, again {seconds[1] * 1000:.0f} ms",
        flush=True,
    )
    return found


def look_at_bundled() -> None:
    """Look at the bundled tasks and at made-up texts."""
    for name in tasks.load_collection("bundled").tasks:
        (task,) = tasks.load(name)
        rows = data.load(task, tasks.local_files(task), {})
        columns = {
            column: rows.train.columns[column] + rows.validation.columns[column] for column in rows.train.columns
        }
        looked(name, Split("train", columns, rows.train.hashes + rows.validation.hashes), rows.test)
    generator = random.Random(0)
    words = ["".join(generator.choices("abcdefghijklmnop", k=generator.randint(2, 8))) for _ in range(3000)]
    made = [" ".join(generator.choices(words, k=12)) for _ in range(9000)]
    parts = (("train", made[:8000]), ("test", made[8000:]))
    looked("9,000 short texts", *(split(name, text=texts, label=["x"] * len(texts)) for name, texts in parts))


def look_at_fashion_mnist(folder: Path, sheet: Path | None) -> None:
    """Look at all of Fashion-MNIST, plant copies of its test pictures, and draw the pairs that were found."""
    pixels, splits = {}, {}
    for name, kind in KINDS.items():
        images = gzip.decompress((folder / f"{kind}-images-idx3-ubyte.gz").read_bytes())
        labels = gzip.decompress((folder / f"{kind}-labels-idx1-ubyte.gz").read_bytes())
        pixels[name] = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28)
        splits[name] = split(name, image=[png(Image.fromarray(p)) for p in pixels[name]], label=list(labels[8:]))
    test, train = splits["test"], splits["train"]
    some = test.take(np.random.default_rng(0).choice(len(test), 400, replace=False).tolist())
    for how, copy in COPIES.items():
        copies = [png(copy(Image.open(io.BytesIO(file)).convert("RGB"))) for file in some.columns["image"]]
        looked(how, split("train", image=copies, label=some.columns["label"]), some)
    looked("10,000 pictures", train.take(range(8000)), test.take(range(2000)))
    found = looked("all of it", train, test)
    if sheet:
        places = {row: place for place, row in enumerate(train.hashes)}
        order = sorted(np.flatnonzero(found.seen), key=lambda row: -found.similarity[row])
        pairs = [(pixels["test"][row], pixels["train"][places[found.match[row]]]) for row in order]
        draw(pairs, sheet)


def draw(pairs: list[tuple[np.ndarray, np.ndarray]], sheet: Path) -> None:
    """Draw pairs of pictures, six a row, the most alike first."""
    cells = [np.pad(np.hstack(pair).repeat(4, 0).repeat(4, 1), 4, constant_values=255) for pair in pairs]
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % 6)
    Image.fromarray(np.vstack([np.hstack(cells[i : i + 6]) for i in range(0, len(cells), 6)])).save(sheet)
    print(f"{sheet} shows {len(pairs)} pairs.")


def png(image: Image.Image) -> bytes:
    """Return the picture as a file."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def through_jpeg(image: Image.Image, quality: int) -> Image.Image:
    """Return the picture after JPEG."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def shifted(image: Image.Image, x: int, y: int) -> Image.Image:
    """Return the picture moved, black where nothing is known of it."""
    moved = Image.new(image.mode, image.size)
    moved.paste(image, (x, y))
    return moved


if __name__ == "__main__":
    if len(sys.argv) > 1:
        look_at_fashion_mnist(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
    else:
        look_at_bundled()
