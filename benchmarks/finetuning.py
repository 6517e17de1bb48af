"""Fine-tuning on short real texts: the suite against plain Trainer scripts and against a bare PyTorch loop.

    python benchmarks/finetuning.py --model bundled/minilm-l6 --task wordnet-supersense

All train the same checkpoint on the same tokens with the same batch size, in turn, in one process; what counts is
texts a second in the steady state, after the first steps and before the last look. The peers are

- `padded`: run_classification.py's defaults as a plain Trainer script: random batches padded to 128, fp32;
- `dynamic`: the same, each batch padded to its own longest row;
- `bare`: a loop written by hand over the suite's own batches, in the suite's own precision.

Memory is the peak of fresh processes: a whole run of the suite, and one that loads the same rows, trains by the
bare loop and predicts. `fixed` is what a fit costs besides its steps, the first of the process aside.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measuring import Pair, parser, ratio, tell

from suite import environment, evaluation, models
from suite.environment import Machine
from suite.plan import Request, plan
from suite.spec import Budget, Precision, RunSpec, Selection

if TYPE_CHECKING:
    from suite.strategies import Job

CLOCK = time.perf_counter
"""What the seconds are counted by; `--clock cpu` makes it processor time, for a machine that others use too."""

WARM = 10
"""Steps that are not counted, of the suite and of the bare loop; the plain scripts, with fewer steps, have a fifth."""


def specify(options: argparse.Namespace, looks: int = 1) -> RunSpec:
    """Return a run of as many steps as asked for, under the quick protocol otherwise."""
    request = Request((options.model,), (options.task,), ("full",), seeds=1, protocol="quick", offline=True)
    spec: RunSpec = plan(request)[0]
    budget = Budget(epochs=1000, min_steps=options.steps, max_steps=options.steps)
    changes = {"budget": budget, "selection": Selection(looks=looks), "precision": options.precision}
    return spec.model_copy(update={"protocol": spec.protocol.model_copy(update=changes)})


def ours(job: Job) -> tuple[float, float]:
    """Return texts a second of training by the suite, and the seconds that its steps do not explain."""
    from suite import optimiser, training

    told: list[tuple[int, float]] = []
    part = job.part
    few = part.validation.items[:8]
    share = training.Part(part.train.items, part.train.lengths, few, part.collate, lambda outputs: 0.0)
    setting = training.Setting(
        {"order": 0, "dropout": 0},
        job.device,
        job.precision,
        lambda event: told.append((event["step"], CLOCK())),
    )
    began = CLOCK()
    training.fit(job.build, {"task": share}, optimiser.Recipe(5e-5, 10.0), job.spec.protocol, setting)
    whole = CLOCK() - began
    (first, start), (last, end) = next(one for one in told if one[0] >= WARM), told[-1]
    step = (end - start) / (last - first)
    return job.spec.protocol.batch / step, whole - step * job.spec.protocol.budget.max_steps


def bare(job: Job) -> float:
    """Return texts a second of a loop written by hand over the same batches."""
    import torch
    from transformers import get_linear_schedule_with_warmup

    from suite import batches, optimiser

    protocol, train = job.spec.protocol, job.part.train
    steps = protocol.budget.max_steps
    every = max(1, steps // 20)
    first, last = -(-WARM // every) * every, steps // every * every  # where the suite tells of itself
    model = job.build().train()
    groups = optimiser.parameter_groups(model, optimiser.Recipe(5e-5, 10.0), protocol.weight_decay)
    optimizer = torch.optim.AdamW(groups, lr=5e-5, fused=True)
    schedule = get_linear_schedule_with_warmup(optimizer, round(protocol.warmup * steps), steps)
    began = ended = 0.0
    for step, rows in enumerate(batches.row_order(train.lengths, protocol.batch, steps, 0), start=1):
        with torch.autocast(job.device, dtype=torch.bfloat16, enabled=job.precision == "bf16"):
            loss = model(**job.part.collate([train.items[row] for row in rows]))["loss"]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), protocol.max_grad_norm)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        began = CLOCK() if step == first else began
        ended = CLOCK() if step == last else ended
    return (last - first) * protocol.batch / (ended - began)


def plain(job: Job, steps: int, pad_to: int | None) -> float:
    """Return texts a second of a Trainer script with Trainer's defaults, padded to a length or batch by batch."""
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        PrinterCallback,
        Trainer,
        TrainerCallback,
        TrainingArguments,
        default_data_collator,
    )

    folder = models.open_source(job.spec.checkpoint).folder
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=job.part.n_outputs)
    items: Sequence[dict[str, Any]] = list(job.part.train.items)
    if pad_to:
        items = [dict(tokenizer.pad(dict(item), padding="max_length", max_length=pad_to)) for item in items]
    seen: dict[int, float] = {}

    class Watch(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **named: Any) -> None:
            seen[state.global_step] = CLOCK()

    with tempfile.TemporaryDirectory() as output:
        arguments = TrainingArguments(
            output_dir=output,
            per_device_train_batch_size=job.spec.protocol.batch,
            max_steps=steps,
            use_cpu=job.device == "cpu",
            save_strategy="no",
            disable_tqdm=True,
        )
        collator = default_data_collator if pad_to else DataCollatorWithPadding(tokenizer)
        trainer = Trainer(model, arguments, collator, train_dataset=items, callbacks=[Watch()])  # type: ignore[arg-type]
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    first = max(1, steps // 5)
    return (steps - first) * job.spec.protocol.batch / (seen[steps] - seen[first])


def peak(options: argparse.Namespace, who: str) -> int:
    """Return the peak memory in bytes of a fresh process that trains as `who` does."""
    command = [sys.executable, __file__, "--only", who]
    for name in ("model", "task", "steps", "threads", "precision"):
        command += [f"--{name}", str(getattr(options, name))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(json.loads(done.stdout.splitlines()[-1])["peak"])


def carry_out(options: argparse.Namespace, machine: Machine) -> None:
    """Train as one of the two does and print the peak memory of this process."""
    spec = specify(options, looks=2)
    if options.only == "ours":
        evaluation.evaluate(spec, machine, lambda event: None)
    else:
        from suite.outputs import map_batches

        job = evaluation.prepared(spec, machine, lambda event: None)
        bare(job)
        model, part = job.build(), job.part
        for rows in (part.validation, part.validation, part.test):
            map_batches(model, lambda batch: model(**batch)["logits"], rows.items, rows.lengths, part.collate)
    print(json.dumps({"peak": peak_of_this()}))


def peak_of_this() -> int:
    """Return the most memory in bytes that this program has held; what getrusage says may be that of its parent."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return environment.peak_memory()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def compare(options: argparse.Namespace, machine: Machine) -> dict[str, Any]:
    """Return what all are like, each in pairs with the suite."""
    job = evaluation.prepared(specify(options), machine, lambda event: None)
    bare(job)  # the first pass is cold
    rounds = []
    for _ in range(options.pairs):
        speed, fixed = ours(job)
        peers = {"bare": bare(job), "dynamic": plain(job, 16, None), "padded": plain(job, 6, 128)}
        rounds.append((speed, fixed, peers))
    pairs = {
        peer: [Pair(1 / speed, 1 / peers[peer]) for speed, _, peers in rounds] for peer in ("bare", "dynamic", "padded")
    }
    memory = [Pair(peak(options, "ours"), peak(options, "bare")) for _ in range(options.memory)]
    return {
        "texts_a_second": [
            {"ours": round(speed, 1)} | {k: round(v, 1) for k, v in p.items()} for speed, _, p in rounds
        ],
        "times_faster_than": {peer: ratio(found) for peer, found in pairs.items()},
        "fixed_seconds_a_fit": round(statistics.median(fixed for _, fixed, _ in rounds), 3),
        "memory_against_bare": round(statistics.median(pair.ours / pair.theirs for pair in memory), 3)
        if memory
        else None,
        "peak_bytes": [dataclasses.asdict(pair) for pair in memory],
    }


def main() -> None:
    """Measure, and tell."""
    options_of = parser(__doc__)
    options_of.add_argument("--model", default="bundled/minilm-l6")
    options_of.add_argument("--task", default="wordnet-supersense")
    options_of.add_argument("--steps", type=int, default=40)
    options_of.add_argument("--pairs", type=int, default=3)
    options_of.add_argument("--memory", type=int, default=1, help="pairs of fresh processes")
    options_of.add_argument("--threads", type=int, default=environment.count_cores())
    options_of.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"])
    options_of.add_argument("--only", choices=["ours", "bare"], help=argparse.SUPPRESS)
    options_of.add_argument("--clock", default="wall", choices=["wall", "cpu"])
    options = options_of.parse_args()
    models.quiet()
    globals()["CLOCK"] = time.process_time if options.clock == "cpu" else time.perf_counter
    machine = choose(options.threads, options.precision)
    if options.only:
        carry_out(options, machine)
        return
    found = compare(options, machine)
    tell("finetuning", found | {"precision": machine.precision.text}, options)


def choose(threads: int, precision: Precision | str) -> Machine:
    """Return the machine; what `auto` means on it is measured or known from the cache."""
    from suite import precision as precisions

    machine = environment.choose("cpu", threads)
    if precision == "auto":
        return dataclasses.replace(machine, precision=precisions.measured(machine))
    return dataclasses.replace(machine, precision=environment.Precisions(precision, precision))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
