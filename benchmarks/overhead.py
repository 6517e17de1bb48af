"""What Trainer and the suite cost over a bare PyTorch loop, in the steady state on short texts.

    python benchmarks/overhead.py --model bundled/minilm-l6 --task wordnet-supersense

Both train the same model on the same batches in the same precision, in turn, in one process. The
time of a step is taken between the tenth step and the last but one twentieth, so that neither start
nor validation counts. Printed: seconds a step of each pair, and the median ratio.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from transformers import get_linear_schedule_with_warmup

from suite import batches, environment, evaluation, kinds, models, optimiser, processors, training
from suite.plan import Request, plan
from suite.spec import Budget, Protocol, RunSpec, Selection


def prepare(model: str, task: str, steps: int) -> tuple[Callable[[], models.Model], training.Part, Protocol]:
    """Return what both loops need: a model's maker, the rows, the recipe."""
    spec: RunSpec = plan(Request((model,), (task,), ("full",), protocol="quick", offline=True))[0]
    budget = Budget(epochs=1000, min_steps=steps, max_steps=steps)
    protocol = spec.protocol.model_copy(update={"budget": budget, "selection": Selection(looks=1)})
    kind = kinds.get(spec.tasks[0].kind)
    rows = evaluation.load_data(spec.tasks[0], protocol)
    classes = kind.classes(spec.tasks[0], rows)
    processor, length = processors.load(spec.checkpoint, kind.modality, protocol.max_length)
    train = kind.prepare(rows.train, classes, processor, length)
    few = kind.prepare(rows.validation.take(range(8)), classes, processor, length)
    part = training.Part(train.items, train.lengths, few.items, kind.collate(processor), lambda logits: 0.0)
    return lambda: models.load(spec.checkpoint, len(classes), 0), part, protocol


def ours(build: Callable[[], models.Model], part: training.Part, protocol: Protocol) -> float:
    """Return seconds a step of training by the suite."""
    seen: list[tuple[int, float]] = []

    def note(event: dict[str, Any]) -> None:
        seen.append((event["step"], time.perf_counter()))

    setting = training.Setting({"order": 0, "dropout": 0}, "cpu", "fp32", note)
    training.fit(build, {"task": part}, optimiser.Recipe(5e-5), protocol, setting)
    (first, began), (last, ended) = next(s for s in seen if s[0] >= 10), seen[-2]
    return (ended - began) / (last - first)


def bare(build: Callable[[], models.Model], part: training.Part, protocol: Protocol) -> float:
    """Return seconds a step of a loop written by hand over the same batches."""
    steps = protocol.budget.max_steps
    model = build().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, weight_decay=protocol.weight_decay, fused=True)
    schedule = get_linear_schedule_with_warmup(optimizer, round(0.1 * steps), steps)
    began = ended = 0.0
    last = steps - steps // 20
    for step, rows in enumerate(batches.row_order(part.train_lengths, protocol.batch, steps, 0), start=1):
        loss = model(**part.collate([part.train[row] for row in rows]))["loss"]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), protocol.max_grad_norm)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if step == 10:
            began = time.perf_counter()
        if step == last:
            ended = time.perf_counter()
    return (ended - began) / (last - 10)


def main() -> None:
    """Time both in turn and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="bundled/minilm-l6")
    parser.add_argument("--task", default="wordnet-supersense")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    models.quiet()
    torch.set_num_threads(options.threads)
    build, part, protocol = prepare(options.model, options.task, options.steps)
    bare(build, part, protocol)  # the first pass is cold
    pairs = [(ours(build, part, protocol), bare(build, part, protocol)) for _ in range(options.pairs)]
    result = {
        "seconds_a_step": [{"suite": round(a, 5), "bare": round(b, 5)} for a, b in pairs],
        "median_ratio": round(statistics.median(a / b for a, b in pairs), 3),
        "machine": f"{platform.machine()}, {options.threads} threads",
        "libraries": environment.versions(),
        **vars(options),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
