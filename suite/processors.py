"""A checkpoint's own tokenizer or image transform, as it was when the checkpoint was made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from suite.models import Source, open_source
from suite.spec import CheckpointRef, Modality, SuiteError

if TYPE_CHECKING:
    from PIL.Image import Image


class Transform:
    """A checkpoint's image transform: a PIL image to float32 [channels, height, width].

    Most have two parts: `cut` resizes and crops, and what comes out are bytes; `finish` makes numbers of them. Where
    `about` says how an image is cut, the two one after the other give what the whole gives, bit for bit.
    """

    def __init__(
        self,
        whole: Callable[[Image], np.ndarray],
        cut: Callable[[Image], np.ndarray] | None = None,
        finish: Callable[[np.ndarray], np.ndarray] | None = None,
        how: str = "",
    ) -> None:
        """Take the transform, and where it has them its parts and all that the first of them depends on, as text."""
        self._whole, self._cut, self._finish, self._how = whole, cut, finish, how
        self._agree: bool | None = None

    def __call__(self, image: Image) -> np.ndarray:
        """Return the numbers of an image."""
        return self._whole(image)

    def about(self, image: Image) -> str | None:
        """Return how images are cut, None where the parts do not give what the whole gives: they are tried on one."""
        if self._agree is None:
            self._agree = self._cut is not None and self._agrees(image)
        return self._how if self._agree else None

    def _agrees(self, image: Image) -> bool:
        try:
            pixels = self.cut(image)
            return pixels.dtype == np.uint8 and np.array_equal(self.finish(pixels), self._whole(image))
        except Exception:  # a stranger's processor takes its parts in ways of its own; then it is used whole
            return False

    def cut(self, image: Image) -> np.ndarray:
        """Return the bytes of an image, resized and cropped."""
        assert self._cut is not None
        return self._cut(image)

    def finish(self, pixels: np.ndarray) -> np.ndarray:
        """Return the numbers of an image that was cut."""
        assert self._finish is not None
        return self._finish(pixels)


def load(ref: CheckpointRef, modality: Modality, max_length: int) -> tuple[Any, int]:
    """Return the tokenizer or the image transform of a checkpoint, and the longest input in tokens.

    What reads images is a `Transform`.

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


def _timm_transform(source: Source) -> Transform:
    import PIL.Image
    from timm.data.config import resolve_data_config
    from timm.data.transforms_factory import create_transform
    from timm.models import get_pretrained_cfg

    known: Any = get_pretrained_cfg(source.config["architecture"])
    if known is None:
        raise SuiteError(f"timm has no architecture '{source.config['architecture']}'; is a newer timm needed?")
    stored = source.config.get("pretrained_cfg") or known.to_dict()  # transformers' save_pretrained leaves it out
    settings: Any = resolve_data_config(pretrained_cfg=stored, verbose=False)  # type: ignore[no-untyped-call]
    transform: Any = create_transform(**settings, is_training=False)
    steps = list(getattr(transform, "transforms", []))
    first = next((i for i, step in enumerate(steps) if "ToTensor" in type(step).__name__), None)
    if first is None:
        return Transform(lambda image: transform(image).numpy())
    return Transform(
        lambda image: transform(image).numpy(),
        lambda image: np.asarray(_through(steps[:first], image)),
        lambda pixels: _through(steps[first:], PIL.Image.fromarray(pixels)).numpy(),
        repr(steps[:first]),
    )


def _through(steps: Sequence[Callable[[Any], Any]], image: Any) -> Any:
    for step in steps:
        image = step(image)
    return image


def _transformers_transform(ref: CheckpointRef, source: Source) -> Transform:
    from transformers import AutoImageProcessor

    try:
        processor: Any = AutoImageProcessor.from_pretrained(  # type: ignore[no-untyped-call]
            source.folder, trust_remote_code=False
        )
    except Exception as error:  # every processor class has errors of its own
        reason = str(error).splitlines()[0]
        raise SuiteError(f"{ref.name}: its image processor cannot be loaded: {reason}") from error

    def pixels(image: Any, **options: Any) -> np.ndarray:
        return np.asarray(processor(image, return_tensors="np", **options)["pixel_values"][0])

    rest = {"do_resize": False, "do_center_crop": False, "do_pad": False, "input_data_format": "channels_first"}
    return Transform(
        lambda image: pixels(image).astype(np.float32, copy=False),
        lambda image: pixels(image, do_rescale=False, do_normalize=False),
        lambda cut: pixels(cut, **rest).astype(np.float32, copy=False),
        f"{type(processor).__name__} {processor.to_json_string()}",
    )
