"""Words -> requests. It parses, calls what `import suite` offers too, prints and exits.

Exit codes: 0 all done, 1 some runs failed, 2 wrong words or files (nothing was run), 130 interrupted.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence

from suite.cli._words import app, leave_output

# isort: split
from suite.cli import evaluate, results  # the order of these imports is that of the help page

# isort: split
from suite.cli import compare, select

# isort: split
from suite.cli import report

# isort: split
from suite.cli import cards, predict

# isort: split
from suite.cli import publish

# isort: split
from suite.cli import space

# isort: split
from suite.cli import browse

_SEVERAL = {"-m": "-m", "--model": "-m", "-t": "-t", "--task": "-t", "-s": "-s", "--strategy": "-s"}

__all__ = [
    "app",
    "browse",
    "cards",
    "compare",
    "evaluate",
    "main",
    "predict",
    "publish",
    "report",
    "results",
    "select",
    "space",
]


def main() -> None:
    """Run the command line."""
    try:
        app(_spread_words(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:  # all other files have sentences of their own
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        leave_output(f"error: The output cannot be written: {error.strerror}.")
        sys.exit(1)


def _spread_words(words: Sequence[str]) -> list[str]:
    """Let `-m A B` mean `-m A -m B`."""
    spread: list[str] = []
    option = None
    for word in words:
        if word.startswith("-") and word != "-":
            option = _SEVERAL.get(word)
        elif option and spread and spread[-1] not in _SEVERAL:
            spread.append(option)
        spread.append(word)
    return spread
