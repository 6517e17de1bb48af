"""Checkpoint at a revision -> processor, body and head, for transformers and timm alike.

Whatever library a checkpoint comes from, the rest of the suite sees one `Model`: it takes a batch,
returns logits (and a loss if labels are given), and gives the features under its head.
"""

from __future__ import annotations

import functools
import json
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from suite import hub, timing
from suite.spec import CheckpointRef, Modality, SuiteError

POOLINGS = ("mean", "cls", "native")

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Source:
    """A checkpoint's folder, its library and its config."""

    folder: Path
    library: str
    config: dict[str, Any]

    @property
    def modality(self) -> Modality:
        """What its body reads."""
        return hub.modality(self.config)


class Model(nn.Module):
    """A body with a head.

    Attributes:
        net: the transformers or timm model that the checkpoint's weights are in.
        head: names of the modules in `net` that are the task's head, not the checkpoint's body.
        fresh: names of the parameters of `net` that the checkpoint did not have; of a random twin, its head's.
        loss: what training minimises, from logits fp32 and labels; the task's kind says which.
    """

    net: nn.Module
    head: tuple[str, ...]
    fresh: frozenset[str]

    def __init__(self) -> None:
        super().__init__()
        self.loss: Loss = nn.functional.cross_entropy

    def forward(self, labels: torch.Tensor | None = None, **inputs: Any) -> dict[str, torch.Tensor]:
        """Return `logits`, and the mean `loss` over the batch where labels are given."""
        logits = self.logits(**inputs)
        if labels is None:
            return {"logits": logits}
        return {"loss": self.loss(logits.float(), labels), "logits": logits}

    def logits(self, **inputs: torch.Tensor) -> torch.Tensor:
        """Return the head's output [n, k], or [n, tokens, k]."""
        raise AssertionError("each library has its own")

    def recompute_activations(self) -> None:
        """Keep only some activations in the forward pass and compute the others again in the backward pass.

        Raises:
            SuiteError: the architecture has no such way.
        """
        raise AssertionError("each library has its own")

    def features(self, pooling: str, **inputs: torch.Tensor) -> torch.Tensor:
        """Return the body's features [n, width]."""
        raise AssertionError("each library has its own")


class TransformersModel(Model):
    """An encoder of transformers with a classification head."""

    def __init__(self, net: Any, fresh: frozenset[str]) -> None:
        super().__init__()
        self.net: Any = net
        self.fresh = fresh
        body = net.base_model_prefix
        self.head = tuple(
            name for name, child in net.named_children() if name != body and any(True for _ in child.parameters())
        )

    def logits(self, **inputs: torch.Tensor) -> torch.Tensor:
        """Return the head's output [n, k], or [n, tokens, k]."""
        return head_output(self.net(**inputs))

    def recompute_activations(self) -> None:
        """Turn on gradient checkpointing."""
        try:
            self.net.gradient_checkpointing_enable({"use_reentrant": False})
        except ValueError as error:
            raise _no_recomputing() from error

    def features(self, pooling: str, **inputs: torch.Tensor) -> torch.Tensor:
        """Return features [n, width]: `mean` over real tokens, `cls` the first one, `native` the body's own.

        `tokens` are those of every token [n, tokens, width]. Of choices [n, choices, tokens] each has its own
        features [n, choices, width].
        """
        if "input_ids" in inputs and inputs["input_ids"].dim() == 3:
            n, choices = inputs["input_ids"].shape[:2]
            flat = {name: value.flatten(0, 1) for name, value in inputs.items()}
            found = self.features(pooling, **flat)
            return found.reshape(n, choices, *found.shape[1:])
        if pooling == "native":
            return self._native(**inputs)
        hidden: torch.Tensor = self.net.base_model(**inputs).last_hidden_state
        if pooling == "tokens":
            return hidden
        if pooling == "cls":
            if "pixel_values" in inputs and (hidden.dim() == 4 or not self._has_cls()):
                raise _no_cls()
            return hidden[:, 0]
        if hidden.dim() == 4:  # a convolutional body: [n, width, height, width]
            return hidden.mean((2, 3))
        mask = inputs.get("attention_mask")
        weight = torch.ones_like(hidden[..., :1]) if mask is None else mask[..., None].to(hidden.dtype)
        return (hidden * weight).sum(1) / weight.sum(1)

    def _has_cls(self) -> bool:
        return any(name.endswith(("cls_token", "class_embedding")) for name, _ in self.net.named_parameters())

    def _native(self, **inputs: torch.Tensor) -> torch.Tensor:
        """Return what the body pools itself; of an image body that does not, what its classifier sees."""
        if "pixel_values" not in inputs:
            pooled = getattr(self.net.base_model(**inputs), "pooler_output", None)
            if pooled is None or self._pooler_is_fresh():
                raise SuiteError("This checkpoint has no pooling of its own; use pooling: mean or cls.")
            found: torch.Tensor = pooled.flatten(1)
            return found
        bodies: list[torch.Tensor | None] = []
        seen: list[torch.Tensor] = []
        hooks = (
            self.net.base_model.register_forward_hook(
                lambda module, arguments, out: bodies.append(getattr(out, "pooler_output", None))
            ),
            self.net.get_submodule(self.head[-1]).register_forward_pre_hook(
                lambda module, arguments: seen.append(arguments[0])
            ),
        )
        try:
            self.net(**inputs)
        finally:
            for hook in hooks:
                hook.remove()
        if bodies and bodies[0] is not None and not self._pooler_is_fresh():
            return bodies[0].flatten(1)
        return seen[0].flatten(1)

    def _pooler_is_fresh(self) -> bool:
        return any(name.startswith(f"{self.net.base_model_prefix}.pooler.") for name in self.fresh)


