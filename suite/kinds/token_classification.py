"""One tag for every word of a text: named entities, parts of speech."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from suite.data import Prepared
from suite.kinds import Kind, _tokens
from suite.kinds._classification import class_name, natural
from suite.spec import SuiteError, TaskSpec, unknown

if TYPE_CHECKING:
    import numpy as np
    import torch

    from suite.data import Split, TaskData
    from suite.outputs import Outputs

ENTITIES = "entity_f1"
OUTSIDE = "O"
IGNORED = -100
"""The label of tokens that stand for no word: special tokens, and all but the first piece of a word."""


@dataclass(frozen=True)
class Words:
    """The class names, and for each example the numbers of the words that have a token, in order."""

    classes: tuple[str, ...]
    places: list[list[int]]


class TokenClassification(Kind):
    """Words in, a tag each; the first piece of a word answers for it.

    A word without a token (cut off by the longest input, or made of signs that the tokenizer drops) counts
    like every other: it gets the tag 'O', or the first class where there is no 'O', with probability 1.
    """

    modality = "text"
    auto = "AutoModelForTokenClassification"
    target = "tags"
    per_token = True
    needs = ("tokens", "tags")
    metrics = (ENTITIES, "accuracy")
    main = ENTITIES

    def complete(self, task: TaskSpec) -> TaskSpec:
        """Return the task completed; one that names another main metric and no more has no entities to count."""
        if task.main and task.main != ENTITIES and not task.metrics:
            task = task.model_copy(update={"metrics": (task.main,)})
        return super().complete(task)

    def classes(self, task: TaskSpec, data: TaskData) -> tuple[str, ...]:
        """Return the task's labels, else the data set's, else those of the train split: 'O', then sorted."""
        named = task.labels or data.labels
        if named and len(set(named)) < len(named):
            raise SuiteError(f"{task.where('labels')}: the labels of {task.name} name a tag twice.")
        seen = _seen(data.train, named)
        if len(seen) < 2:
            raise SuiteError(
                f"{task.where('splits', 'train')}: the train split of {task.name} has one tag only "
                f"({', '.join(seen) or 'none'}); token_classification needs two."
            )
        return tuple(named) if named else tuple(sorted(seen, key=lambda tag: (tag != OUTSIDE, natural(tag))))

    def check(self, task: TaskSpec, data: TaskData) -> None:
        """Refuse rows that are no words with a tag each, tags that train lacks, and entities that are not BIO."""
        for split in data.splits:
            _check_rows(task, split)
        classes = self.classes(task, data)
        learned = _seen(data.train, classes) & set(classes)
        for split in data.splits:
            for row, tag in _tags_of(split, classes):
                if tag not in learned:
                    place = f"row {row} of the {split.name} split has the tag '{tag}'"
                    if tag not in classes:
                        raise SuiteError(f"{task.where('columns', 'tags')}: {place}. {unknown('tag', tag, classes)}")
                    raise SuiteError(
                        f"{task.where('splits', split.name)}: {place}, which no row of the train split has; the model "
                        "cannot learn it."
                    )
        if ENTITIES in task.metrics:
            _check_entities(task, classes)

    def prepare(self, split: Split, classes: Sequence[str], processor: Any, max_length: int) -> Prepared:
        """Tokenise word by word, cut at `max_length` tokens, and count the rows that were cut."""
        _tokens.need_fast(processor, "token_classification")
        index = {tag: place for place, tag in enumerate(classes)}
        tags: list[list[str]] = [[] for _ in range(len(split))]
        for row, tag in _tags_of(split, classes):
            tags[row].append(tag)
        encoded = processor(
            _tokens.spaced(split.columns["tokens"], processor),
            is_split_into_words=True,
            truncation=True,
            max_length=max_length,
            return_attention_mask=True,
            verbose=False,
        )
        items, places = [], []
        for row in range(len(split)):
            item = {name: encoded[name][row] for name in encoded}
            labels = [IGNORED] * len(item["input_ids"])
            first = _tokens.first_pieces(encoded.word_ids(row))
            for word, token in first.items():
                labels[token] = index[tags[row][word]]
            items.append(item | {"labels": labels})
            places.append(list(first))
        cut = sum(bool(encoded[row].overflowing) for row in range(len(split)))
        lengths = [len(item["input_ids"]) for item in items]
        return Prepared(items, tags, lengths, split.ids, truncated=cut, context=Words(tuple(classes), places))

    def collate(self, processor: Any) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
        """Return a function that pads a batch and its labels to the longest row."""

        def pad(items: list[dict[str, Any]]) -> dict[str, Any]:
            import torch

            batch = _tokens.padded(items, processor)
            labels = torch.full(batch["input_ids"].shape, IGNORED)
            labels[batch["attention_mask"].bool()] = torch.tensor([label for item in items for label in item["labels"]])
            return batch | {"labels": labels}

        return pad

    def loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the cross-entropy, its mean over a row's words and then over rows; a row without any counts 0."""
        from torch.nn.functional import cross_entropy

        each = cross_entropy(logits.transpose(1, 2), labels, ignore_index=IGNORED, reduction="none")
        words = (labels != IGNORED).sum(1).clamp(min=1)
        return (each.sum(1) / words).mean()

    def decode(self, outputs: Outputs, rows: Prepared) -> tuple[list[list[str]], list[np.ndarray]]:
        """Return a tag for every word of every example, and their probabilities [words * k] an example.

        The tag is the argmax of the fp32 probabilities, so that the two agree to the last digit.
        """
        import numpy as np
        from scipy.special import softmax

        words: Words = rows.context
        rest = words.classes.index(OUTSIDE) if OUTSIDE in words.classes else 0
        labelled = [np.asarray(item["labels"]) != IGNORED for item in rows.items]
        logits = np.concatenate([out[mask] for out, mask in zip(outputs, labelled, strict=True)])
        known = iter(softmax(logits.astype(np.float64), axis=1).astype(np.float32))
        predictions, scores = [], []
        for tags, places in zip(rows.labels, words.places, strict=True):
            probabilities = np.zeros((len(tags), len(words.classes)), dtype=np.float32)
            probabilities[:, rest] = 1.0
            for place in places:
                probabilities[place] = next(known)
            predictions.append([words.classes[best] for best in probabilities.argmax(axis=1)])
            scores.append(probabilities.reshape(-1))
        return predictions, scores

    def shown(self, values: Sequence[Sequence[str]], classes: Sequence[str]) -> list[str]:
        """Return each example's tags as a JSON list."""
        return [json.dumps(list(tags), ensure_ascii=False) for tags in values]

    def read(self, texts: Sequence[str], classes: Sequence[str]) -> list[list[str]]:
        """Return each example's tags."""
        known = set(classes)
        found = []
        for text in texts:
            try:
                tags = json.loads(text)
            except (ValueError, RecursionError):
                tags = None
            if not isinstance(tags, list) or not all(isinstance(tag, str) and tag in known for tag in tags):
                raise SuiteError(f"'{text[:80]}' is no list of the record's tags")
            found.append(tags)
        return found

    def contradictions(self, predictions: Sequence[Sequence[str]], scores: Any) -> int:
        """Return in how many examples a tag is not the one with the highest probability.

        Which probability is which tag's is not told: tags and argmaxes belong together as they do in most words.
        """
        import numpy as np

        rows: list[list[tuple[int, str]]] = []
        for tags, flat in zip(predictions, scores, strict=True):
            fits = len(tags) > 0 and len(flat) > 0 and len(flat) % len(tags) == 0
            best = np.asarray(flat, dtype=np.float32).reshape(len(tags), -1).argmax(axis=1) if fits else [-1]
            rows.append(list(zip(map(int, best), tags, strict=fits)) or [(-1, "")])
        pairs = [pair for pair, _ in reversed(Counter(pair for row in rows for pair in row).most_common())]
        right = set(dict(pairs).items()) & {(best, tag) for tag, best in dict(pair[::-1] for pair in pairs).items()}
        return sum(any(pair not in right or pair[0] < 0 for pair in row) for row in rows)

    def chance(self, task: TaskSpec, labels: Any, n_classes: int) -> dict[str, float]:
        """Return 0 for entities; what guessing gets of single words is known only where the file says it."""
        known = {ENTITIES: 0.0}
        if task.chance is not None and task.main:
            known[task.main] = task.chance
        return known


