"""Make the golden cards anew: `python tests/golden/cards/make.py`; then read what changed."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))

from made_cards import GOLDEN, written  # noqa: E402  # it lies beside the tests

if __name__ == "__main__":
    for name, make in GOLDEN.items():
        with tempfile.TemporaryDirectory() as folder:
            for ending, text in written(make(Path(folder))).items():
                (HERE / f"{name}{ending}").write_text(text, encoding="utf-8")