class TimmModel(Model):
    """A backbone of timm with its own classifier."""

    def __init__(self, net: Any, fresh: frozenset[str], head: tuple[str, ...]) -> None:
        super().__init__()
        self.net: Any = net
        self.fresh = fresh
        self.head = head

    def logits(self, **inputs: torch.Tensor) -> torch.Tensor:
        """Return the classifier's output [n, k]."""
        logits: torch.Tensor = self.net(inputs["pixel_values"])
        return logits

    def recompute_activations(self) -> None:
        """Turn on gradient checkpointing."""
        try:
            self.net.set_grad_checkpointing(True)
        except (AttributeError, AssertionError) as error:
            raise _no_recomputing() from error

    def features(self, pooling: str, **inputs: torch.Tensor) -> torch.Tensor:
        """Return features [n, width]: `native` as timm's classifier sees them, else over the feature map."""
        hidden: torch.Tensor = self.net.forward_features(inputs["pixel_values"])
        if pooling == "native":
            features: torch.Tensor = self.net.forward_head(hidden, pre_logits=True)
            return features.flatten(1)
        has_cls = getattr(self.net, "cls_token", None) is not None
        if pooling == "cls":
            if hidden.dim() == 4 or not has_cls:
                raise _no_cls()
            return hidden[:, 0]
        if hidden.dim() == 4:
            return hidden.mean((1, 2) if getattr(self.net, "output_fmt", "NCHW") == "NHWC" else (2, 3))
        return hidden[:, getattr(self.net, "num_prefix_tokens", int(has_cls)) :].mean(1)


def head_output(out: Any) -> torch.Tensor:
    """Return a head's one tensor; the two of a span head become the last axis: start and end [n, tokens, 2]."""
    if "start_logits" in out:
        return torch.stack([out.start_logits, out.end_logits], dim=-1)
    logits: torch.Tensor = out.logits
    return logits


def _no_recomputing() -> SuiteError:
    return SuiteError(
        "This architecture cannot recompute its activations; use a protocol without activation_checkpointing."
    )


def _no_cls() -> SuiteError:
    return SuiteError("This checkpoint has no [CLS] token; use pooling: mean or native.")


def open_source(ref: CheckpointRef) -> Source:
    """Return where a checkpoint lies and which library reads it."""
    folder = hub.fetch(ref)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if "model_type" in config and config["model_type"] != "timm_wrapper":
        return Source(folder, "transformers", config)
    if "architecture" in config:
        return Source(folder, "timm", config)
    raise SuiteError(f"{ref.name}: config.json has neither 'model_type' (transformers) nor 'architecture' (timm).")


@timing.phase("loading the checkpoint")
def load(
    ref: CheckpointRef, n_labels: int, seed: int, auto: str | None = None, loss: Loss = nn.functional.cross_entropy
) -> Model:
    """Return a model with a fresh head of `n_labels` outputs, in fp32 on the CPU.

    `auto` is the auto class of transformers that has the head (by default the one that classifies whole
    texts or images); timm's backbones have one head only. With `init: random` the body too is
    initialised from the seed: the same architecture from scratch.

    Raises:
        SuiteError: the weights cannot be loaded; the message says why.
    """
    source = open_source(ref)
    torch.manual_seed(seed)
    try:
        if source.library == "timm":
            model = _load_timm(source, n_labels, ref.init == "random")
        else:
            model = _load_transformers(source, n_labels, ref.init == "random", auto or _CLASSIFIERS[source.modality])
    except SuiteError:
        raise
    except Exception as error:  # strangers' weights fail in many ways; each becomes one sentence
        raise SuiteError(f"{ref.name}: cannot be loaded: {str(error).strip().splitlines()[0]}") from error
    model.loss = loss
    return model


