"""A head as it is kept: numbers in head.safetensors, and in head.json what to do with them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from suite.spec import SuiteError
from suite.strategies._heads._affine import Affine, Scale

FILES = ("head.safetensors", "head.json")
_WORDS = {
    "features": "of the base checkpoint by `pooling`; of a word, those of its first token",
    "x": "(features - mean) / deviation",
    "values": "x @ weight.T + bias",
    "answers": "values",
}
_LOGARITHMS = "log_softmax(values) for `seen`, which are places in `classes`; the lowest float for the others"


def save(head: Affine, scale: Scale, about: dict[str, object], folder: Path) -> None:
    """Write a head with the scale of its features; `about` goes into head.json, beside what to do with the numbers."""
    from safetensors.numpy import save_file

    arrays = {"weight": head.weight, "bias": head.bias, "mean": scale.mean, "deviation": scale.deviation}
    said = about | _WORDS
    if head.classes is not None:
        said |= {"answers": _LOGARITHMS, "seen": head.classes.tolist()}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: np.ascontiguousarray(array, dtype=np.float64) for name, array in arrays.items()}, folder / FILES[0]
    )
    (folder / FILES[1]).write_text(json.dumps(said, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def load(folder: Path) -> tuple[Affine, Scale]:
    """Return what `save` wrote.

    Raises:
        SuiteError: the folder does not hold it.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        arrays = load_file(folder / FILES[0])
        seen = json.loads((folder / FILES[1]).read_text(encoding="utf-8")).get("seen")
        classes = None if seen is None else np.array(seen, dtype=np.int64)
        return Affine(arrays["weight"], arrays["bias"], classes), Scale(arrays["mean"], arrays["deviation"])
    except (OSError, SafetensorError, ValueError, KeyError, AttributeError) as error:
        raise SuiteError(f"The head in '{folder}' cannot be loaded: {error}") from None
