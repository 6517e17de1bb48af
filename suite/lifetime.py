"""When processes end: a worker with the command that started it, a command at Ctrl-C wherever that finds it.

Python raises KeyboardInterrupt between any two steps, and so inside calls from C code that drops what it is not
prepared for: of a hundred interrupts about one is lost. So a command remembers that it was interrupted, and asks.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any


def end_with_parent() -> None:
    """End this process the moment the one that started it is gone; in a process that nobody started, do nothing.

    `multiprocessing` gives every child a pipe whose other end only its parent holds: it closes when the parent
    ends, be it by `kill -9`. Whatever the child is doing then is of no use to anybody.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _follow(parent: int) -> None:
    wait([parent])
    os._exit(1)


@dataclass
class _Interrupts:
    """Whether there was one that nobody has been told of for good, and whether they must wait."""

    pending: bool = False
    waiting: bool = False

    def come(self, *about: Any) -> None:
        self.pending = True
        if not self.waiting:
            raise KeyboardInterrupt


_INTERRUPTS = _Interrupts()


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Remember every Ctrl-C that comes meanwhile, so that `heed` tells of one that was lost on its way up.

    Python would show a traceback of one that a finaliser or a callback drops.
    """
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    told = sys.unraisablehook
    signal.signal(signal.SIGINT, _INTERRUPTS.come)
    sys.unraisablehook = lambda lost: None if lost.exc_type is KeyboardInterrupt else told(lost)
    try:
        yield
    finally:
        _INTERRUPTS.pending = False
        sys.unraisablehook = told
        signal.signal(signal.SIGINT, signal.default_int_handler)


def heed() -> None:
    """Do nothing, unless a Ctrl-C was lost.

    Raises:
        KeyboardInterrupt: one was; the main thread alone hears of it.
    """
    if _INTERRUPTS.pending and not _INTERRUPTS.waiting and threading.current_thread() is threading.main_thread():
        raise KeyboardInterrupt


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Let a Ctrl-C wait until this is done.

    Raises:
        KeyboardInterrupt: afterwards, if one came.
    """
    _INTERRUPTS.waiting = True
    try:
        yield
    finally:
        _INTERRUPTS.waiting = False
    heed()