_CLASSIFIERS = {"text": "AutoModelForSequenceClassification", "image": "AutoModelForImageClassification"}


def _load_transformers(source: Source, n_labels: int, random: bool, auto_class: str) -> Model:
    import transformers
    from transformers import AutoConfig

    auto: Any = getattr(transformers, auto_class)
    config = AutoConfig.from_pretrained(source.folder, trust_remote_code=False, num_labels=n_labels)
    if type(config) not in auto._model_mapping:
        raise SuiteError(f"the architecture '{config.model_type}' has no {_head_of(auto_class)} head in transformers")
    if random:
        return _of_head(TransformersModel(auto.from_config(config, dtype=torch.float32), frozenset()))
    net, info = auto.from_pretrained(
        source.folder,
        config=config,
        use_safetensors=True,
        trust_remote_code=False,
        ignore_mismatched_sizes=True,
        output_loading_info=True,
        dtype=torch.float32,
    )
    if not isinstance(getattr(net, net.base_model_prefix, None), nn.Module):
        raise SuiteError(f"the {_head_of(auto_class)} model of '{config.model_type}' has no body apart from its head")
    mismatched = {entry[0] if isinstance(entry, tuple) else entry for entry in info["mismatched_keys"]}
    fresh = (set(info["missing_keys"]) | mismatched) & {name for name, _ in net.named_parameters()}
    if fresh == {name for name, _ in net.named_parameters()}:
        raise SuiteError("none of its weights fit the architecture that its config names")
    return _with_fresh_head(TransformersModel(net, frozenset(fresh)), auto, config)


def _head_of(auto_class: str) -> str:
    """Return 'sequence classification' for 'AutoModelForSequenceClassification'."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", auto_class.removeprefix("AutoModelFor")).lower()


def _of_head(model: TransformersModel) -> TransformersModel:
    """Return the model with its head's parameters as the fresh ones, beside those that are already."""
    of_head = {name for name, _ in model.net.named_parameters() if name.split(".")[0] in model.head}
    return TransformersModel(model.net, model.fresh | of_head)


def _with_fresh_head(model: TransformersModel, auto: Any, config: Any) -> TransformersModel:
    """Replace a head that came trained: a checkpoint is judged by its body, whatever it was tuned for."""
    whole = _of_head(model)
    if whole.fresh != model.fresh:
        untrained = auto.from_config(config, dtype=torch.float32)
        for name in model.head:
            setattr(model.net, name, getattr(untrained, name))
    return whole


def _load_timm(source: Source, n_labels: int, random: bool) -> Model:
    import timm
    from safetensors.torch import load_file

    arguments = {k: v for k, v in (source.config.get("model_args") or {}).items() if k != "num_classes"}
    net: Any = timm.create_model(source.config["architecture"], pretrained=False, num_classes=n_labels, **arguments)
    names = {name for name, _ in net.named_parameters()}
    found = net.get_classifier()
    classifiers = found if isinstance(found, tuple) else (found,)  # a distilled one has two
    head = tuple(name for name, module in net.named_modules() if any(module is c for c in classifiers))
    of_head = tuple(f"{name}." for name in head)
    if random:
        return TimmModel(net, frozenset(name for name in names if name.startswith(of_head)), head)
    stored = load_file(source.folder / "model.safetensors")
    weights = {name.removeprefix("timm_model."): value for name, value in stored.items()}  # as transformers saves it
    shapes = {name: value.shape for name, value in net.state_dict().items()}
    fitting = {
        name: value
        for name, value in weights.items()
        if shapes.get(name) == value.shape and not name.startswith(of_head)
    }
    missing = set(net.load_state_dict(fitting, strict=False).missing_keys)
    outside = {name for name in missing if not name.startswith(of_head)}
    if outside:
        raise SuiteError(f"its weights lack '{min(outside)}' of {source.config['architecture']}")
    return TimmModel(net, frozenset(missing & names), head)


@functools.lru_cache(maxsize=1)
def quiet() -> None:
    """Silence the libraries' own progress bars and advice; errors still come through."""
    from huggingface_hub.utils.tqdm import disable_progress_bars
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    disable_progress_bars()
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(transformers|peft|timm|datasets)\.")
