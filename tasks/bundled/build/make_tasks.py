"""Make the bundled tasks' data: real tasks, small enough to travel with the source.

Run from the root of a checkout; it takes about half a minute and always writes the same rows:

    python tasks/bundled/build/make_tasks.py

WordNet and Fashion-MNIST are read where Debian's wordnet-base and dataset-fashion-mnist put them;
the digits come with scikit-learn. Which rows are taken depends on a hash of each row's content,
never on a random number: 28% of WordNet's glosses are reserved for tasks (see
`wordnet_database.is_reserved`), and pre-training reads only the rest.
"""

import argparse
import gzip
import hashlib
import io
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Features, Image, Value
from PIL import Image as PillowImage
from sklearn.datasets import load_digits
from wordnet_database import Synset, is_reserved, normalised, rank, read_synsets

DATA = Path(__file__).resolve().parent.parent / "data"
WORDNET = Path("/usr/share/wordnet")
FASHION = Path("/usr/share/datasets/fashion-mnist")

# Pre-training sees the first rows of Fashion-MNIST's train file, the tasks the others.
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

# The noun categories with at least 280 reserved glosses.
SUPERSENSES = (
    "act",
    "animal",
    "artifact",
    "attribute",
    "body",
    "cognition",
    "communication",
    "food",
    "group",
    "location",
    "object",
    "person",
    "plant",
    "possession",
    "quantity",
    "state",
    "substance",
    "time",
)
PARTS_OF_SPEECH = ("noun", "verb", "adjective")
RELATIONS = {("@", "n"), ("@", "v"), ("#p", "n"), ("&", "a")}

Row = dict[str, Any]
Splits = dict[str, list[Row]]


def supersense(synsets: list[Synset]) -> Splits:
    """Return definitions of nouns with their WordNet category, balanced."""
    rows = [
        {"text": synset.definition, "label": synset.lexname}
        for synset in reserved(synsets)
        if synset.lexname.removeprefix("noun.") in SUPERSENSES
    ]
    return stratified(rows, lambda row: rank(row["text"], "supersense"), train=4000, test=1000)


def part_of_speech(synsets: list[Synset]) -> Splits:
    """Return "word: usage example" with the word's part of speech; no word is in both splits."""
    pools: Splits = {"train": [], "test": []}
    for synset in reserved(synsets):
        if synset.part_of_speech not in PARTS_OF_SPEECH:
            continue
        for example in synset.examples:
            word, form = _used_word(synset.words, example)
            if word:
                in_test = rank(word, "pos split") < 0.2 * 2**64
                row = {"text": f"{form}: {example}", "label": synset.part_of_speech}
                pools["test" if in_test else "train"].append(row)
    key = _text_rank("pos")
    return {
        "train": balanced(without_repeats(pools["train"], key), key, 4000),
        "test": balanced(without_repeats(pools["test"], key), key, 1000),
    }


def relation(synsets: list[Synset]) -> Splits:
    """Return pairs of "word: gloss" and a gloss, half related, half with the seconds swapped round.

    An unrelated pair is made of two related ones, so neither side alone tells the label: each
    class has the same distribution of first glosses and of second glosses. The second goes without
    its word, which the first gloss would often repeat.
    """
    by_key = {synset.key: synset for synset in synsets}
    examples = {normalised(example) for synset in synsets for example in synset.examples}
    # "a professional cook" is a gloss and, elsewhere, an example that pre-training may read.
    usable = [syn for syn in reserved(synsets) if normalised(syn.definition) not in examples]
    pairs = _related_pairs(usable)
    test_pairs = [pair for pair in pairs if rank(pair[2].definition, "rel") < 0.22 * 2**64]
    seen = {synset.key for pair in test_pairs for synset in pair[1:]}
    train_pairs = [pair for pair in pairs if seen.isdisjoint({pair[1].key, pair[2].key})]
    return {
        name: balanced(_with_swapped_half(pool, by_key), _text_rank("relation"), count)
        for name, pool, count in (("train", train_pairs, 4000), ("test", test_pairs, 1000))
    }


def reserved(synsets: Iterable[Synset]) -> Iterator[Synset]:
    """Yield the synsets that tasks may use: reserved, and with a gloss of their own."""
    synsets = list(synsets)
    uses = Counter(normalised(synset.definition) for synset in synsets)
    for synset in synsets:
        if is_reserved(synset.definition) and uses[normalised(synset.definition)] == 1:
            yield synset


def _text_rank(salt: str) -> Callable[[Row], int]:
    return lambda row: rank(f"{row['text']}\n{row.get('text_pair', '')}", salt)


