"""A checkpoint's own tokenizer or image transform, as it was when the checkpoint was made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from suite.models import Source, open_source
from suite.spec import CheckpointRef, Modality, SuiteError


def load(ref: CheckpointRef, modality: Modality, max_length: int) -> tuple[Any, int]:
    """Return the tokenizer or the image transform of a checkpoint, and the longest input in tokens.

    An image transform takes a PIL image and returns float32 [channels, height, width].

    Raises:
        SuiteError: the checkpoint reads the other modality, or its tokenizer cannot be loaded.
    """
    source = open_source(ref)
    if source.modality != modality:
        raise SuiteError(f"{ref.name} reads {source.modality}s; the task gives {modality}s.")
    if modality == "text":
        return _tokenizer(ref, source, max_length)
    if source.library == "timm":
        return _timm_transform(source), max_length
    return _transformers_transform(ref, source), max_length


def _tokenizer(ref: CheckpointRef, source: Source, max_length: int) -> tuple[Any, int]:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(source.folder, trust_remote_code=False)
    except Exception as error:  # every tokenizer class has errors of its own
        raise SuiteError(f"{ref.name}: its tokenizer cannot be loaded: {str(error).splitlines()[0]}") from error
    files = sorted(tokenizer.vocab_files_names.values())  # one of bytes or characters needs none
    if files and not any((source.folder / file).is_file() for file in files):
        # transformers makes up one of special tokens alone, to which every word is unknown
        raise SuiteError(f"{ref.name} has no tokenizer; expected {' or '.join(files)}.")
    if tokenizer.pad_token is None:
        raise SuiteError(f"{ref.name}: its tokenizer has no padding token, so that texts cannot be batched.")
    positions = source.config.get("max_position_embeddings") or 0
    offset = 2 if source.config.get("model_type") in ("roberta", "xlm-roberta", "camembert", "mpnet") else 0
    most = int(positions) - offset if positions > 0 else max_length
    return tokenizer, min(max_length, tokenizer.model_max_length, most)


def _timm_transform(source: Source) -> Callable[[Any], Any]:
    from timm.data.config import resolve_data_config
    from timm.data.transforms_factory import create_transform
    from timm.models import get_pretrained_cfg

    known: Any = get_pretrained_cfg(source.config["architecture"])
    if known is None:
        raise SuiteError(f"timm has no architecture '{source.config['architecture']}'; is a newer timm needed?")
    stored = source.config.get("pretrained_cfg") or known.to_dict()  # transformers' save_pretrained leaves it out
    settings: Any = resolve_data_config(pretrained_cfg=stored, verbose=False)  # type: ignore[no-untyped-call]
    transform: Any = create_transform(**settings, is_training=False)
    return lambda image: transform(image).numpy()


def _transformers_transform(ref: CheckpointRef, source: Source) -> Callable[[Any], Any]:
    from transformers import AutoImageProcessor

    try:
        processor: Any = AutoImageProcessor.from_pretrained(  # type: ignore[no-untyped-call]
            source.folder, trust_remote_code=False
        )
    except Exception as error:  # every processor class has errors of its own
        reason = str(error).splitlines()[0]
        raise SuiteError(f"{ref.name}: its image processor cannot be loaded: {reason}") from error
    return lambda image: np.asarray(processor(image, return_tensors="np")["pixel_values"][0], dtype=np.float32)
