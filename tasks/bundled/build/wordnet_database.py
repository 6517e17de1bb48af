"""WordNet's data files, read as rows: one synset, its words, gloss and pointers.

A line of data.noun, cut short:

    02084071 05 n 03 dog 0 domestic_dog 0 Canis_familiaris 0 023 @ 02083346 n 0000 ... | a member
    of the genus Canis ...; "the dog barked all night"

Format: https://wordnet.princeton.edu/documentation/wndb5wn
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

RESERVED_FRACTION = 0.28

LEXNAMES = {
    "03": "noun.Tops",
    "04": "noun.act",
    "05": "noun.animal",
    "06": "noun.artifact",
    "07": "noun.attribute",
    "08": "noun.body",
    "09": "noun.cognition",
    "10": "noun.communication",
    "11": "noun.event",
    "12": "noun.feeling",
    "13": "noun.food",
    "14": "noun.group",
    "15": "noun.location",
    "16": "noun.motive",
    "17": "noun.object",
    "18": "noun.person",
    "19": "noun.phenomenon",
    "20": "noun.plant",
    "21": "noun.possession",
    "22": "noun.process",
    "23": "noun.quantity",
    "24": "noun.relation",
    "25": "noun.shape",
    "26": "noun.state",
    "27": "noun.substance",
    "28": "noun.time",
    "29": "verb.body",
    "30": "verb.change",
    "31": "verb.cognition",
    "32": "verb.communication",
    "33": "verb.competition",
    "34": "verb.consumption",
    "35": "verb.contact",
    "36": "verb.creation",
    "37": "verb.emotion",
    "38": "verb.motion",
    "39": "verb.perception",
    "40": "verb.possession",
    "41": "verb.social",
    "42": "verb.stative",
    "43": "verb.weather",
}

_PART_OF_SPEECH = {"n": "noun", "v": "verb", "a": "adjective", "s": "adjective", "r": "adverb"}
_EXAMPLE = re.compile(r'"([^"]+)"')


@dataclass(frozen=True)
class Synset:
    """One row of a data file; `pointers` holds (symbol, part of speech letter and offset).

    `lexname` is the category of a noun or verb, as "noun.animal", and "" for other words.
    """

    key: str
    lexname: str
    part_of_speech: str
    words: tuple[str, ...]
    definition: str
    examples: tuple[str, ...]
    pointers: tuple[tuple[str, str], ...]


def normalised(text: str) -> str:
    """Return the text as duplicates are judged: lower case, single spaces."""
    return " ".join(text.lower().split())


def rank(text: str, salt: str = "") -> int:
    """Return a number in 0..2**64-1 that depends on the normalised text alone.

    Sorting by it is a shuffle that never moves a row when others come or go.
    """
    digest = hashlib.sha256(f"{salt}\n{normalised(text)}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


def reserved(synsets: Iterable[Synset]) -> Iterator[Synset]:
    """Yield the synsets that tasks may use: reserved, and with a gloss of their own."""
    synsets = list(synsets)
    uses = Counter(normalised(synset.definition) for synset in synsets)
    for synset in synsets:
        if is_reserved(synset.definition) and uses[normalised(synset.definition)] == 1:
            yield synset


def used_word(words: tuple[str, ...], example: str) -> tuple[str, str]:
    """Return the synset's word that the example uses and the form it has there, else blanks."""
    for word in words:
        stem = re.escape(word.lower().removesuffix("e"))
        end = r"(?:e?s|e?d|ing)?" if stem == word.lower() else r"(?:e|es|ed|ing)"
        found = re.search(rf"\b{stem}{end}\b", example.lower())
        if found:
            return word.lower(), found.group()
    return "", ""


def is_reserved(definition: str) -> bool:
    """Say whether a gloss belongs to the tasks; pre-training reads only the others."""
    return rank(definition, "reserved") < RESERVED_FRACTION * 2**64


def read_synsets(folder: Path) -> list[Synset]:
    """Return every synset of the four data files, in file order."""
    return [synset for name in ("noun", "verb", "adj", "adv") for synset in _read(folder, name)]


def read_senses(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return the keys of each word's noun, adjective, verb and adverb synsets, the commonest sense first.

    The words are in lower case, as WordNet's index has them. A line of index.noun:

        dog n 7 5 @ ~ #m #p %p 7 1 02084071 10114209 ...
    """
    senses: dict[str, tuple[str, ...]] = {}
    for name in ("noun", "adj", "verb", "adv"):
        with (folder / f"index.{name}").open(encoding="utf-8") as lines:
            for line in lines:
                if not line.startswith(" "):
                    fields = line.split()
                    word = fields[0].replace("_", " ")
                    found = (fields[1] + offset for offset in fields[-int(fields[2]) :])
                    senses[word] = (*senses.get(word, ()), *found)
    return senses


def _read(folder: Path, name: str) -> Iterator[Synset]:
    path = folder / f"data.{name}"
    if not path.is_file():
        raise FileNotFoundError(
            f"No {path}. Expected WordNet 3.0 data files there; on Debian: apt install wordnet-base"
        )
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if not line.startswith(" "):
                yield _parse(line)


def _parse(line: str) -> Synset:
    head, _, gloss = line.partition(" | ")
    fields = head.split()
    letter = "a" if fields[2] == "s" else fields[2]
    word_count = int(fields[3], 16)
    words = tuple(_word(fields[4 + 2 * i]) for i in range(word_count))
    start = 4 + 2 * word_count
    pointers = tuple(
        (fields[i], fields[i + 2].replace("s", "a") + fields[i + 1])
        for i in range(start + 1, start + 1 + 4 * int(fields[start]), 4)
    )
    definition, examples = _split_gloss(gloss)
    return Synset(
        key=letter + fields[0],
        lexname=LEXNAMES.get(fields[1], ""),
        part_of_speech=_PART_OF_SPEECH[letter],
        words=words,
        definition=definition,
        examples=examples,
        pointers=pointers,
    )


def _word(raw: str) -> str:
    return re.sub(r"\([a-z]+\)$", "", raw).replace("_", " ")


def _split_gloss(gloss: str) -> tuple[str, tuple[str, ...]]:
    examples = tuple(" ".join(found.split()) for found in _EXAMPLE.findall(gloss))
    definition = " ".join(gloss.split('"')[0].split()).rstrip(" ;:,-")
    return definition, examples
