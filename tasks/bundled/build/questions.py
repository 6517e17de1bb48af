"""wordnet-questions: a page of a dictionary, and a question that one of its entries may answer.

    Helsinki: the capital and largest city of Finland; located in southern Finland; a major port
    octane: any isomeric saturated hydrocarbon found in petroleum and used as a fuel and solvent
    ...
    Where is Helsinki? -> in southern Finland

An entry's answer is found by the words that lead to it ("located"), or is the hypernym of the entry
as its definition words it. A page has at least three entries that the same question could be put
about, so that the kind of question alone does not give the answer. For one question in seven its
entry is left out of the page.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle

from hypernym_graph import HypernymGraph
from rows import Row, Splits, levelled
from wordnet_database import Synset, rank

# Where an answer that has begun ends: at a mark, or where another part of the definition begins.
END = (
    r"(?=\s*(?:[;:()\[\]\"]|\.(?:\s|$)|$"
    r"|,? (?:that|which|who|whose|where|when|while|because|but|used|having|usually)\b"
    r"|,? (?:and|or) (?:is|are|used|found|located|now|innervated)\b))"
)
LONGEST_ANSWER = 12
# What an answer cannot begin or end with: it would be half a phrase.
NOT_FIRST = frozenset(("and", "or", "such", "it", "this", "that"))
ARTICLES = ("a", "an", "the")
PREPOSITIONS = ("in", "on", "of", "to", "at", "by", "for", "from", "with", "as")
NOT_LAST = frozenset((*ARTICLES, *PREPOSITIONS, "and", "or", "e.g"))
# Wording, and the words that lead to the answer; {} is the word asked about.
PATTERNS = {
    "use": ("What is {} used to do?", rf"\bused to (?P<answer>.+?){END}"),
    "purpose": ("What is {} used for?", rf"\bused (?:especially |chiefly )?for (?P<answer>.+?){END}"),
    "role": ("What is {} used as?", rf"\bused (?:especially |chiefly )?as (?P<answer>.+?){END}"),
    "place": ("Where is {}?", rf"\b(?:located|situated) (?P<answer>(?:in|on|at|near|between) .+?){END}"),
    "site": ("Where is {} found?", rf"\bfound (?P<answer>(?:in|on|near|along) .+?){END}"),
    "home": ("Where is {} native to?", rf"\bnative to (?P<answer>.+?){END}"),
    "birthplace": ("Where was {} born?", r"\bborn in (?P<answer>[A-Z][\w ]+?)(?=\))"),
    "life": ("When did {} live?", r"\((?P<answer>\d{3,4}-\d{3,4})\)"),
    "fame": ("What is {} known for?", rf"\b(?:remembered|known|noted|famous) for (?P<answer>.+?){END}"),
    "material": ("What is {} made of?", rf"\bmade (?:of|from) (?P<answer>.+?){END}"),
    "parts": ("What does {} consist of?", rf"\bconsist(?:s|ing) of (?P<answer>.+?){END}"),
    "content": ("What does {} contain?", rf"\bcontain(?:s|ing) (?P<answer>.+?){END}"),
    "cause": ("What is {} caused by?", rf"\bcaused by (?P<answer>.+?){END}"),
    "likeness": ("What does {} resemble?", rf"\bresembl(?:es|ing) (?P<answer>.+?){END}"),
    "mark": ("What is {} characterized by?", rf"\bcharacterized by (?P<answer>.+?){END}"),
    "feature": ("What does {} have?", rf"\b(?:having|bearing) (?P<answer>.+?){END}"),
}
FIELD = "Which field does {} belong to?"
CLASS = "What kind of thing is {}?"
UNANSWERABLE_ONE_IN = 7
ALIKE = 2
"""So many entries at least answer the same question about another word."""
# Entries on a page, about 25 word pieces each; each size is as likely as its share of this list.
PAGE_SIZES = (3, 4, 5) * 8 + (6, 7, 8) * 5 + (10, 12, 14, 16, 20, 28)


@dataclass(frozen=True)
class Question:
    """A question about a synset, and where in the definition its answer lies."""

    kind: str
    text: str
    synset: Synset
    start: int
    end: int


def questions(parts: dict[str, list[Synset]], graph: HypernymGraph) -> Splits:
    """Return pages with a question and its answer, the kinds as even as the definitions allow."""
    return {part: _rows(parts[part], graph, count) for part, count in (("train", 2000), ("test", 500))}


def _rows(synsets: list[Synset], graph: HypernymGraph, count: int) -> list[Row]:
    nouns = [synset for synset in synsets if synset.key[0] == "n"]
    askable = [question for noun in nouns for question in _askable(noun, graph)]
    alike = defaultdict(list)
    for question in askable:
        alike[question.kind].append(question.synset)
    # A synset is asked about once: what is asked of the fewest goes first.
    askable.sort(key=lambda question: -len(alike[question.kind]))
    once = {question.synset.key: question for question in askable}.values()
    chosen = levelled(once, lambda question: question.kind, _rank, count)
    others = {kind: cycle(members) for kind, members in alike.items()}
    rest = cycle(nouns)
    return [_row(question, others[question.kind], rest) for question in chosen]


def _askable(synset: Synset, graph: HypernymGraph) -> Iterator[Question]:
    """Yield the questions that a definition answers, each in one place."""
    for kind, (wording, pattern) in PATTERNS.items():
        found = [match.span("answer") for match in re.finditer(pattern, synset.definition)]
        if len(found) == 1 and _is_whole(synset.definition[slice(*found[0])]):
            if kind == "feature" and synset.lexname == "noun.person":
                continue  # "saw illness as having an external cause"
            yield Question(kind, wording.format(synset.words[0]), synset, *found[0])
    yield from _by_pointer(synset, graph)


def _is_whole(answer: str) -> bool:
    words = answer.split()
    return 0 < len(words) <= LONGEST_ANSWER and words[0] not in NOT_FIRST and words[-1] not in NOT_LAST


def _by_pointer(synset: Synset, graph: HypernymGraph) -> Iterator[Question]:
    """Yield the questions whose answer is a word that WordNet points to, as the definition has it."""
    for symbol, key in synset.pointers:
        for word in graph.by_key[key].words:
            if symbol == ";c" and synset.definition.startswith(f"({word})"):
                yield Question("field", FIELD.format(synset.words[0]), synset, 1, 1 + len(word))
            found = [match.span() for match in re.finditer(rf"\b{re.escape(word)}\b", synset.definition)]
            if symbol == "@" and len(found) == 1 and word not in synset.words[0]:
                yield Question("class", CLASS.format(synset.words[0]), synset, *found[0])


def _rank(question: Question) -> int:
    return rank(f"{question.text}\n{question.synset.definition}", "questions")


def _row(question: Question, alike: Iterator[Synset], rest: Iterator[Synset]) -> Row:
    """Return the page around a question; its rank says how long the page is, and what is where."""
    number = _rank(question)
    answerable = number % UNANSWERABLE_ONE_IN > 0
    number //= UNANSWERABLE_ONE_IN
    size = PAGE_SIZES[number % len(PAGE_SIZES)]
    number //= len(PAGE_SIZES)
    others: list[Synset] = []
    _extend(others, alike, question.synset, ALIKE + (not answerable))
    _extend(others, rest, question.synset, size - answerable)
    page = sorted(others, key=lambda synset: rank(f"{question.text}\n{synset.definition}", "page"))
    answers: dict[str, list[str | int]] = {"text": [], "answer_start": []}
    if answerable:
        place = number % size
        before = "".join(_entry(synset) + "\n" for synset in page[:place])
        page.insert(place, question.synset)
        answers["text"].append(question.synset.definition[question.start : question.end])
        answers["answer_start"].append(len(before) + len(f"{question.synset.words[0]}: ") + question.start)
    return {"question": question.text, "context": "\n".join(map(_entry, page)), "answers": answers}


def _extend(page: list[Synset], source: Iterator[Synset], asked: Synset, size: int) -> None:
    """Add entries up to the size; none names what is asked about, none is there twice."""
    name = re.compile(rf"\b{re.escape(asked.words[0])}\b", re.IGNORECASE)
    while len(page) < size:
        synset = next(source)
        if synset not in page and not name.search(_entry(synset)):
            page.append(synset)


def _entry(synset: Synset) -> str:
    return f"{synset.words[0]}: {synset.definition}"
