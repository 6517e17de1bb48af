"""wordnet-similarity: how alike are two nouns, from 0 to 1, by where WordNet files them?"""

from collections import defaultdict
from collections.abc import Iterator

from hypernym_graph import HypernymGraph
from rows import Row, Splits, levelled
from wordnet_database import Synset, rank

BANDS = 10


def similarity(parts: dict[str, list[Synset]], graph: HypernymGraph) -> Splits:
    """Return pairs of "word: definition" with their Wu-Palmer similarity, spread over its range.

    A synset is in one pair at most.
    """
    return {
        part: levelled(_pairs(parts[part], graph), _band, _pair_rank, count)
        for part, count in (("train", 3000), ("test", 800))
    }


def _band(row: Row) -> int:
    return min(int(row["score"] * BANDS), BANDS - 1)


def _pair_rank(row: Row) -> int:
    return rank(f"{row['text']}\n{row['text_pair']}", "similarity")


def _pairs(synsets: list[Synset], graph: HypernymGraph) -> Iterator[Row]:
    """Pair each noun with another below one of its ancestors; the ancestor is drawn by rank.

    Drawing the second noun from all of them would give hardly a pair that is alike.
    """
    nouns = sorted((s for s in synsets if s.key[0] == "n"), key=lambda s: rank(s.definition, "similarity"))
    below = defaultdict(list)
    for noun in nouns:
        for ancestor in graph.steps(noun.key):
            below[ancestor].append(noun)
    free = {noun.key for noun in nouns}
    for first in nouns:
        if first.key not in free:
            continue
        free.remove(first.key)
        ancestors = sorted(graph.steps(first.key))
        ancestor = ancestors[rank(first.definition, "ancestor") % len(ancestors)]
        second = next((noun for noun in below[ancestor] if noun.key in free), None)
        if second:
            free.remove(second.key)
            yield _row(first, second, graph)


def _row(first: Synset, second: Synset, graph: HypernymGraph) -> Row:
    return {
        "text": f"{first.words[0]}: {first.definition}",
        "text_pair": f"{second.words[0]}: {second.definition}",
        "score": round(graph.wu_palmer(first.key, second.key), 4),
    }