def _used_word(words: tuple[str, ...], example: str) -> tuple[str, str]:
    """Return the synset's word that the example uses and the form it has there, else blanks."""
    for word in words:
        stem = re.escape(word.lower().removesuffix("e"))
        end = r"(?:e?s|e?d|ing)?" if stem == word.lower() else r"(?:e|es|ed|ing)"
        found = re.search(rf"\b{stem}{end}\b", example.lower())
        if found:
            return word.lower(), found.group()
    return "", ""


def _related_pairs(synsets: list[Synset]) -> list[tuple[str, Synset, Synset]]:
    """Return (relation, first, second), each first once and each second at most four times."""
    by_key = {synset.key: synset for synset in synsets}
    pairs = []
    firsts: set[str] = set()
    seconds: Counter[str] = Counter()
    for synset in sorted(synsets, key=lambda synset: rank(synset.definition, "pairs")):
        for symbol, key in synset.pointers:
            wanted = (symbol, key[0]) in RELATIONS and key[0] == synset.key[0] and key in by_key
            if wanted and synset.key not in firsts and key not in firsts and seconds[key] < 4:
                firsts.add(synset.key)
                seconds[key] += 1
                pairs.append((symbol + key[0], synset, by_key[key]))
    return pairs


def _with_swapped_half(pairs: list[tuple[str, Synset, Synset]], by_key: dict[str, Synset]) -> list[Row]:
    groups = defaultdict(list)
    for symbol, first, second in pairs:
        groups[symbol].append((first, second))
    rows = []
    for group in groups.values():
        rows += [_pair_row(first, second, "related") for first, second in group[0::2]]
        # WordNet's order is by topic, so half a list away is another topic.
        swapped = sorted(group[1::2], key=lambda pair: pair[1].key)
        half = len(swapped) // 2
        for i, (first, _) in enumerate(swapped):
            second = swapped[(i + half) % len(swapped)][1]
            if second.key not in _ancestors(first, by_key) | {first.key}:
                rows.append(_pair_row(first, second, "unrelated"))
    return rows


def _pair_row(first: Synset, second: Synset, label: str) -> Row:
    return {
        "text": f"{first.words[0]}: {first.definition}",
        "text_pair": second.definition,
        "label": label,
    }


def _ancestors(synset: Synset, by_key: dict[str, Synset]) -> set[str]:
    """Return the keys that the task's relations lead to from a synset, however far."""
    found: set[str] = set()
    waiting = [synset]
    while waiting:
        for symbol, key in waiting.pop().pointers:
            if (symbol, key[0]) in RELATIONS and key not in found:
                found.add(key)
                waiting.append(by_key[key])
    return found


def digits() -> Splits:
    """Return scikit-learn's 8x8 scans of handwritten digits, 0..16 stretched to 0..255."""
    scans, targets = load_digits(return_X_y=True)
    pixels = np.rint(scans.reshape(-1, 8, 8) * 255 / 16).astype(np.uint8)
    rows = image_rows(pixels, [str(target) for target in targets])
    rows = without_repeats(rows, lambda row: row["rank"])
    return stratified(rows, lambda row: row["rank"], train=len(rows) - 500, test=500)


def fashion(folder: Path) -> tuple[Splits, Splits]:
    """Return the splits of fashion-mnist-small and of fashion-tops, which share no row."""
    train_pixels, train_labels = read_fashion(folder, "train")
    test_pixels, test_labels = read_fashion(folder, "t10k")
    test = without_repeats(image_rows(test_pixels, test_labels), lambda row: row["rank"])
    taken = {pixel_hash(pixels) for pixels in train_pixels[:FASHION_PRETRAINING_ROWS]}
    taken |= {row["hash"] for row in test}
    rows = image_rows(train_pixels[FASHION_PRETRAINING_ROWS:], train_labels[FASHION_PRETRAINING_ROWS:])
    train = without_repeats((row for row in rows if row["hash"] not in taken), lambda row: row["rank"])

    def key(row: Row) -> int:
        return row["rank"]

    small = {"train": balanced(train, key, 4000), "test": balanced(test, key, 1000)}
    used = {row["hash"] for split in small.values() for row in split}
    tops = {
        name: balanced(
            [row for row in pool if row["hash"] not in used and row["label"] in FASHION_TOPS],
            key,
            count,
        )
        for name, pool, count in (("train", train, 2500), ("test", test, 1000))
    }
    return small, tops


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
    """Return rows with the image as PNG bytes, its hash, and the rank that follows from it."""
    rows = []
    for image, label in zip(pixels, labels, strict=True):
        found = pixel_hash(image)
        content = {"bytes": _png(image), "path": None}
        rows.append({"image": content, "label": label, "hash": found, "rank": int(found[:16], 16)})
    return rows


