"""wordnet-entities: which words of a definition or example name a person, a place, a people, ...?

The tags are WordNet's own: a name is a word of WordNet with a capital, its type follows from what
its commonest sense is an instance or a kind of. A text counts only if WordNet knows every name in it,
so that a name without a tag is one of another type: a war, a book, a month, a title.
"""

import re
from collections import defaultdict

from hypernym_graph import HypernymGraph
from rows import Row, Splits, levelled
from wordnet_database import Synset, rank

# "Argentina's" is two words, "doesn't", "10,500", "U.S" and "heart-shaped" are one, a mark is one.
WORD = re.compile(r"\d+(?:[.,]\d+)+|'s\b|[^\W_]+(?:(?:[-.]|'(?!s\b))[^\W_]+)*|[^\w\s]")
INSTANCES = {"noun.person": "PER", "noun.location": "LOC", "noun.object": "LOC", "noun.group": "ORG"}
# The first of these that a synset is below decides.
KINDS = {
    "taxonomic group": "TAX",
    "natural language": "NORP",
    "inhabitant": "NORP",
    "religious person": "NORP",
    "Amerindian": "NORP",
    "Jew": "NORP",
    "Semite": "NORP",
    "ethnic group": "NORP",
    "people": "NORP",
    "imaginary being": "PER",
    "spiritual being": "PER",
    "society": "",
    "social group": "ORG",
    "location": "LOC",
}
UNCERTAIN = "?"
PARTICLES = frozenset(("of", "the", "and", "for", "in", "de", "la", "le", "du", "da", "von", "van", "der"))
WITHOUT_NAME = 0.15

Words = tuple[str, ...]


class Names:
    """The names that WordNet knows, as sequences of words, each with its type or "" for others."""

    def __init__(self, graph: HypernymGraph, senses: dict[str, tuple[str, ...]]) -> None:
        self._graph = graph
        self._kinds = [(graph.find(name), kind) for name, kind in KINDS.items()]
        self._religion = graph.find("religion", "noun.group")
        synsets = graph.by_key.values()
        self._common = {word for synset in synsets for word in synset.words if word == word.lower()}
        texts = (text for synset in synsets for text in (synset.definition, *synset.examples))
        self._running = {word for text in texts for word in WORD.findall(text) if word == word.lower()}
        named = defaultdict(set)
        for synset in synsets:
            for word in synset.words:
                if word[0].isupper():
                    named[word].add(synset.key)
        types = {word: self._type(word, keys, senses) for word, keys in named.items()}
        genera = {word for word, kind in types.items() if kind == "TAX"}
        self._by_first: dict[str, list[tuple[Words, str]]] = defaultdict(list)
        for word, kind in sorted(types.items(), key=lambda item: (-len(item[0]), item[0])):
            words = tuple(WORD.findall(word))
            species = re.fullmatch(r"([A-Z][a-z]+)( [a-z]+){1,2}", word)
            latin = not kind and species is not None and species[1] in genera
            self._by_first[words[0]].append((words, "TAX" if latin else kind))

    def _type(self, word: str, keys: set[str], senses: dict[str, tuple[str, ...]]) -> str:
        """Return the type of a word's commonest sense, or UNCERTAIN if another one is as likely here."""
        # The index has no capitals, so it also lists the senses of "china" under that word.
        in_order = [key for key in senses.get(word.lower(), ()) if key in keys] or sorted(keys)
        found = [self._sense_type(word, key) for key in in_order]
        lexname = self._graph.by_key[in_order[0]].lexname
        if found[0] == "LOC":
            # "France" is a country before a writer's name, but "Saturn" may well be the god.
            return UNCERTAIN if "PER" in found and lexname != "noun.location" else "LOC"
        if "LOC" in found or (found[0] == "PER" and "NORP" in found):
            return UNCERTAIN  # "Iowa", "Fahrenheit"
        # "Arab" is a horse before a people in WordNet, but "Jurassic" is no people at all.
        return found[0] or ("NORP" if "NORP" in found and lexname != "noun.time" else "")

    def _sense_type(self, word: str, key: str) -> str:
        synset = self._graph.by_key[key]
        if any(symbol == "@i" for symbol, _ in synset.pointers):
            return INSTANCES.get(synset.lexname, "")
        lower = any(part[0].islower() for part in re.split("[- ]", word) if part)
        if synset.part_of_speech == "adjective":
            return "" if lower else "NORP"  # "Welsh", but not "U-shaped"
        above = self._graph.steps(key)
        kind = next((kind for ancestor, kind in self._kinds if ancestor in above), "")
        faith = " " not in word and self._religion in above
        return "" if faith or (kind == "PER" and lower) else kind  # "Judaism", "Celtic deity"

    def _at(self, words: Words) -> list[tuple[Words, str]]:
        """Return the names that the words begin with, the longest first; a plural counts."""
        found = []
        for first in dict.fromkeys((words[0], words[0].removesuffix("s"))):
            for name, kind in self._by_first.get(first, ()):
                part = words[: len(name)]
                if part == name or (part[:-1] == name[:-1] and part[-1] == name[-1] + "s"):
                    found.append((part, kind))
        return sorted(found, key=lambda item: (-len(item[0]), item[1] == ""))  # "Romans" is a book as well

    def tags(self, text: str) -> tuple[Words, list[str]] | None:
        """Return the text's words and their tags, or None if a name in it is unknown or uncertain."""
        words = tuple(WORD.findall(text))
        tags: list[str] = []
        while len(tags) < len(words):
            name = self._name(words[len(tags) :], not tags)
            if name is None:
                return None
            length, kind = name
            if kind == UNCERTAIN:
                return None
            tags += [f"B-{kind}", *[f"I-{kind}"] * (length - 1)] if kind else ["O"] * length
        return words, tags

    def _name(self, words: Words, opening: bool) -> tuple[int, str] | None:
        """Return how many words are one name, or one word that is none, and the type."""
        found = self._at(words)
        if words[0] == words[0].lower() or words[0] == "I":
            return 1, ""
        if opening and words[0].lower() in self._running:
            # A sentence opens with a capital, so one word may be a name or not: "Brown" is open, "The" is not.
            found = [name for name in found if len(name[0]) > 1]
            return _outer(found) if found else (None if self._at(words) else (1, ""))
        return _outer(found) if found and not self._is_title(*found[0]) else None

    def _is_title(self, name: Words, kind: str) -> bool:
        """Say whether a person's name may be a common word here: "Pope", "King", "Bush"."""
        return kind == "PER" and len(name) == 1 and name[0].lower() in self._common


