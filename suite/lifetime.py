"""A worker does not outlive the command that started it, however that ends."""

from __future__ import annotations

import multiprocessing
import os
import threading
from multiprocessing.connection import wait


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
