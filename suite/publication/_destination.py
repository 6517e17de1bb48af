"""Where something is published, and how it gets there."""

from __future__ import annotations

from dataclasses import dataclass

from suite import hub
from suite.spec import SuiteError


@dataclass(frozen=True)
class Destination:
    """A repository of the Hub, and whether its change is made, proposed, or only shown.

    One that is not there is made, `private` or for all to see.
    """

    repo: str
    pull_request: bool = False
    dry_run: bool = False
    private: bool = False


def bring(to: Destination, files: hub.Files | hub.Compose, message: str, kind: hub.Kind) -> hub.Pushed:
    """Push files, or show what a push would change.

    Raises:
        SuiteError: the Hub does not take them; nothing was pushed.
    """
    if to.dry_run:
        return hub.preview(to.repo, files, kind)
    if to.private and not to.pull_request:
        hub.create(to.repo, kind, private=True)
    return hub.push(to.repo, files, message, kind, to.pull_request)


def text_of(head: hub.Head, path: str) -> str:
    """Return a file's text, '' where there is no such file.

    Raises:
        SuiteError: it is no text, or the Hub does not give it.
    """
    try:
        return (head.read(path) or b"").decode("utf-8")
    except UnicodeDecodeError:
        raise SuiteError(f"{path} of {head.label} is no UTF-8 text, so that nothing can be added to it.") from None
