"""A data set on the Hub: its commit of today, its configuration and splits, and some rows without the rest."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

from suite import hub
from suite.drafting._columns import Sample
from suite.drafting._local import part_of, words_of
from suite.drafting._reading import hush, reason
from suite.spec import SuiteError, unknown

MOST = 500
"""Rows are streamed: each of them is downloaded, so fewer are looked at than of a file."""

PAGE = "https://huggingface.co/datasets/"


@dataclass(frozen=True)
class Remote:
    """A data set at a commit; `parts` says which of its splits is train, validation or test."""

    title: str
    name: str
    path: str
    config: str
    commit: str
    parts: dict[str, str]
    license: str | None = None
    notes: tuple[str, ...] = ()
    hint: str = ""

    def sample(self, part: str, most: int) -> Sample:
        """Return the first rows of a part, images left out.

        Raises:
            SuiteError: the Hub does not give them.
        """
        import datasets

        try:
            stream = datasets.load_dataset(
                self.path, self.config, split=self.parts[part], revision=self.commit, streaming=True
            )
            features = stream.features
            images = [name for name, feature in (features or {}).items() if isinstance(feature, datasets.Image)]
            rows = list(stream.remove_columns(images).take(min(most, MOST)))
            kept = (
                None if features is None else datasets.Features({n: features[n] for n in features if n not in images})
            )
            table = datasets.Dataset.from_list(rows, features=kept)
        except Exception as error:  # datasets raises dozens of types; each becomes one sentence
            raise _told(error, self.path) from error
        return Sample(features or table.features, table)


def find(word: str) -> Remote:
    """Return the data set that `owner/name[:config][@revision]` means, at the commit of now.

    Raises:
        SuiteError: there is none, it cannot be reached, or it has several configurations and none is named.
    """
    match = re.fullmatch(r"(?P<path>[\w.-]+/[\w.-]+)(:(?P<config>[^@]+))?(@(?P<revision>.+))?", word.removeprefix(PAGE))
    if match is None:
        raise SuiteError(
            f"'{word}' is no file or folder here, and a Hub data set has the form owner/name, owner/name:config or "
            "owner/name:config@revision."
        )
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise SuiteError(
            f"There is no file or folder '{word}', and without a connection the Hub cannot be asked for it. "
            "Run it without --offline, or name a file or folder."
        )
    path = match["path"]
    commit, terms = _about(path, match["revision"])
    config = _config(path, commit, match["config"])
    parts, notes = _parts(path, commit, config)
    name = path.split("/")[1] + ("" if config == "default" or not match["config"] else f"-{config}")
    return Remote(f"{path} {config}", name, path, config, commit, parts, terms, notes)


def _about(path: str, revision: str | None) -> tuple[str, str | None]:
    """Return the commit that a revision means today, and the licence that the data set's card tells."""
    from huggingface_hub import HfApi

    hush()
    try:
        info = HfApi().dataset_info(path, revision=revision)
        assert info.sha
    except Exception as error:
        raise hub.explain(error, f"the data set '{path}'") from None
    terms = info.card_data.get("license") if info.card_data else None
    terms = terms[0] if isinstance(terms, list) and len(terms) == 1 else terms
    return info.sha, terms if isinstance(terms, str) else None


def _config(path: str, commit: str, wanted: str | None) -> str:
    import datasets

    configs: list[str] = _asked(path, lambda: datasets.get_dataset_config_names(path, revision=commit))
    if wanted is not None and wanted not in configs:
        raise unknown(f"configuration of {path}", wanted, configs)
    if wanted is None and len(configs) > 1:
        listed = ", ".join(configs[:20]) + (f", ... ({len(configs)})" if len(configs) > 20 else "")
        raise SuiteError(f"{path} has several configurations; name one, as in {path}:{configs[0]}. It has: {listed}.")
    return wanted or configs[0]


def _parts(path: str, commit: str, config: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return which split plays which part, and a note on those that play none."""
    import datasets

    splits: list[str] = _asked(path, lambda: datasets.get_dataset_split_names(path, config, revision=commit))
    parts: dict[str, str] = {}
    for split in sorted(splits, key=lambda split: (len(words_of(split)), splits.index(split))):
        part = part_of(words_of(split))
        if part:
            parts.setdefault(part, split)
    if "train" not in parts:
        raise SuiteError(
            f"{path} {config} has no split that looks like train; it has: {', '.join(splits)}. "
            "Write the task file by hand: splits: {train: ..., test: ...}."
        )
    left = [split for split in splits if split not in parts.values()]
    return parts, ((f"splits that are not used: {', '.join(left)}",) if left else ())


def _asked(path: str, question: Any) -> Any:
    try:
        return question()
    except Exception as error:  # datasets raises dozens of types; each becomes one sentence
        raise _told(error, path) from error


def _told(error: Exception, path: str) -> SuiteError:
    """Return the Hub's own answer where one lies below, else the deepest cause."""
    from huggingface_hub.errors import HfHubHTTPError

    below: BaseException | None = error
    while below is not None:
        if isinstance(below, HfHubHTTPError):
            return hub.explain(below, f"the data set '{path}'")
        below = below.__cause__ or below.__context__
    return SuiteError(f"Cannot read the data set '{path}': {reason(error)}.")
