"""The code that loads kept weights with the library that wrote them, and asks them one thing; tests carry it out.

from transformers import AutoModelForSequenceClassification, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("org/name")
model = AutoModelForSequenceClassification.from_pretrained("org/name").eval()
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from suite import kinds
from suite.artifacts import About
from suite.evidence.words import clean
from suite.kinds import Kind

FOLDER = "weights"
"""What the code calls the folder of the weights where no repository is named."""


@dataclass(frozen=True)
class Loading:
    """Code that leaves `model` behind, and code that leaves `answer`."""

    load: tuple[str, ...]
    ask: tuple[str, ...]


def loading(about: About, repo: str | None, pair: bool = False) -> Loading:
    """Return the code for some kept weights.

    Args:
        about: what their folder says of them.
        repo: the repository that they are in; by default the code names a folder.
        pair: whether a text comes with another.

    Raises:
        SuiteError: they are of a kind that this version does not know.
    """
    kind = kinds.get(about.kind)
    where = clean(repo or FOLDER)
    drawn = about.base.init == "random" and about.library == "peft"  # no library draws our random base again
    if about.library == "safetensors" or drawn:
        return _ours(about, where, bool(repo), _example(about, kind, pair))
    load = _timm(about, where, bool(repo)) if about.auto is None else _transformers(about, kind, where)
    asked = _images(about, kind) if _sees(kind) else _texts(about, kind, pair)
    return Loading(tuple(load), ("import torch", *(["from PIL import Image"] * _sees(kind)), "", *asked))


def _text(value: str) -> str:
    return json.dumps(clean(value), ensure_ascii=False)


def _list(names: Sequence[str]) -> str:
    return json.dumps([clean(name) for name in names], ensure_ascii=False)


def _pinned(about: About) -> str:
    """Return the arguments that name the base checkpoint at its commit; a folder has none."""
    base = about.base
    pin = "" if base.revision.startswith("sha256:") else f", revision={_text(base.revision)}"
    return f"{_text(base.name)}{pin}"


def _transformers(about: About, kind: Kind, where: str) -> list[str]:
    auto, reader, name = about.auto, *(("AutoTokenizer", "tokenizer"), ("AutoImageProcessor", "processor"))[_sees(kind)]
    imports = f"from transformers import {auto}, {reader}"
    if about.library == "transformers":
        return [
            imports,
            "",
            f"{name} = {reader}.from_pretrained({_text(where)})",
            f"model = {auto}.from_pretrained({_text(where)}).eval()",
        ]
    head = f", num_labels={kind.n_outputs(about.classes)}, ignore_mismatched_sizes=True"  # the adapter brings its own
    outputs = head if kind.target != "text" else ""
    return [
        "from peft import PeftModel",
        imports,
        "",
        f"{name} = {reader}.from_pretrained({_pinned(about)})",
        f"base = {auto}.from_pretrained({_pinned(about)}{outputs})",
        f"model = PeftModel.from_pretrained(base, {_text(where)}).eval()",
    ]


def _sees(kind: Kind) -> bool:
    return kind.modality == "image"


def _timm(about: About, where: str, on_hub: bool) -> list[str]:
    transform = (
        "transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)"
    )
    if about.library == "timm":
        name = f"{'hf-hub' if on_hub else 'local-dir'}:{where}"
        return ["import timm", "", f"model = timm.create_model({_text(name)}, pretrained=True).eval()", transform]
    base, n = about.base, len(about.classes)
    folder = base.revision.startswith("sha256:")
    name = f"local-dir:{base.name}" if folder else f"hf-hub:{base.name}@{base.revision}"
    return [
        "import timm",
        "from peft import PeftModel",
        "",
        f"base = timm.create_model({_text(name)}, pretrained=True, num_classes={n})",
        transform.replace("(model)", "(base)"),
        f"model = PeftModel.from_pretrained(base, {_text(where)}).eval()",
    ]


def _ours(about: About, where: str, on_hub: bool, example: str) -> Loading:
    folder = f"snapshot_download({_text(where)})" if on_hub else _text(where)
    base = f", bases=[{_text(about.base.name)}]" if about.base.revision.startswith("sha256:") else ""
    if about.base.name.startswith("bundled/"):
        base = ""
    imports = ["from huggingface_hub import snapshot_download"] if on_hub else []
    return Loading(
        (*imports, "from suite import prediction", "", f"model = prediction.open_folder({folder}{base})"),
        (f"answer = model.predict([{example}]).answers[0]",),
    )


def _example(about: About, kind: Kind, pair: bool) -> str:
    """Return an input of a kind as code."""
    if about.kind == "question_answering":
        return '{"question": "Who was it?", "context": "It was the cat."}'
    if about.kind == "multiple_choice":
        return f'{{"text": "A text", "choices": {json.dumps(_choices(about))}}}'
    if pair or "text_pair" in kind.needs:
        return '{"text": "A text", "text_pair": "Another text"}'
    return '"picture.jpg"' if _sees(kind) else '"A text"'


def _choices(about: About) -> list[str]:
    return [f"choice {place + 1}" for place in range(len(about.classes))]


def _texts(about: About, kind: Kind, pair: bool) -> list[str]:
    cut = f'truncation=True, max_length={about.max_length}, return_tensors="pt"'
    labels = f"labels = {_list(about.classes)}"
    if about.kind == "multiple_choice":
        return [
            f'text, choices = "A text", {json.dumps(_choices(about))}',
            f"inputs = tokenizer([text] * len(choices), choices, padding=True, {cut})",
            "with torch.no_grad():",
            "    scores = model(**{name: value[None] for name, value in inputs.items()}).logits.softmax(-1)[0]",
            "answer = choices[scores.argmax()]",
        ]
    if about.kind == "question_answering":
        return _question(about)
    if kind.target == "tags":
        return [
            labels,
            'words = ["A", "few", "words"]',
            f"inputs = tokenizer(words, is_split_into_words=True, {cut})",
            "with torch.no_grad():",
            "    best = model(**inputs).logits.argmax(-1)[0].tolist()",
            "first = [inputs.word_ids().index(place) for place in range(len(words))]",
            "answer = [labels[best[token]] for token in first]",
        ]
    if kind.target == "number":
        return [
            f'inputs = tokenizer("A text", "Another text", {cut})',
            "with torch.no_grad():",
            "    answer = model(**inputs).logits[0, 0].item()",
        ]
    given = '"A text", "Another text"' if pair else '"A text"'
    return [
        labels,
        f"inputs = tokenizer({given}, {cut})",
        "with torch.no_grad():",
        f"    scores = model(**inputs).logits.{_scores(kind)}[0]",
        _best(kind),
    ]


def _question(about: About) -> list[str]:
    """Return code that looks for the best span of a context that is read whole."""
    cut = f'truncation="only_second", max_length={about.max_length}, return_offsets_mapping=True, return_tensors="pt"'
    code = [
        'question, context = "Who was it?", "It was the cat."',
        f"inputs = tokenizer(question, context, {cut})",
        'places = inputs.pop("offset_mapping")[0].tolist()',
        "with torch.no_grad():",
        "    outputs = model(**inputs)",
        "spans = outputs.start_logits[0, :, None] + outputs.end_logits[0]",
        "inside = torch.tensor([part == 1 for part in inputs.sequence_ids(0)])",
        "allowed = inside[:, None] & inside & torch.ones_like(spans, dtype=torch.bool).triu().tril(29)",
        "best = spans.masked_fill(~allowed, -torch.inf)",
        "start, end = divmod(best.argmax().item(), len(best))",
        "answer = context[places[start][0] : places[end][1]]",
    ]
    if len(about.classes) > 1:
        code.append('answer = "" if spans[0, 0] >= best.max() else answer')
    return code


def _images(about: About, kind: Kind) -> list[str]:
    opened = 'Image.open("picture.jpg").convert("RGB")'
    outputs = f"model(transform({opened})[None])"
    if about.auto is not None:
        outputs = f'model(**processor({opened}, return_tensors="pt")).logits'
    return [
        f"labels = {_list(about.classes)}",
        "with torch.no_grad():",
        f"    scores = {outputs}.{_scores(kind)}[0]",
        _best(kind),
    ]


def _scores(kind: Kind) -> str:
    return "sigmoid()" if kind.target == "labels" else "softmax(-1)"


def _best(kind: Kind) -> str:
    if kind.target == "labels":
        return "answer = [label for label, score in zip(labels, scores.tolist()) if score > 0.5]"
    return "answer = labels[scores.argmax()]"
