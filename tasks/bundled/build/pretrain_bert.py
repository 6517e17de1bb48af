"""Pre-train tiny-bert on the WordNet glosses and examples that no bundled task uses.

Run from the root of a checkout, after make_tasks.py:

    python tasks/bundled/build/pretrain_bert.py --steps 8000

It is BERT's own recipe on a small scale: word pieces learnt from the corpus, masked words, and
for half of the rows the question whether the second segment is the next line of the file. The
steps are seeded and so are the weights, for one version of torch and one number of threads.
"""

import argparse
import json
import math
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from linear_probe import probe
from make_tasks import DATA, WORDNET, task_texts
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.trainers import WordPieceTrainer
from torch import nn
from transformers import BertConfig, BertForPreTraining, BertTokenizerFast
from wordnet_database import Synset, is_reserved, normalised, read_synsets

CHECKPOINT = Path(__file__).resolve().parent.parent / "checkpoints" / "tiny-bert"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PAD, CLS, SEP, MASK = 0, 2, 3, 4
VOCABULARY = 6000
POSITIONS = 128
LONGEST = 112
PEAK_RATE = 1.5e-3
IGNORED = -100

Ids = list[int]


@dataclass(frozen=True)
class Batch:
    """Padded rows: word pieces as masked, segments, what was masked, and is-next (0), not (1)."""

    ids: torch.Tensor
    segments: torch.Tensor
    targets: torch.Tensor
    next_line: torch.Tensor


def corpus(wordnet: Path, data: Path) -> list[Synset]:
    """Return the synsets of which neither gloss nor example is in a task, in file order."""
    used = task_texts(data)
    used |= {text.partition(": ")[2] for text in used}
    return [
        synset
        for synset in read_synsets(wordnet)
        if not is_reserved(synset.definition)
        and used.isdisjoint(normalised(text) for text in (synset.definition, *synset.examples))
    ]


def learn_word_pieces(lines: Iterator[str]) -> Tokenizer:
    """Return a lower-case BERT tokenizer of 6,000 word pieces, learnt from the lines."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = WordPieceTrainer(vocab_size=VOCABULARY, special_tokens=SPECIAL, min_frequency=2, show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", SEP), ("[CLS]", CLS))
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def _is_held_out(i: int) -> bool:
    # Whole blocks of the file, one in a hundred, so that a next line still has its neighbour.
    return i // 50 % 100 == 50


def line_variants(synset: Synset) -> Iterator[str]:
    """Yield what a line may read like: the gloss alone, behind its words, and the examples."""
    yield synset.definition
    for word in synset.words[:3]:
        yield f"{word}: {synset.definition}"
    for example in synset.examples:
        yield example
        yield f"{synset.words[0]}: {example}"


def batches(lines: list[list[Ids]], tokens: int, seed: int) -> Iterator[Batch]:
    """Yield batches of about `tokens` word pieces for ever; rows of like length go together."""
    rng = random.Random(seed)
    numbers = np.random.default_rng(seed)
    while True:
        rows = sorted((_row(lines, rng) for _ in range(100 * tokens // 16)), key=_length)
        groups, group = [], []
        for row in rows:
            if (len(group) + 1) * _length(row) > tokens:
                groups.append(group)
                group = []
            group.append(row)
        rng.shuffle(groups)
        yield from (_padded(group, numbers) for group in groups)


def _length(row: tuple[Ids, Ids, int]) -> int:
    return len(row[0]) + len(row[1])


def _row(lines: list[list[Ids]], rng: random.Random) -> tuple[Ids, Ids, int]:
    i = rng.randrange(len(lines) - 1)
    first = [CLS, *rng.choice(lines[i])[: LONGEST // 2], SEP]
    kind = rng.randrange(4)
    if kind > 1:
        return first, [], IGNORED
    second = lines[i + 1] if kind == 0 else rng.choice(lines)
    return first, [*rng.choice(second)[: LONGEST // 2], SEP], kind


def _padded(rows: list[tuple[Ids, Ids, int]], numbers: np.random.Generator) -> Batch:
    longest = max(_length(row) for row in rows)
    ids = np.full((len(rows), longest), PAD)
    segments = np.zeros_like(ids)
    for i, (first, second, _) in enumerate(rows):
        ids[i, : len(first) + len(second)] = first + second
        segments[i, len(first) : len(first) + len(second)] = 1
    chosen = (numbers.random(ids.shape) < 0.15) & (ids >= len(SPECIAL))
    targets = np.where(chosen, ids, IGNORED)
    fate = numbers.random(ids.shape)
    ids = np.where(chosen & (fate < 0.8), MASK, ids)
    ids = np.where(chosen & (fate > 0.9), numbers.integers(len(SPECIAL), VOCABULARY), ids)
    next_line = [row[2] for row in rows]
    return Batch(*map(torch.as_tensor, (ids, segments, targets, next_line)))


def losses(model: BertForPreTraining, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean masked-word and next-line losses, in nats."""
    states = model.bert(batch.ids, token_type_ids=batch.segments, attention_mask=(batch.ids != PAD).long())
    masked = batch.targets != IGNORED
    logits = model.cls.predictions(states.last_hidden_state[masked])
    words = nn.functional.cross_entropy(logits.float(), batch.targets[masked])
    asked = batch.next_line != IGNORED
    answers = model.cls.seq_relationship(states.pooler_output[asked])
    order = nn.functional.cross_entropy(answers.float(), batch.next_line[asked], reduction="sum") / max(
        int(asked.sum()), 1
    )
    return words, order


