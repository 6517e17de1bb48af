"""Tiny tasks of every kind, written as files: rows that share their texts, and images of a colour."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from conftest import BAD, COLOURS, GOOD, sentences, write_task

TEXTS = {
    "text_classification": ("{text: text, label: mood}", ""),
    "multi_label_classification": ("{text: text, labels: labels}", ""),
    "text_similarity": ("{text: text, text_pair: other, score: score}", ""),
    "token_classification": ("{tokens: words, tags: tags}", "labels: [O, B-GOOD, B-BAD]\n"),
    "multiple_choice": ("{text: text, choices: choices, label: right}", ""),
    "question_answering": ("{question: question, context: text, answers: answers}", ""),
}
"""How each kind of texts names the columns of `_row`."""

IMAGES = {
    "image_classification": ("{image: image, label: colour}", ""),
    "image_multi_label_classification": ("{image: image, labels: colours}", ""),
}


def _row(row: int, text: str, label: str, other: str) -> dict[str, Any]:
    words = text.split()
    telling = next(word for word in words if word in GOOD + BAD)
    answers = {"text": [telling], "answer_start": [text.index(telling)]}
    return {
        "text": text,
        "other": other,
        "mood": label,
        "labels": [label] + ["long"] * (len(words) > 7),
        "score": len(words) / 2,
        "words": words,
        "tags": ["B-GOOD" if word in GOOD else "B-BAD" if word in BAD else "O" for word in words],
        "choices": [GOOD[row % 10], BAD[row % 7]][:: -1 if row % 3 else 1],
        "right": int((label == "good") == bool(row % 3)),
        "question": "it was",
        "answers": answers if row % 5 else {"text": [], "answer_start": []},
    }


def write_tasks(folder: Path, rows: tuple[int, int] = (48, 24)) -> dict[str, Path]:
    """Return the task file of each kind, with so many rows to train and to test."""
    import datasets

    for split, n, seed in (("train", rows[0], 1), ("test", rows[1], 2)):
        pairs = zip(sentences(n, seed), sentences(n, seed + 10), strict=True)
        some = [_row(row, a["sentence"], a["label"], b["sentence"]) for row, (a, b) in enumerate(pairs)]
        datasets.Dataset.from_list(some).to_parquet(folder / f"{split}.parquet")
    pictures = folder / "pictures"
    pictures.mkdir()
    for split, n, seed in (("train", rows[0], 5), ("test", rows[1], 6)):
        _pictures(n, seed).to_parquet(pictures / f"{split}.parquet")
    return {
        kind: write_task(pictures if kind in IMAGES else folder, kind.replace("_", "-"), kind, columns, "parquet", more)
        for kind, (columns, more) in (TEXTS | IMAGES).items()
    }


def _pictures(n: int, seed: int) -> Any:
    import datasets
    from PIL import Image

    generator = np.random.default_rng(seed)
    names = [list(COLOURS)[i % len(COLOURS)] for i in range(n)]
    pixels = [np.array(COLOURS[name]) + generator.integers(-90, 90, (32, 32, 3)) for name in names]
    images = [Image.fromarray(p.clip(0, 255).astype(np.uint8)) for p in pixels]
    several = [[name] + ["odd"] * (place % 2) for place, name in enumerate(names)]
    rows = {"image": images, "colour": names, "colours": several}
    return datasets.Dataset.from_dict(rows).cast_column("image", datasets.Image())
