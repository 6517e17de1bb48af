"""A process that is watched: what it writes, starts or unpickles where it should not.

    with Watch(allowed=[tmp_path / "store"]) as watch:
        ...
    assert not watch.seen

Python tells of every file that it opens, moves or takes away, every program that it starts and every class that a
pickle asks for (PEP 578). What compiled code does on its own is not seen; trees of files are compared for that.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_PLACES = {
    "os.mkdir": (0,),
    "os.remove": (0,),
    "os.rmdir": (0,),
    "os.rename": (0, 1),
    "os.link": (1,),
    "os.symlink": (1,),
    "os.chmod": (0,),
    "os.chown": (0,),
    "os.truncate": (0,),
    "os.utime": (0,),
}
_PROGRAMS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "pty.spawn", "os.startfile")
_HARMLESS = ("git", "uname", "ldconfig", "/sbin/ldconfig", "lscpu", "lsb_release")
"""Programs that libraries ask about the machine."""


class Watch:
    """Watches this process while it is entered; `seen` is what it did that it should not."""

    _now: Watch | None = None
    _hooked = False

    def __init__(self, allowed: Iterable[Path], programs: bool = False) -> None:
        places = [*allowed, Path(os.devnull), Path("/dev/shm"), Path(tempfile.gettempdir()) / "pymp-"]
        self._allowed = tuple(os.path.realpath(place) for place in places)
        self._programs = programs
        self.seen: list[str] = []

    def __enter__(self) -> Watch:
        if not Watch._hooked:
            sys.addaudithook(_heard)
            Watch._hooked = True
        Watch._now = self
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        Watch._now = None

    def heard(self, event: str, given: tuple[Any, ...]) -> None:
        """Note an event if it is none of those allowed."""
        if event == "open" and isinstance(given[2], int) and given[2] & _WRITES:
            self._wrote(event, given[0])
        elif event in _PLACES:
            below = given[-1] if len(given) > 1 and isinstance(given[-1], int) else -1  # shutil.rmtree's folder
            for place in _PLACES[event]:
                self._wrote(event, given[place], below)
        elif event == "pickle.find_class":
            self.seen.append(f"{event} {given[0]}.{given[1]}")
        elif event in _PROGRAMS and not self._programs and Path(str(given[0])).name not in _HARMLESS:
            self.seen.append(f"{event} {given[0]!r}")

    def _wrote(self, event: str, path: Any, below: int = -1) -> None:
        if isinstance(path, int):
            return
        name = os.fsdecode(path)
        with contextlib.suppress(OSError):
            name = os.path.join(os.readlink(f"/proc/self/fd/{below}"), name) if below > 2 else name  # noqa: PTH115, PTH118
        place = os.path.realpath(name)
        if not (place.startswith(self._allowed) or "__pycache__" in place):
            self.seen.append(f"{event} {name}")


def _heard(event: str, given: tuple[Any, ...]) -> None:
    watch = Watch._now
    if watch is not None and (event in _PLACES or event in _PROGRAMS or event in ("open", "pickle.find_class")):
        Watch._now = None  # what is done to look at an event is no event
        try:
            watch.heard(event, given)
        finally:
            Watch._now = watch


def tree(folder: Path, without: Path | None = None) -> dict[str, str]:
    """Return what lies below a folder, all but a part: of files the sha256, of links where they lead, else nothing."""
    found = {}
    places = [folder]
    while places:
        inside = [path for path in sorted(places.pop().iterdir()) if path != without]
        places += [path for path in inside if path.is_dir() and not path.is_symlink()]
        found |= _said(folder, inside)
    return found


def _said(folder: Path, paths: Iterable[Path]) -> dict[str, str]:
    found = {}
    for path in paths:
        if path.is_symlink():
            said = f"-> {path.readlink()}"
        elif path.is_file():
            said = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            said = ""
        found[path.relative_to(folder).as_posix()] = said
    return found
