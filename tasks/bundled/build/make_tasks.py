"""Make the bundled tasks' data: real tasks, small enough to travel with the source.

Run from the root of a checkout; it takes about half a minute and always writes the same rows:

    python tasks/bundled/build/make_tasks.py

WordNet and Fashion-MNIST are read where Debian's wordnet-base and dataset-fashion-mnist put them;
the digits come with scikit-learn. Which rows are taken depends on a hash of each row's content,
never on a random number: 28% of WordNet's glosses are reserved for tasks (see
`wordnet_database.is_reserved`), and pre-training reads only the rest.
"""

import argparse
import io
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Features, Image, List, Value
from definitions import definitions
from entities import Names, entities
from fashion_mnist import FASHION, fashion, image_rows, pixel_hash
from hypernym_graph import HypernymGraph
from hypernyms import hypernyms
from parts import divide
from PIL import Image as PillowImage
from questions import questions
from rows import Row, Splits, balanced, stratified, without_repeats
from similarity import similarity
from sklearn.datasets import load_digits
from wordnet_database import Synset, normalised, rank, read_senses, read_synsets, reserved, used_word

DATA = Path(__file__).resolve().parent.parent / "data"
WORDNET = Path("/usr/share/wordnet")

TEXT = Value("string")
# Every column that a task may have, in the order of the files.
COLUMNS = {
    "question": TEXT,
    "context": TEXT,
    "answers": {"text": List(TEXT), "answer_start": List(Value("int32"))},
    "tokens": List(TEXT),
    "tags": List(TEXT),
    "text": TEXT,
    "text_pair": TEXT,
    "image": Image(),
    "choices": List(TEXT),
    "label": TEXT,
    "labels": List(TEXT),
    "score": Value("float64"),
    "block": TEXT,
}

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
            word, form = used_word(synset.words, example)
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


def _text_rank(salt: str) -> Callable[[Row], int]:
    return lambda row: rank(f"{row['text']}\n{row.get('text_pair', '')}", salt)


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


def write(folder: Path, splits: Splits) -> None:
    """Write train.parquet and test.parquet; `datasets` decodes an image column by itself."""
    first = splits["test"][0]
    names = [name for name in COLUMNS if name in first]
    features = Features({name: COLUMNS[name] for name in names})
    if isinstance(first.get("label"), int):
        features["label"] = Value("int64")
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


def wordnet_tasks(folder: Path) -> dict[str, Splits]:
    """Return the splits of the tasks made of WordNet, by name."""
    synsets = read_synsets(folder)
    graph = HypernymGraph(synsets)
    tasks = {
        "wordnet-supersense": supersense(synsets),
        "wordnet-pos": part_of_speech(synsets),
        "wordnet-relation": relation(synsets),
    }
    parts = divide(synsets, tasks.values())
    return tasks | {
        "wordnet-hypernyms": hypernyms(parts, graph),
        "wordnet-entities": entities(parts, Names(graph, read_senses(folder))),
        "wordnet-definition": definitions(parts),
        "wordnet-similarity": similarity(parts, graph),
        "wordnet-questions": questions(parts, graph),
    }


def main() -> None:
    """Read the sources, write every task."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--wordnet", type=Path, default=WORDNET, help="folder of data.noun, ...")
    parser.add_argument("--fashion-mnist", type=Path, default=FASHION, help="folder of the *.gz")
    parser.add_argument("--out", type=Path, default=DATA, help="folder to write to")
    options = parser.parse_args()
    tasks = wordnet_tasks(options.wordnet) | {"digits": digits()} | fashion(options.fashion_mnist)
    for name, splits in tasks.items():
        write(options.out / name, splits)


if __name__ == "__main__":
    main()
