"""What publishing a store sends, how long it takes, how fast the published board is read, and what a card takes.

    python benchmarks/publishing.py [--store RESULTS] [--records 1000]

Without a store records are made by hand. The Hub is the stand-in of the tests, on this machine: seconds are those of
packing and of the client, not of a line.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from command_line import records
from hub_session import TOKEN, Session
from loopback_hub import LoopbackHub, User
from made_records import grid
from measuring import parser, tell

from space import fill
from suite import cards
from suite.store import Store

TASKS, MODELS = 8, 8


def publish(store: Path) -> dict[str, Any]:
    """Publish a store, again, and read it back; return what was sent and the seconds."""
    folders = records(store)
    files = [path for folder in folders for path in folder.iterdir() if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    found: dict[str, Any] = {"records": len(folders), "files": len(files), "bytes": size}
    with tempfile.TemporaryDirectory() as home, LoopbackHub() as hub, Session(hub, Path(home)) as session:
        hub.users[TOKEN] = User("ann", ("org",))
        session.suite("leaderboard", "--store", store)  # imports, and the store's own index
        words = ("publish-results", "--to", "org/results", "--store", store)
        found["seconds"] = timed(session, *words)
        found["commits"] = len(hub.repositories["datasets", "org/results"].commits) - 1
        found["requests"] = len(hub.requests)
        found["bytes_sent"] = sum(request.size for request in hub.requests)
        found["sent_of_their_size"] = round(found["bytes_sent"] / size, 3)
        found["seconds_again"] = timed(session, *words)
        before, board = len(hub.requests), ("leaderboard", "--format", "json", "--store")
        found["board_seconds_from_the_hub"] = timed(session, *board, "hf://datasets/org/results")
        found["board_requests"] = len(hub.requests) - before
        found["board_seconds_from_the_folder"] = timed(session, *board, store)
    return found


def timed(session: Session, *words: str | Path) -> float:
    """Return the seconds that a command takes."""
    started = time.perf_counter()
    told = session.suite(*words)
    assert told.code == 0, told.err
    return round(time.perf_counter() - started, 2)


def card() -> dict[str, Any]:
    """Return the seconds that the card of one of 8 checkpoints on 8 tasks takes, once all is imported."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        for task in range(TASKS):
            for result in grid({f"org/m{i}": 0.5 + i / 20 for i in range(MODELS)}, [f"t{task}"], seeds=3, n=500):
                store.put(result)
        cards.card(store, "org/m0")
        seconds = []
        for model in range(1, MODELS):
            started, cpu = time.perf_counter(), time.process_time()
            cards.card(store, f"org/m{model}")
            seconds.append((time.perf_counter() - started, time.process_time() - cpu))
        clock, processor = (max(times) for times in zip(*seconds, strict=True))
        return {"most_seconds": round(clock, 3), "most_processor_seconds": round(processor, 3)}


def main() -> None:
    """Tell the figures of one store."""
    words = parser(__doc__)
    words.add_argument("--store", type=Path, help="a folder of results; by default records are made by hand")
    words.add_argument("--records", type=int, default=1000, help="how many are made")
    options = words.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.store is None:
            fill(folder, options.records)
        found = publish(options.store or Path(folder))
    load = round(os.getloadavg()[0], 1)
    tell("publishing", {"load": load, "publish": found, "card": card()}, options)


if __name__ == "__main__":
    main()
