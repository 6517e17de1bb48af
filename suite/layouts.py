"""Trained weights in the layout that their own library opens, and opened again.

A transformers model lies as `save_pretrained` leaves it, with its class names; a timm model as `timm.create_model`
takes it from `local-dir:`. With the processor's files beside it a folder is a checkpoint like any other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from suite.artifacts import Library
from suite.models import Model, Source, TimmModel, TransformersModel
from suite.spec import SuiteError

_PROBLEMS = {"class": "single_label_classification", "labels": "multi_label_classification", "number": "regression"}
_OF_MACHINE = ("_name_or_path", "name_or_path", "is_local", "local_files_only")
"""What libraries note of where something was read from; it is not true of the next machine."""


def save(model: Model, source: Source, classes: Sequence[str], target: str, folder: Path) -> None:
    """Write a model with all of its weights, fp32, into a folder.

    Args:
        model: the trained model, of one task.
        source: the checkpoint that it came from.
        classes: what its outputs are called, in their order; none where they are no classes.
        target: the kind's; it says which loss the library would take.
        folder: where to; it is created.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(model, TimmModel):
        _save_timm(model.net, source, classes, folder)
    else:
        _save_transformers(model.net, classes, target, folder)
    _forget_machine(folder)


def _save_transformers(net: Any, classes: Sequence[str], target: str, folder: Path) -> None:
    if classes:
        net.config.id2label = dict(enumerate(classes))
        net.config.label2id = {name: place for place, name in enumerate(classes)}
    if type(net).__name__.endswith(("ForSequenceClassification", "ForImageClassification")):
        net.config.problem_type = _PROBLEMS.get(target)
    net.save_pretrained(folder)


def _save_timm(net: Any, source: Source, classes: Sequence[str], folder: Path) -> None:
    """Write as timm's own push to the Hub does, with what the checkpoint says of its images."""
    from timm.models import save_for_hf

    arguments = {k: v for k, v in (source.config.get("model_args") or {}).items() if k != "num_classes"}
    save_for_hf(
        net, str(folder), model_config={"label_names": list(classes)}, model_args=arguments, safe_serialization=True
    )
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    said = config.get("model_args", {})
    config["model_args"] = {k: v for k, v in said.items() if k != "num_classes"}  # transformers would get it twice
    if images := source.config.get("pretrained_cfg"):  # timm writes that of the architecture, with its licence
        config["pretrained_cfg"] = images | {"num_classes": net.num_classes}
    path.write_text(json.dumps(config, indent=2), encoding="utf-8")


def save_processor(source: Source, folder: Path) -> None:
    """Write the tokenizer or the image processor of a checkpoint; timm's images are described in its config."""
    from transformers import AutoImageProcessor, AutoTokenizer

    if source.library == "timm":
        return
    auto: Any = AutoTokenizer if source.modality == "text" else AutoImageProcessor
    auto.from_pretrained(source.folder, trust_remote_code=False).save_pretrained(folder)
    _forget_machine(folder)


def _forget_machine(folder: Path) -> None:
    for path in sorted(folder.glob("*config.json")):
        said = json.loads(path.read_text(encoding="utf-8"))
        kept = {name: value for name, value in said.items() if name not in _OF_MACHINE}
        if kept != said:
            path.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def load(folder: Path, auto: str | None) -> Model:
    """Return a model that `save` wrote, in fp32 on the CPU, its head as it was trained.

    `auto` is the auto class of transformers; None for timm.

    Raises:
        SuiteError: the folder does not hold such a model.
    """
    try:
        return TimmModel(_timm(folder), frozenset(), ()) if auto is None else _transformers(folder, auto)
    except Exception as error:  # a damaged file fails in many ways; each becomes one sentence
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise SuiteError(f"The weights in '{folder}' cannot be loaded: {reason[0]}") from error


def _timm(folder: Path) -> Any:
    import timm

    return timm.create_model(f"local-dir:{folder}", pretrained=True)


def _transformers(folder: Path, auto: str) -> Model:
    import transformers

    net, info = getattr(transformers, auto).from_pretrained(
        folder, use_safetensors=True, trust_remote_code=False, output_loading_info=True, dtype=torch.float32
    )
    if missing := sorted(info["missing_keys"]):
        raise SuiteError(f"'{missing[0]}' is not among them")
    return TransformersModel(net, frozenset())


def how(library: Library, auto: str | None) -> str:
    """Return the line of code that loads a folder with nothing but its library."""
    lines: Mapping[Library, str] = {
        "transformers": f"transformers.{auto}.from_pretrained(folder)",
        "timm": "timm.create_model('local-dir:' + folder, pretrained=True)",
        "peft": "peft.PeftModel.from_pretrained(base_model_with_as_many_outputs, folder)",
        "safetensors": "safetensors.numpy.load_file(folder + '/head.safetensors'); head.json says what to do with it",
    }
    return lines[library]
