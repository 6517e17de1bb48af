"""What measures of transferability look at: features of a task's training rows, and a source head's answers to them."""

from __future__ import annotations

from typing import Any

import numpy as np

from suite.features import Reader, Words, words
from suite.strategies import Job, Part

MOST_ROWS = 20_000
"""Rows, choices or words that are measured; more cost time and hardly move a measure."""


def labelled(reader: Reader, part: Part) -> tuple[np.ndarray, np.ndarray]:
    """Return features [n, width] of the training rows and their targets.

    A target is a class index, a number, 0 or 1 a label [n, k], a word's tag, or whether a choice is the right one.

    Raises:
        SuiteError: the features cannot be had; the message says why.
    """
    rows = part.train
    if part.per_token:
        of_words: Words = reader.read_words(rows.items, rows.lengths, rows.ids)
        tags = np.concatenate([np.asarray(item["labels"])[words(item)] for item in rows.items])
        return _some(of_words.values, tags)
    found = reader.read(rows.items, rows.lengths, rows.ids)
    labels = np.asarray(rows.labels)
    if found.ndim == 3:
        right = (labels[:, None] == np.arange(found.shape[1])).ravel()
        return _some(found.reshape(-1, found.shape[-1]), right.astype(np.int64))
    return _some(found, labels)


def _some(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return at most so many rows, always the same ones."""
    if len(x) <= MOST_ROWS:
        return x, y
    kept = np.sort(np.random.default_rng(0).permutation(len(x))[:MOST_ROWS])
    return x[kept], y[kept]


def head_says(job: Job) -> np.ndarray | None:
    """Return the probabilities [n, z] that a checkpoint's own trained head gives to the training rows.

    None where it has none: a body alone, a random twin, a head for words, numbers or several labels.

    Raises:
        SuiteError: the weights cannot be loaded.
    """
    from suite import models

    source = models.open_source(job.spec.checkpoint)
    outputs = _head_size(source.config)
    if job.spec.checkpoint.init == "random" or outputs < 2:
        return None
    model = models.load(job.spec.checkpoint, outputs, 0)
    if not _put_head(model, source):
        return None
    return _asked(model.to(job.device), job.part)


def _head_size(config: dict[str, Any]) -> int:
    """Return how many classes a checkpoint's config says that its head tells apart; 0 where it is no such head."""
    if "architecture" in config and config.get("model_type") in (None, "timm_wrapper"):
        told = config.get("num_classes", (config.get("pretrained_cfg") or {}).get("num_classes", 0))
        return int(told or 0)
    names = config.get("architectures") or [""]
    classifies = str(names[0]).endswith(("ForSequenceClassification", "ForImageClassification"))
    one_class = config.get("problem_type") in (None, "single_label_classification")
    return len(config.get("id2label") or (0, 1)) if classifies and one_class else 0


def _put_head(model: Any, source: Any) -> bool:
    """Give a model the head that its checkpoint has; return whether there is one, whole."""
    from safetensors import safe_open

    wanted = {
        name: value.shape
        for name, value in model.net.state_dict().items()
        if name.startswith(tuple(f"{head}." for head in model.head))
    }
    found = {}
    for path in sorted(source.folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for stored in file.keys():  # noqa: SIM118  # it is no mapping
                name = stored.removeprefix("timm_model.")
                if name in wanted:
                    found[name] = file.get_tensor(stored)
    if not wanted or any(name not in found or found[name].shape != shape for name, shape in wanted.items()):
        return False
    model.net.load_state_dict(found, strict=False)
    return True


def _asked(model: Any, part: Part) -> np.ndarray:
    from suite.outputs import map_batches

    def probabilities(batch: dict[str, Any]) -> Any:
        batch.pop("labels", None)
        return model.logits(**batch).float().softmax(-1)

    rows = part.train
    return np.asarray(map_batches(model, probabilities, rows.items, rows.lengths, part.collate))