def _png(pixels: np.ndarray) -> bytes:
    # Stored, not deflated: the parquet file's zstd packs all images together, and smaller.
    buffer = io.BytesIO()
    PillowImage.fromarray(pixels).save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()


def without_repeats(rows: Iterable[Row], key: Callable[[Row], int]) -> list[Row]:
    """Return the rows, of those with equal keys the first."""
    return list({key(row): row for row in reversed(list(rows))}.values())


def balanced(rows: list[Row], key: Callable[[Row], int], count: int) -> list[Row]:
    """Return the `count` rows lowest by key with the labels as even as can be, in key order.

    Raises:
        ValueError: a label has too few rows.
    """
    by_label = _by_label(rows, key)
    quotas = _quotas({label: count / len(by_label) for label in by_label}, count)
    picked = []
    for label, quota in quotas.items():
        if len(by_label[label]) < quota:
            raise ValueError(f"Label {label!r} has {len(by_label[label])} rows, {quota} are needed")
        picked += by_label[label][:quota]
    return sorted(picked, key=key)


def stratified(rows: list[Row], key: Callable[[Row], int], train: int, test: int) -> Splits:
    """Return train and test with the same label shares: even where the labels have enough rows."""
    if train + test < len(rows):
        rows = balanced(rows, key, train + test)
    by_label = _by_label(rows, key)
    shares = {label: test * len(group) / len(rows) for label, group in by_label.items()}
    quotas = _quotas(shares, test)
    return {
        "train": sorted((r for lab, g in by_label.items() for r in g[quotas[lab] :]), key=key),
        "test": sorted((r for lab, g in by_label.items() for r in g[: quotas[lab]]), key=key),
    }


def _by_label(rows: list[Row], key: Callable[[Row], int]) -> dict[str, list[Row]]:
    by_label: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=key):
        by_label[row["label"]].append(row)
    return dict(sorted(by_label.items()))


def _quotas(shares: dict[str, float], count: int) -> dict[str, int]:
    """Return whole numbers close to the shares that add up to `count`: largest remainder."""
    quotas = {label: int(share) for label, share in shares.items()}
    by_remainder = sorted(shares, key=lambda label: (quotas[label] - shares[label], label))
    for label in by_remainder[: count - sum(quotas.values())]:
        quotas[label] += 1
    return quotas


def write(folder: Path, splits: Splits) -> None:
    """Write train.parquet and test.parquet; `datasets` decodes an image column by itself."""
    names = [name for name in ("text", "text_pair", "image", "label") if name in splits["test"][0]]
    features = Features({name: Image() if name == "image" else Value("string") for name in names})
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in splits.items():
        columns = {name: [row[name] for row in rows] for name in names}
        table = pa.table(columns, schema=features.arrow_schema)
        path = folder / f"{split}.parquet"
        pq.write_table(table, path, compression="zstd", compression_level=19, use_dictionary=["label"])
        print(f"{path}: {len(rows)} rows, {path.stat().st_size / 1000:.0f} kB")


def task_texts(data: Path) -> set[str]:
    """Return every text in the bundled tasks' files, normalised, pairs apart."""
    texts: set[str] = set()
    for path in sorted(data.glob("*/*.parquet")):
        table = pq.read_table(path)
        for name in {"text", "text_pair"}.intersection(table.column_names):
            texts.update(normalised(text) for text in table[name].to_pylist())
    return texts


def task_pixel_hashes(data: Path) -> set[str]:
    """Return the pixel hash of every image in the bundled tasks' files."""
    hashes: set[str] = set()
    for path in sorted(data.glob("*/*.parquet")):
        table = pq.read_table(path)
        if "image" in table.column_names:
            for content in table["image"].to_pylist():
                image = PillowImage.open(io.BytesIO(content["bytes"]))
                hashes.add(pixel_hash(np.asarray(image)))
    return hashes


def main() -> None:
    """Read the sources, write every task."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--wordnet", type=Path, default=WORDNET, help="folder of data.noun, ...")
    parser.add_argument("--fashion-mnist", type=Path, default=FASHION, help="folder of the *.gz")
    parser.add_argument("--out", type=Path, default=DATA, help="folder to write to")
    options = parser.parse_args()
    synsets = read_synsets(options.wordnet)
    small, tops = fashion(options.fashion_mnist)
    tasks = {
        "wordnet-supersense": supersense(synsets),
        "wordnet-pos": part_of_speech(synsets),
        "wordnet-relation": relation(synsets),
        "digits": digits(),
        "fashion-mnist-small": small,
        "fashion-tops": tops,
    }
    for name, splits in tasks.items():
        write(options.out / name, splits)


if __name__ == "__main__":
    main()