def train(model: BertForPreTraining, stream: Iterator[Batch], steps: int, minutes: float) -> int:
    """Train until the steps are done or the minutes are over; return the steps done.

    The learning rate falls with the larger of the two shares, so that a run ends at rate 0.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    started = time.monotonic()
    shown = []
    model.train()
    for step in range(steps):
        elapsed = (time.monotonic() - started) / 60
        progress = max(step / steps, elapsed / minutes)
        if progress >= 1:
            return step
        for group in optimizer.param_groups:
            group["lr"] = PEAK_RATE * min(1, 20 * progress + 0.01) * (1 - progress)
        with torch.autocast("cpu", torch.bfloat16):
            words, order = losses(model, next(stream))
        optimizer.zero_grad()
        (words + order).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        shown.append((words.item(), order.item()))
        if step % 100 == 99:
            mean = np.mean(shown[-100:], axis=0)
            print(f"{elapsed:5.1f} min step {step + 1} words {mean[0]:.3f} next line {mean[1]:.3f}")
    return steps


@torch.no_grad()
def evaluate(model: BertForPreTraining, stream: Iterator[Batch], count: int) -> tuple[float, float]:
    """Return the masked-word and next-line losses on held-out lines, without dropout, in fp32."""
    model.eval()
    found = [losses(model, next(stream)) for _ in range(count)]
    words, order = (torch.stack(column).mean().item() for column in zip(*found, strict=True))
    return words, order


@torch.no_grad()
def mean_features(model: BertForPreTraining, tokenizer: Tokenizer, table: pa.Table) -> np.ndarray:
    """Return (rows, 128) features of a task's texts or pairs, averaged over the word pieces."""
    model.eval()
    columns = [name for name in ("text", "text_pair") if name in table.column_names]
    texts = list(zip(*(table[name].to_pylist() for name in columns), strict=True))
    found = []
    for start in range(0, len(texts), 50):
        part = [text if len(text) > 1 else text[0] for text in texts[start : start + 50]]
        rows = tokenizer.encode_batch(part)
        ids, segments, seen = (
            torch.tensor([getattr(row, name) for row in rows]) for name in ("ids", "type_ids", "attention_mask")
        )
        states = model.bert(ids, token_type_ids=segments, attention_mask=seen).last_hidden_state
        weights = seen.unsqueeze(-1)
        found.append((states * weights).sum(1) / weights.sum(1))
    return torch.cat(found).numpy()


def save(model: BertForPreTraining, tokenizer: Tokenizer, out: Path) -> None:
    """Write weights, config and tokenizer so that the Auto classes load them."""
    out.mkdir(parents=True, exist_ok=True)
    model.config.hidden_dropout_prob = model.config.attention_probs_dropout_prob = 0.1
    model.save_pretrained(out)
    (out / "model.safetensors").chmod(0o644)
    tokenizer.save(str(out / "tokenizer.json"))
    special = dict(zip(("pad", "unk", "cls", "sep", "mask"), SPECIAL, strict=True))
    settings = {
        "tokenizer_class": BertTokenizerFast.__name__.removesuffix("Fast"),
        "do_lower_case": True,
        "model_max_length": POSITIONS,
        **{f"{name}_token": token for name, token in special.items()},
    }
    text = json.dumps(settings, indent=2, sort_keys=True)
    (out / "tokenizer_config.json").write_text(text + "\n", encoding="utf-8")


def new_model() -> BertForPreTraining:
    """Return the untrained model: 4 layers of 128, dropout off while it learns."""
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=128,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=512,
        max_position_embeddings=POSITIONS,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=PAD,
    )
    # On a CPU the fused attention takes twice as long for rows this short.
    return BertForPreTraining._from_config(config, attn_implementation="eager")


def arguments() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--wordnet", type=Path, default=WORDNET, help="folder of data.noun, ...")
    parser.add_argument("--tasks", type=Path, default=DATA, help="folder make_tasks.py wrote to")
    parser.add_argument("--out", type=Path, default=CHECKPOINT, help="folder to write to")
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop there, if earlier")
    parser.add_argument("--tokens", type=int, default=4096, help="word pieces in a batch")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """Learn the word pieces, train, measure, save."""
    options = arguments()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    synsets = corpus(options.wordnet, options.tasks)
    texts = [list(line_variants(synset)) for synset in synsets]
    tokenizer = learn_word_pieces(text for variants in texts for text in variants)
    lines = [[found.ids for found in tokenizer.encode_batch(variants, add_special_tokens=False)] for variants in texts]
    held_out = [line for i, line in enumerate(lines) if _is_held_out(i)]
    learnt = [line for i, line in enumerate(lines) if not _is_held_out(i)]
    print(f"{len(synsets)} synsets, {sum(len(line[0]) for line in lines)} word pieces in glosses")
    model = new_model()
    print(f"{model.num_parameters()} parameters")
    stream = batches(learnt, options.tokens, options.seed)
    done = train(model, stream, options.steps, options.minutes)
    words, order = evaluate(model, batches(held_out, options.tokens, 1), 100)
    print(f"{done} steps; held-out loss: words {words:.3f}, next line {order:.3f}")
    save(model, tokenizer, options.out)
    torch.manual_seed(options.seed)
    twin = new_model()
    tokenizer.enable_padding(pad_id=PAD, pad_token=SPECIAL[PAD])
    tokenizer.enable_truncation(POSITIONS)
    for task in ("wordnet-supersense", "wordnet-pos", "wordnet-relation"):
        before, after = (
            probe(options.tasks / task, partial(mean_features, network, tokenizer)) for network in (twin, model)
        )
        print(f"{task}: probe accuracy {after:.3f}, random twin {before:.3f}")


if __name__ == "__main__":
    main()
