"""Write docs/cli.md from the command line's own help; `--check` fails if it is out of date.

python docs/write_help.py
"""

import os
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parent / "cli.md"
COMMANDS = (
    "run",
    "tasks",
    "new-task",
    "validate",
    "models",
    "leaderboard",
    "compare",
    "transfer",
    "verify",
    "screen",
    "race",
    "recommend",
    "report",
    "card",
    "predict",
    "publish",
    "publish-results",
    "space",
    "queue",
    "demo",
)
HEAD = """# The command line

Made by `python docs/write_help.py` from `suite --help`; don't edit it by hand.

An option that is given several values takes them either way: `-m A -m B` or `-m A B`.
Exit codes: 0 all done; 1 some runs failed (each named with its reason, all others stored); 2 wrong
words or files (nothing was run); 130 interrupted (all that had finished is stored).
"""


def page() -> str:
    """Return the page as the help texts make it now."""
    parts = [HEAD]
    for words in ([], *([command] for command in COMMANDS)):
        title = " ".join(["suite", *words])
        parts.append(f"## {title}\n\n```\n{help_text(words)}```\n")
    return "\n".join(parts)


def help_text(words: list[str]) -> str:
    """Return what `suite ... --help` prints, eighty columns wide."""
    environment = {**os.environ, "COLUMNS": "80", "TERMINAL_WIDTH": "80", "NO_COLOR": "1"}
    command = [sys.executable, "-c", "from suite.cli import main; main()", *words, "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    return text.replace("Usage: -c", "Usage: suite")


def main() -> None:
    """Write the page, or compare it."""
    if "--check" not in sys.argv:
        PAGE.write_text(page(), encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page():
        sys.exit("docs/cli.md is out of date. Run: python docs/write_help.py")


if __name__ == "__main__":
    main()
