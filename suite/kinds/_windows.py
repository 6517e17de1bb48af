"""A question's context in overlapping windows: tokens <-> characters, and the best span in what a model says.

Devlin et al. 2019 (arXiv 1810.04805), sections 4.2 and 4.3, with the sizes of BERT's run_squad.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from suite.spec import SuiteError

MAX_ANSWER = 30
"""An answer has at most so many tokens."""

OVERLAP = 4
"""Neighbours share a quarter of a window: 32 tokens of 128, so that the longest answer is whole in one of them."""

MIN_LENGTH = 16

Item = dict[str, Any]


@dataclass(frozen=True)
class Window:
    """One item of the example `owner`, and where its part of the context lies.

    `spans` int32 [tokens, 2] holds of every context token its first character and the one behind its last,
    without the white space at its ends; a token of white space alone ends before it begins or there. `first` is
    the place of the first of them in the item, `nothing` the place of the token that stands for "no answer here".
    """

    owner: int
    first: int
    nothing: int
    spans: np.ndarray

    @property
    def solid(self) -> np.ndarray:
        """Which of the context tokens are more than white space."""
        return np.asarray(self.spans[:, 0] < self.spans[:, 1])


def read(
    questions: Sequence[str], contexts: Sequence[str], processor: Any, max_length: int
) -> tuple[list[Item], list[Window], set[int]]:
    """Return the items, their windows in the same order, and the rows whose question was cut.

    Questions are cut at half a window, contexts never: their windows follow each other.

    Raises:
        SuiteError: there is no room for windows.
    """
    if max_length < MIN_LENGTH:
        raise SuiteError(
            f"question_answering needs windows of at least {MIN_LENGTH} tokens; this checkpoint under this protocol "
            f"takes {max_length}."
        )
    questions, cut = _shortened(questions, processor, max_length)
    encoded = processor(
        questions,
        list(contexts),
        truncation="only_second",
        max_length=max_length,
        stride=max_length // OVERLAP,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_attention_mask=True,
        verbose=False,
    )
    owners, offsets = encoded.pop("overflow_to_sample_mapping"), encoded.pop("offset_mapping")
    items = [{name: encoded[name][i] for name in encoded} for i in range(len(owners))]
    solid = [np.flatnonzero([not sign.isspace() for sign in text]) for text in contexts]
    windows = []
    for i, owner in enumerate(owners):
        texts = encoded.sequence_ids(i)
        first, count = (texts.index(1), texts.count(1)) if 1 in texts else (0, 0)
        spans = _trimmed(np.array(offsets[i][first : first + count]).reshape(-1, 2), solid[owner], len(contexts[owner]))
        windows.append(Window(owner, first, _cls(items[i]["input_ids"], processor), spans))
    return items, windows, cut


def _shortened(questions: Sequence[str], processor: Any, max_length: int) -> tuple[list[str], set[int]]:
    """Return the questions cut at half the tokens of a window, and which ones that changed."""
    most = (max_length - processor.num_special_tokens_to_add(pair=True)) // 2
    kept = list(questions)
    encoded = processor(kept, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    cut = {row for row, offsets in enumerate(encoded["offset_mapping"]) if len(offsets) > most}
    for row in cut:
        kept[row] = kept[row][: encoded["offset_mapping"][row][most][0]]
    return kept, cut


def _trimmed(offsets: np.ndarray, solid: np.ndarray, length: int) -> np.ndarray:
    """Return offsets [tokens, 2] without white space at their ends, `solid` being where there is none."""
    begins = np.append(solid, length)[np.searchsorted(solid, offsets[:, 0])]
    ends = np.insert(solid, 0, -1)[np.searchsorted(solid, offsets[:, 1])] + 1
    return np.stack([begins, ends], axis=1).astype(np.int32)


def _cls(ids: list[int], processor: Any) -> int:
    """Return the place of [CLS], which is not the first everywhere; of a tokenizer without one, the first place."""
    return ids.index(processor.cls_token_id) if processor.cls_token_id in ids else 0


def place(windows: Sequence[Window], start: int, end: int) -> list[tuple[int, int] | None]:
    """Return for each window of one context its first and last token of the characters start to end.

    That is the fewest tokens that cover them; None where the window does not hold them whole.
    """
    spans = np.concatenate([window.spans[window.solid] for window in windows])
    if not len(spans):
        return [None] * len(windows)
    start, end = max(start, int(spans[:, 0].min())), min(end, int(spans[:, 1].max()))  # signs that have no token
    return [_place(window, start, end) for window in windows]


def _place(window: Window, start: int, end: int) -> tuple[int, int] | None:
    solid, (begins, ends) = window.solid, window.spans.T
    touched = np.flatnonzero(solid & (begins < end) & (ends > start))
    if not len(touched) or begins[solid].min() > start or ends[solid].max() < end:
        return None
    return window.first + int(touched[0]), window.first + int(touched[-1])


def best(logits: np.ndarray, window: Window) -> tuple[float, slice]:
    """Return the highest sum of a start and an end logit over the window's spans, and the span's characters.

    A span has at most MAX_ANSWER tokens, all of the context, and no white space at its ends. Where there is
    none, its score is minus infinity and its text empty.
    """
    solid = window.solid
    if not solid.any():
        return -np.inf, slice(0, 0)
    part = logits[window.first : window.first + len(solid)].astype(np.float64)
    starts, ends = np.where(solid[:, None], part, -np.inf).T
    reach = sliding_window_view(np.append(ends, np.full(MAX_ANSWER - 1, -np.inf)), MAX_ANSWER)
    totals = starts + reach.max(axis=1)
    first = int(totals.argmax())
    last = first + int(reach[first].argmax())
    return float(totals[first]), slice(int(window.spans[first, 0]), int(window.spans[last, 1]))