def _outer(found: list[tuple[Words, str]]) -> tuple[int, str] | None:
    """Return the longest name's length and type; of a common word built on a name, that name's."""
    name, kind = found[0]
    if kind == "TAX" or not any(part.islower() and part not in PARTICLES for part in name):
        return len(name), kind
    inner, inner_kind = next((other for other in found if len(other[0]) < len(name) and other[1]), (name, ""))
    # "Han dynasty" and "Russian roulette" begin with a people; what "Krebs" is in "Krebs cycle" is open.
    return (len(inner), inner_kind) if kind or inner_kind in ("", "NORP") else None


def entities(parts: dict[str, list[Synset]], names: Names) -> Splits:
    """Return words with BIO tags, the rarer types and types of type sets as even as WordNet allows."""
    seen: set[str] = set()
    return {part: _rows(parts[part], names, count, seen) for part, count in (("test", 600), ("train", 2500))}


def _rows(synsets: list[Synset], names: Names, count: int, seen: set[str]) -> list[Row]:
    rows = []
    for synset in synsets:
        for text in (synset.definition, *synset.examples):
            tagged = names.tags(text) if re.search("[A-Z]", text) else None
            if tagged:
                rows.append({"tokens": list(tagged[0]), "tags": tagged[1]})
    rows = [row for row in sorted(rows, key=_rank) if _is_new(_pattern(row), seen)]
    without = [row for row in rows if _types(row) == ()][: round(WITHOUT_NAME * count)]
    named = levelled((row for row in rows if _types(row)), _types, _rank, count - len(without))
    return sorted(without + named, key=_rank)


def _rank(row: Row) -> int:
    return rank(" ".join(row["tokens"]), "entities")


def _types(row: Row) -> tuple[str, ...]:
    return tuple(sorted({tag[2:] for tag in row["tags"] if tag != "O"}))


def _pattern(row: Row) -> str:
    """Return the text with its names and numbers blanked: many texts differ in those alone."""
    words = (word if tag == "O" else tag for word, tag in zip(row["tokens"], row["tags"], strict=True))
    return re.sub(r"\d+", "0", " ".join(words))


def _is_new(pattern: str, seen: set[str]) -> bool:
    if pattern in seen:
        return False
    seen.add(pattern)
    return True
