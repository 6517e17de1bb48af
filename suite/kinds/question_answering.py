"""An answer marked in a text: SQuAD, with or without questions that have none."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from suite.data import Prepared
from suite.kinds import Kind, _tokens
from suite.spec import SuiteError, TaskSpec

if TYPE_CHECKING:
    import numpy as np
    import torch

    from suite.data import Split, TaskData
    from suite.kinds._windows import Window
    from suite.outputs import Outputs

CHUNK = 1000
"""So many rows are tokenised at once: the tokenizer's offsets are heavy until they are packed."""


@dataclass(frozen=True)
class Reading:
    """What it takes to read answers: the items' windows, the contexts, and whether "" is an answer."""

    windows: list[Window]
    contexts: list[str]
    can_abstain: bool


class QuestionAnswering(Kind):
    """Question and context in, a span of the context out; "" where there is none, if train has such questions.

    The model gives every token two numbers: that the answer starts here, and that it ends here. A context longer
    than the model reads is read in windows; an answer is the best span over all of them.
    """

    modality = "text"
    auto = "AutoModelForQuestionAnswering"
    target = "text"
    per_token = True
    needs = ("question", "context", "answers")
    metrics = ("squad_f1", "exact_match")
    main = "squad_f1"

    def classes(self, task: TaskSpec, data: TaskData) -> tuple[str, ...]:
        """Return "answerable", and "unanswerable" where the train split has such questions.

        Only with both is "" ever predicted; the other splits have no say in it.
        """
        missing = any(_has_none(answers) for answers in data.train.columns["answers"])
        return ("answerable", "unanswerable") if missing else ("answerable",)

    def n_outputs(self, classes: Sequence[str]) -> int:
        """Return 2: start and end."""
        return 2

    def check(self, task: TaskSpec, data: TaskData) -> None:
        """Refuse empty texts, answers that are not where they are said to be, and splits without answers."""
        if task.labels:
            raise SuiteError(
                f"{task.where('labels')}: question_answering takes no labels; a question without an answer is one "
                "whose 'answers' are empty lists."
            )
        for split in data.splits:
            cells = zip(*(split.columns[name] for name in self.needs), strict=True)
            for row, (question, context, answers) in enumerate(cells):
                if fault := _fault(question, context, answers):
                    column, reason = fault
                    raise SuiteError(
                        f"{task.where('columns', column)}: row {row} of the {split.name} split {reason} "
                        "Mend or remove such rows."
                    )
        classes = self.classes(task, data)
        for split in data.splits:
            _check_answered(task, split, classes)

    def prepare(self, split: Split, classes: Sequence[str], processor: Any, max_length: int) -> Prepared:
        """Tokenise into windows and mark the first gold answer in those that hold it whole.

        In all others the [CLS] token is marked. `truncated` counts the rows whose question was cut and those
        whose answer is whole in no window.
        """
        from suite.kinds import _windows

        _tokens.need_fast(processor, "question_answering")
        items: list[dict[str, Any]] = []
        windows: list[Window] = []
        cut: set[int] = set()
        for start in range(0, len(split), CHUNK):
            part = split.take(range(start, min(start + CHUNK, len(split))))
            found = _windows.read(part.columns["question"], part.columns["context"], processor, max_length)
            lost = _mark(part.columns["answers"], *found[:2])
            items.extend(found[0])
            windows.extend(replace(window, owner=start + window.owner) for window in found[1])
            cut.update(start + row for row in found[2] | lost)
        reading = Reading(windows, split.columns["context"], len(classes) > 1)
        labels = [answers["text"] for answers in split.columns["answers"]]
        lengths = [len(item["input_ids"]) for item in items]
        owners = [window.owner for window in windows]
        return Prepared(items, labels, lengths, split.ids, truncated=len(cut), owners=owners, context=reading)

    def collate(self, processor: Any) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
        """Return a function that pads a batch; labels [n, 4] are start, end, first token and behind the last."""

        def pad(items: list[dict[str, Any]]) -> dict[str, Any]:
            import torch

            batch = _tokens.padded(items, processor)
            mask = batch["attention_mask"]
            first = mask.argmax(dim=1, keepdim=True)  # more than 0 where the tokenizer pads on the left
            marks = torch.tensor([item["labels"] for item in items]) + first
            return batch | {"labels": torch.cat([marks, first, first + mask.sum(dim=1, keepdim=True)], dim=1)}

        return pad

    def loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the mean of the cross-entropies of start and end over a row's own tokens, its padding left out."""
        import torch
        from torch.nn.functional import cross_entropy

        places = torch.arange(logits.shape[1], device=logits.device)
        padding = (places < labels[:, 2:3]) | (places >= labels[:, 3:4])
        lowest = torch.finfo(logits.dtype).min
        return cross_entropy(logits.masked_fill(padding[..., None], lowest), labels[:, :2])

    def decode(self, outputs: Outputs, rows: Prepared) -> tuple[list[str], np.ndarray]:
        """Return the texts, and [n, 2] the best span's score and that of no answer: the least over the windows.

        The text is "" where no answer scores as high as the best span. If train has no such questions, "no
        answer" scores the least there is, whatever the model says.
        """
        import numpy as np

        from suite.kinds import _windows

        reading: Reading = rows.context
        texts = [""] * len(rows)
        spans, nothing = np.full(len(rows), -np.inf), np.full(len(rows), np.inf if reading.can_abstain else -np.inf)
        for logits, window in zip(outputs, reading.windows, strict=True):
            owner = window.owner
            score, characters = _windows.best(logits, window)
            if not score <= spans[owner]:
                texts[owner] = reading.contexts[owner][characters]
            spans[owner] = np.maximum(spans[owner], score)  # keeps what is no number
            nothing[owner] = np.minimum(nothing[owner], logits[window.nothing].astype(np.float64).sum())
        limits = np.finfo(np.float32)
        scores = np.stack([spans, nothing], axis=1).clip(limits.min, limits.max).astype(np.float32)
        empty = scores[:, 1] >= scores[:, 0]
        return ["" if none else text for none, text in zip(empty, texts, strict=True)], scores

    def places(self, outputs: Outputs, rows: Prepared) -> list[slice]:
        """Return where in its context each row's best span is; of equal ones the first window's, as in `decode`."""
        from suite.kinds import _windows

        best, places = [float("-inf")] * len(rows), [slice(0, 0)] * len(rows)
        for logits, window in zip(outputs, rows.context.windows, strict=True):
            score, characters = _windows.best(logits, window)
            if score > best[window.owner]:
                best[window.owner], places[window.owner] = score, characters
        return places

    def shown(self, values: Sequence[list[str] | str], classes: Sequence[str]) -> list[str]:
        """Return JSON: a list of texts for gold answers, a text for a prediction."""
        return [json.dumps(value, ensure_ascii=False) for value in values]

    def read(self, texts: Sequence[str], classes: Sequence[str]) -> list[list[str] | str]:
        """Return the lists or texts."""
        found = []
        for text in texts:
            try:
                value = json.loads(text)
            except (ValueError, RecursionError):
                value = None
            if not isinstance(value, str) and not _is_list_of(value, str):
                raise SuiteError(f"'{text[:80]}' is no text and no list of texts in JSON")
            found.append(value)
        return found

    def contradictions(self, predictions: Sequence[str], scores: Any) -> int:
        """Return how many predictions are empty though a span scores higher, or the other way round."""
        import numpy as np

        values = np.asarray(scores, dtype=np.float32).reshape(-1, 2)
        empty = np.array([text == "" for text in predictions], dtype=bool)
        return int((empty != (values[:, 1] >= values[:, 0])).sum())

    def chance(self, task: TaskSpec, labels: Any, n_classes: int) -> dict[str, float]:
        """Return what "" gets everywhere: the share of questions without an answer."""
        share = sum(not answers for answers in labels) / max(1, len(labels)) if n_classes > 1 else 0.0
        known = {"squad_f1": share, "exact_match": share}
        if task.chance is not None and task.main:
            known[task.main] = task.chance
        return known


