"""Write docs/leaderboard.svg: the board of `suite demo`, as a terminal shows it.

suite demo && python docs/write_picture.py
"""

import argparse
import re
from pathlib import Path

from rich.console import Console

from suite.demo import BOARDS
from suite.display import board_table
from suite.leaderboard import rank
from suite.tasks import load, load_collection


def main() -> None:
    """Draw both boards of the demo's store."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--store", default="./results")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "leaderboard.svg")
    options = parser.parse_args()
    with Path("/dev/null").open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=160, file=nowhere, force_terminal=True)
        for name in BOARDS:
            collection = load_collection(name)
            tasks = [task for word in collection.tasks for task in load(word)]
            title = f"{name} v{collection.version}: {collection.description}"
            console.print(board_table(rank(options.store, tasks, protocol="quick"), title, console))
            console.print()
        svg = console.export_svg(title="suite demo")
    own_fonts_only = re.sub(
        r"@font-face \{.*?\}", "", svg, flags=re.DOTALL
    )  # rich's would be fetched from another host
    options.out.write_text(own_fonts_only, encoding="utf-8")


if __name__ == "__main__":
    main()
