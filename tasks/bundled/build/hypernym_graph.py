"""WordNet's nouns as a graph: what each is a kind or an instance of, and how close two of them are."""

from collections.abc import Iterable

from wordnet_database import Synset

UPWARDS = ("@", "@i")


class HypernymGraph:
    """Steps up from each synset to its ancestors, the shortest way where there are several."""

    def __init__(self, synsets: Iterable[Synset]) -> None:
        self.by_key = {synset.key: synset for synset in synsets}
        self._steps: dict[str, dict[str, int]] = {}

    def find(self, word: str, lexname: str = "noun.") -> str:
        """Return the key of the first noun synset in file order that goes by the word, in a category."""
        nouns = ((key, synset) for key, synset in self.by_key.items() if synset.lexname.startswith(lexname))
        return next(key for key, synset in nouns if synset.words[0] == word)

    def parents(self, key: str) -> list[str]:
        """Return the keys of the direct hypernyms, of an instance those of its class."""
        return [target for symbol, target in self.by_key[key].pointers if symbol in UPWARDS]

    def steps(self, key: str) -> dict[str, int]:
        """Return how many steps up each ancestor is; the synset itself is at 0."""
        if key not in self._steps:
            found = {key: 0}
            for parent in self.parents(key):
                for ancestor, steps in self.steps(parent).items():
                    found[ancestor] = min(steps + 1, found.get(ancestor, steps + 1))
            self._steps[key] = found
        return self._steps[key]

    def depth(self, key: str) -> int:
        """Return the number of synsets on the shortest way to a root, both ends counted."""
        return 1 + min(steps for ancestor, steps in self.steps(key).items() if not self.parents(ancestor))

    def wu_palmer(self, one: str, other: str) -> float:
        """Return how alike two synsets are, from 0 (no common ancestor) to 1 (the same).

        It is 2 * c / (a + b + 2 * c) with the depth c of a common ancestor and the steps a and b up
        to it, for the ancestor that makes it largest: Z. Wu and M. Palmer, "Verb semantics and
        lexical selection", ACL 1994, https://aclanthology.org/P94-1019/.
        """
        first, second = self.steps(one), self.steps(other)
        shared = ((first[key] + second[key], 2 * self.depth(key)) for key in first.keys() & second.keys())
        return max((twice / (steps + twice) for steps, twice in shared), default=0.0)
