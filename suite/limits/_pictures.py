"""Pictures: which formats are decoded, and how many pixels."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
"""Decoders of Pillow that see a stranger's bytes; it has forty more, most of them seldom looked at by anyone."""

MAX_PIXELS = 64_000_000


def open_picture(content: bytes, most: int = MAX_PIXELS) -> Image:
    """Return a picture whose header was read and whose pixels were not.

    Raises:
        ValueError: it has more than `most` pixels.
        Exception: Pillow's own, of many types, where the bytes are no picture of these formats.
    """
    from PIL import Image

    picture = Image.open(io.BytesIO(content), formats=FORMATS)
    if picture.width * picture.height > most:
        raise ValueError(f"it has {picture.width} x {picture.height} pixels; at most {most:,} are read")
    return picture
