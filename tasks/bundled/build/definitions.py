"""wordnet-definition: which of four definitions is that of the word in a usage example?

Rows come in blocks of four synsets from one of WordNet's categories. Each of the four definitions
is the right choice of one row and a wrong choice of the three others, so that the choices alone say
nothing about which is right.
"""

from collections import defaultdict
from collections.abc import Iterator

from rows import Row, Splits, levelled
from wordnet_database import Synset, rank, used_word

CHOICES = 4


def definitions(parts: dict[str, list[Synset]]) -> Splits:
    """Return rows in whole blocks, the categories of WordNet as even as its examples allow."""
    return {part: _rows(parts[part], count) for part, count in (("train", 2500), ("test", 600))}


def _rows(synsets: list[Synset], count: int) -> list[Row]:
    blocks = levelled(_blocks(synsets), lambda block: _category(block[0]), _block_rank, count // CHOICES)
    rows = [_row(synset, block) for block in blocks for synset in block]
    return sorted(rows, key=lambda row: rank(row["text"], "definition"))


def _blocks(synsets: list[Synset]) -> Iterator[tuple[Synset, ...]]:
    categories = defaultdict(list)
    for synset in sorted(synsets, key=lambda synset: rank(synset.definition, "definition")):
        if synset.part_of_speech != "adverb" and _question(synset):
            categories[_category(synset)].append(synset)
    for members in categories.values():
        for i in range(0, len(members) - CHOICES + 1, CHOICES):
            block = tuple(members[i : i + CHOICES])
            if not _akin(block):
                yield block


def _category(synset: Synset) -> str:
    return synset.lexname or synset.part_of_speech


def _block_rank(block: tuple[Synset, ...]) -> int:
    return rank(block[0].definition, "block")


def _akin(block: tuple[Synset, ...]) -> bool:
    """Say whether two of the synsets share a word or a pointer: one might do for the other."""
    words = [word.lower() for synset in block for word in set(synset.words)]
    keys = {synset.key for synset in block}
    return len(words) > len(set(words)) or any(key in keys for synset in block for _, key in synset.pointers)


def _question(synset: Synset) -> str:
    """Return "word: example" for the first example that uses a word of the synset, else a blank."""
    for example in synset.examples:
        _, form = used_word(synset.words, example)
        if form:
            return f"{form}: {example}"
    return ""


def _row(synset: Synset, block: tuple[Synset, ...]) -> Row:
    question = _question(synset)
    choices = sorted((other.definition for other in block), key=lambda choice: rank(f"{question}\n{choice}", "order"))
    return {
        "text": question,
        "choices": choices,
        "label": choices.index(synset.definition),
        "block": f"{_block_rank(block):016x}",
    }
