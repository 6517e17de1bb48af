"""Data files: looked at before a reader in C is let near them."""

from __future__ import annotations

from pathlib import Path

from suite.limits._json import check_nesting
from suite.limits._tables import MAX_DATA_BYTES, check_parquet

_PACKED = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
    b"\x04\x22\x4d\x18": "lz4",
}
"""How packed files begin, which a reader of rows would unpack, however much that is."""

_METADATA = ("metadata.jsonl", "metadata.json")


def check_rows(path: Path, builder: str) -> None:
    """Look at a data file that a builder (`csv`, `json`, `parquet`, `imagefolder`, ...) is to read.

    Raises:
        ValueError: it is too large, packed, nested too deep, or claims too much.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    if size > MAX_DATA_BYTES:
        raise ValueError(f"it has {size:,} bytes; at most {MAX_DATA_BYTES:,} are read")
    if builder in ("csv", "json"):
        _check_plain(path)
    if builder == "json" or path.name in _METADATA:
        check_nesting(path)
    if builder == "parquet" or path.name == "metadata.parquet":
        check_parquet(path)


def _check_plain(path: Path) -> None:
    with path.open("rb") as stream:
        begins = stream.read(8)
    for sign, name in _PACKED.items():
        if begins.startswith(sign):
            raise ValueError(f"it is packed ({name}); unpack it first")
