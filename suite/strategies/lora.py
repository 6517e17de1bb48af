"""LoRA: low-rank updates of a frozen body by peft, and a fresh head (Hu et al. 2021, arXiv 2106.09685)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite.spec import CheckpointRef, Modality, SuiteError
from suite.strategies import Adapted, Job, Kept, Part, Settings, Strategy, _gradient

if TYPE_CHECKING:
    from torch import nn

    from suite.data import Prepared
    from suite.models import Model
    from suite.outputs import Outputs


class Lora(Strategy):
    """Adapt every linear layer (and ungrouped convolution) of the body; the head is trained whole.

    BatchNorm keeps its statistics: an adapter could not carry moved ones along.
    """

    joint = True
    spreads = True
    keeps = "adapter"
    resamples = ("holdout", "kfold", "bootstrap", "partition", "sequential")

    def recipe(self, modality: Modality) -> Settings:
        """Return AdamW's learning rate, the head's multiple of it, and the adapter's rank and scale."""
        rate = 5e-4 if modality == "text" else 2e-3
        return {"learning_rate": rate, "head_multiplier": 2.0, "rank": 8, "alpha": 16, "dropout": 0.0}

    def check(self, settings: Settings) -> None:
        """Refuse a rank below one, a dropout that is no share, and rates or a scale of zero or less."""
        _gradient.check("lora", settings, ("learning_rate", "head_multiplier", "alpha"))
        if not 0 <= float(settings["dropout"]) < 1:  # type: ignore[arg-type]  # the types were checked before
            raise SuiteError(f"lora.dropout is {settings['dropout']}; expected 0 or more and less than 1.")
        if not isinstance(settings["rank"], int) or settings["rank"] < 1:
            raise SuiteError(f"lora.rank is {settings['rank']}; expected a whole number of at least 1.")

    def fit(self, job: Job) -> Adapted:
        """Wrap the body in adapters and train those and the head."""
        return _gradient.train(job, lambda model: adapt(model, job.spec.settings), _save, freeze_batch_norm=True)

    def restore(self, kept: Kept) -> Callable[[Prepared], Outputs]:
        """Put the adapter and the trained head on the base checkpoint."""
        from peft import PeftModel

        model = kept.build()
        try:
            model.net = PeftModel.from_pretrained(model.net, kept.folder)
        except Exception as error:  # a damaged file fails in many ways; each becomes one sentence
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise SuiteError(f"The adapter in '{kept.folder}' cannot be loaded: {reason[0]}") from error
        _show_geometry(model.net)
        return _gradient.answers(model, kept)


def _save(model: Model, part: Part, checkpoint: CheckpointRef, folder: Path) -> None:
    """Write the adapter with the head as peft does, its base named as anybody may know it."""
    net: Any = model.net
    config = net.peft_config["default"]
    config.base_model_name_or_path = checkpoint.name
    config.revision = None if checkpoint.revision.startswith("sha256:") else checkpoint.revision
    net.save_pretrained(folder, safe_serialization=True, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # an empty form that names the folder of this machine
    path = folder / "adapter_config.json"
    said = json.loads(path.read_text(encoding="utf-8"))
    in_order = {name: sorted(value) if isinstance(value, list) else value for name, value in said.items()}
    path.write_text(json.dumps(in_order, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def adapt(model: Model, settings: Settings) -> Model:
    """Return the model with its body frozen under adapters; what the checkpoint lacked is trained whole."""
    from peft import LoraConfig, get_peft_model

    lacking = {name.rpartition(".")[0] for name in model.fresh} - {""}
    trained = sorted({*model.head, *(name for name in lacking if name.split(".")[0] not in model.head)})
    config: Any = LoraConfig(
        r=settings["rank"],  # type: ignore[arg-type]  # the types were checked with the protocol
        lora_alpha=settings["alpha"],  # type: ignore[arg-type]
        lora_dropout=settings["dropout"],  # type: ignore[arg-type]
        target_modules=targets(model, trained),
        modules_to_save=trained,
    )
    model.net = get_peft_model(model.net, config)
    _show_geometry(model.net)
    return model


def _show_geometry(net: nn.Module) -> None:
    """Give adapted convolutions the attributes of plain ones: some architectures pad by them (MobileNet)."""
    from torch import nn

    for module in net.modules():
        if isinstance(plain := getattr(module, "base_layer", None), nn.Conv2d):
            for name in ("kernel_size", "stride", "dilation"):
                setattr(module, name, getattr(plain, name))


def targets(model: Model, spared: list[str]) -> list[str]:
    """Return the body's linear layers and plain convolutions by name.

    Raises:
        SuiteError: there are none, so that LoRA has nothing to adapt.
    """
    found = [
        name
        for name, module in model.net.named_modules()
        if _can_adapt(module) and not any(f"{name}.".startswith(f"{spare}.") for spare in spared)
    ]
    if not found:
        raise SuiteError("LoRA finds no linear layer or convolution in the body of this checkpoint; use -s full.")
    return found


def _can_adapt(module: nn.Module) -> bool:
    """Return whether peft's update has the layer's own geometry: it knows no groups, dilation or dynamic padding."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    if type(module) is nn.Conv2d:
        return module.groups == 1 and set(module.dilation) == {1}
    return isinstance(module, nn.Linear | Conv1D)


STRATEGY = Lora()
