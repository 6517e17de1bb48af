"""Which reserved glosses train and which test: one division that all the newer text tasks share."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from rows import Row, Splits
from wordnet_database import Synset, normalised, rank, reserved

TEST_FRACTION = 0.2
COARSE = re.compile(r"\b(slurs?|offensive|obscene|vulgar|derogatory|disparaging|pejorative)\b")


def divide(synsets: list[Synset], others: Iterable[Splits]) -> dict[str, list[Synset]]:
    """Return the reserved synsets that may be trained on and those that may be tested on, by rank.

    Where another task trains or tests on a gloss or an example, so does every task here; what one
    trains and another tests on is left out, and so are coarse words. Texts that WordNet has twice
    are left out as well: the second may be in the other part, or one that pre-training reads.
    """
    uses = Counter(normalised(text) for synset in synsets for text in (synset.definition, *synset.examples))
    taken = {part: {text for splits in others for row in splits[part] for text in _texts(row)} for part in _PARTS}
    parts: dict[str, list[Synset]] = {part: [] for part in _PARTS}
    for synset in sorted(reserved(synsets), key=lambda synset: rank(synset.definition)):
        if _is_alone(synset.definition, uses) and not COARSE.search(synset.definition):
            examples = tuple(text for text in synset.examples if _is_alone(text, uses))
            own = replace(synset, examples=examples)
            part = _part(own, taken)
            if part:
                parts[part].append(own)
    return parts


_PARTS = ("train", "test")


def _is_alone(text: str, uses: Counter[str]) -> bool:
    # "type genus of the Lutjanidae: snappers" holds a gloss that WordNet also has alone.
    return uses[normalised(text)] == 1 and not uses[normalised(text.partition(": ")[2])]


def _texts(row: Row) -> set[str]:
    """Return the glosses and examples of a row: its texts with and without the word before them."""
    texts = {normalised(row[name]) for name in ("text", "text_pair") if name in row}
    return texts | {text.partition(": ")[2] for text in texts}


def _part(synset: Synset, taken: dict[str, set[str]]) -> str | None:
    texts = {normalised(text) for text in (synset.definition, *synset.examples)}
    found = [part for part in _PARTS if texts & taken[part]]
    if len(found) == 2:
        return None
    if found:
        return found[0]
    return "test" if rank(synset.definition, "part") < TEST_FRACTION * 2**64 else "train"