def _mark(answers: Sequence[dict[str, Any]], items: list[dict[str, Any]], windows: list[Window]) -> set[int]:
    """Give each item its label; return the rows whose answer is whole in no window."""
    from suite.kinds import _windows

    lost = set()
    of_row: dict[int, list[int]] = {}
    for i, window in enumerate(windows):
        of_row.setdefault(window.owner, []).append(i)
    for row, own in of_row.items():
        places: list[tuple[int, int] | None] = [None] * len(own)
        if answers[row]["text"]:
            text, start = answers[row]["text"][0], answers[row]["answer_start"][0]
            start += len(text) - len(text.lstrip())
            places = _windows.place([windows[i] for i in own], start, start + len(text.strip()))
            if not any(places):
                lost.add(row)
        for i, found in zip(own, places, strict=True):
            items[i]["labels"] = list(found or (windows[i].nothing,) * 2)
    return lost


def _is_list_of(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(one, kind) for one in value)


def _has_none(answers: Any) -> bool:
    return isinstance(answers, dict) and answers.get("text") == []


def _fault(question: Any, context: Any, answers: Any) -> tuple[str, str] | None:
    """Return the column and what is wrong with a row, or nothing."""
    for column, text in (("question", question), ("context", context)):
        if not isinstance(text, str) or not text.strip():
            return column, f"has {text!r} for '{column}'; expected a text."
    texts, starts = (answers.get(name) if isinstance(answers, dict) else None for name in ("text", "answer_start"))
    if not _is_list_of(texts, str) or not _is_list_of(starts, int) or len(texts) != len(starts):  # type: ignore[arg-type]
        shape = "{text: [...], answer_start: [...]} with as many numbers as texts"
        return "answers", f"has {str(answers)[:80]} for 'answers'; expected {shape}."
    reasons = (_misplaced(context, text, start) for text, start in zip(texts, starts, strict=True))  # type: ignore[arg-type]
    return next((("answers", reason) for reason in reasons if reason), None)


def _misplaced(context: str, text: str, start: int) -> str:
    """Return what is wrong with where an answer is said to stand, or nothing."""
    if not text.strip():
        return f"has the answer {text!r}; expected a text, or empty lists where there is no answer."
    if start >= 0 and context[start : start + len(text)] == text:
        return ""
    there = context[max(start, 0) : max(start, 0) + len(text)]
    places = [str(i) for i in range(len(context)) if context.startswith(text, i)]
    where = f"It stands at {', '.join(places[:5])}." if places else "The context does not have it."
    return f"has the answer {text[:80]!r} at character {start} of the context, where {there[:80]!r} is. {where}"


def _check_answered(task: TaskSpec, split: Split, classes: Sequence[str]) -> None:
    """Refuse a split of unanswerable questions, and single ones where the train split has none."""
    none = [row for row, answers in enumerate(split.columns["answers"]) if _has_none(answers)]
    if len(none) == len(split):
        raise SuiteError(
            f"{task.where('splits', split.name)}: no question of the {split.name} split has an answer; if they are "
            "hidden, name a split that has them."
        )
    if none and len(classes) == 1:
        raise SuiteError(
            f"{task.where('splits', split.name)}: row {none[0]} of the {split.name} split has no answer, and every row "
            "of the train split has one; the model cannot learn to give none."
        )


KIND = QuestionAnswering()