def _tags_of(split: Split, names: Sequence[str] | None) -> Iterator[tuple[int, str]]:
    """Yield every tag of a split with the number of its row."""
    for row, tags in enumerate(split.columns["tags"]):
        for tag in tags or ():
            yield row, class_name(tag, names)


def _seen(split: Split, names: Sequence[str] | None) -> set[str]:
    return {tag for _, tag in _tags_of(split, names)}


def _check_rows(task: TaskSpec, split: Split) -> None:
    for row, (tokens, tags) in enumerate(zip(split.columns["tokens"], split.columns["tags"], strict=True)):
        if fault := _fault(tokens, tags):
            column, reason = fault
            raise SuiteError(
                f"{task.where('columns', column)}: row {row} of the {split.name} split {reason}. "
                "Mend or remove such rows."
            )


def _fault(tokens: Any, tags: Any) -> tuple[str, str] | None:
    """Return the column and what is wrong with a row, or nothing."""
    if not isinstance(tokens, list) or not all(isinstance(word, str) for word in tokens):
        return "tokens", f"has {str(tokens)[:80]} for 'tokens'; expected a list of words"
    if not any(word.strip() for word in tokens):
        return "tokens", "has no words in 'tokens'"
    if not isinstance(tags, list) or any(tag is None or isinstance(tag, list | dict) for tag in tags):
        return "tags", f"has {str(tags)[:80]} for 'tags'; expected a list of tags"
    if len(tokens) != len(tags):
        return "tags", f"has {len(tokens)} words and {len(tags)} tags; expected one tag a word"
    return None


def _check_entities(task: TaskSpec, classes: Sequence[str]) -> None:
    """Refuse classes that do not mark entities as BIO tags do."""
    place = task.where("main") if "main" in task.lines else task.where("metrics")
    if not any(tag.startswith(("B-", "I-")) for tag in classes):
        raise SuiteError(
            f"{place}: {ENTITIES} counts entities, and no tag of {task.name} begins with B- or I-; "
            "write 'main: accuracy' for tags that stand for themselves."
        )
    for tag in classes:
        if tag != OUTSIDE and not re.match(r"[BIES]-.", tag):
            raise SuiteError(
                f"{place}: {ENTITIES} reads O, B-TYPE and I-TYPE, and {task.name} has the tag '{tag}' too. Write "
                "it so, or 'main: accuracy' for tags that stand for themselves."
            )


KIND = TokenClassification()
