"""What publishing a store sends, how long it takes, and how fast the published board is read.

    python benchmarks/publishing.py RESULTS

The Hub is the stand-in of the tests, on this machine: seconds are those of packing and of the client, not of a line.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from command_line import records
from hub_session import TOKEN, Session
from loopback_hub import LoopbackHub, User


def main(store: Path) -> None:
    """Print the figures of one store."""
    folders = records(store)
    files = [path for folder in folders for path in folder.iterdir() if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    print(f"{len(folders):,} records in {len(files):,} files, {size:,} bytes")
    with LoopbackHub() as hub, Session(hub, Path(tempfile.mkdtemp())) as session:
        hub.users[TOKEN] = User("ann", ("org",))
        session.suite("leaderboard", "--store", store)  # imports, and the store's own index
        seconds = timed(session, "publish-results", "--to", "org/results", "--store", store)
        commits = len(hub.repositories["datasets", "org/results"].commits) - 1
        sent = sum(request.size for request in hub.requests)
        print(f"published in {seconds:.1f} s, {commits} commit, {len(hub.requests)} requests")
        print(f"{sent:,} bytes sent, {sent / size:.2f} of their size")
        print(f"published again in {timed(session, 'publish-results', '--to', 'org/results', '--store', store):.1f} s")
        before = len(hub.requests)
        away = timed(session, "leaderboard", "--format", "json", "--store", "hf://datasets/org/results")
        print(f"board from the Hub in {away:.1f} s, {len(hub.requests) - before} requests")
        print(f"board from the folder in {timed(session, 'leaderboard', '--format', 'json', '--store', store):.1f} s")


def timed(session: Session, *words: str | Path) -> float:
    """Return the seconds that a command takes."""
    started = time.perf_counter()
    told = session.suite(*words)
    assert told.code == 0, told.err
    return time.perf_counter() - started


if __name__ == "__main__":
    main(Path(sys.argv[1]))
