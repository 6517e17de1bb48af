"""Trainer's arguments: nothing is evaluated, logged or saved that nobody asked for."""

from __future__ import annotations

import math
from typing import Any

import torch
from transformers import TrainingArguments

from suite.outputs import PREDICT_BATCH
from suite.spec import Precision, Protocol
from suite.training._parts import Setting

AMPERE = 8
"""The first generation of GPUs that multiplies in TF32."""


def arguments(
    folder: str, protocol: Protocol, rate: float, steps: tuple[int, int], size: int, setting: Setting
) -> TrainingArguments:
    """Return the arguments of a training into a folder; `steps` are optimiser steps and batches a step."""
    looked_at = PREDICT_BATCH if size == protocol.batch else min(PREDICT_BATCH, 2 * size)  # memory is short there too
    made = TrainingArguments(
        output_dir=folder,
        per_device_train_batch_size=protocol.batch,
        per_device_eval_batch_size=looked_at,
        max_steps=steps[0],
        gradient_accumulation_steps=steps[1],
        learning_rate=rate,
        lr_scheduler_type=protocol.schedule,
        warmup_steps=math.ceil(protocol.warmup * steps[0]),
        weight_decay=protocol.weight_decay,
        max_grad_norm=protocol.max_grad_norm,
        bf16=setting.precision == "bf16",
        use_cpu=setting.device == "cpu",
        seed=setting.seeds["dropout"],
        eval_strategy="no",  # the watch asks for the looks, tells the loss and asks for checkpoints
        save_strategy="no",
        logging_strategy="no",
        logging_nan_inf_filter=False,  # it would wait for every loss
        disable_tqdm=True,
        report_to="none",
        remove_unused_columns=False,
        label_names=["labels"],
        **(_on_gpu(setting.precision) if setting.device == "cuda" else {"dataloader_pin_memory": False}),
    )
    made._n_gpu = min(made.n_gpu, 1)  # with more, Trainer would multiply the batch
    return made


def _on_gpu(precision: Precision) -> dict[str, Any]:
    """Return what only a GPU is told: copies that nobody waits for, and TF32 where fp32 was not the choice."""
    found: dict[str, Any] = {"dataloader_pin_memory": True, "accelerator_config": {"non_blocking": True}}
    if torch.cuda.get_device_capability()[0] >= AMPERE:
        found["tf32"] = precision != "fp32"
    return found
