"""Pre-train tiny-resnet on Fashion-MNIST images that no bundled task uses, without labels.

Run from the root of a checkout, after make_tasks.py:

    python tasks/bundled/build/pretrain_resnet.py --steps 2000

Two random views of one image should have like features, views of two images unlike ones: SimCLR
(Chen et al. 2020, https://arxiv.org/abs/2002.05709). The steps are seeded and so are the weights,
for one version of torch and one number of threads.
"""

import argparse
import io
import json
import math
import time
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import timm
import torch
from fashion_mnist import FASHION, FASHION_PRETRAINING_ROWS, pixel_hash, read_fashion
from linear_probe import probe
from make_tasks import DATA, task_pixel_hashes
from PIL import Image
from timm.models import save_for_hf
from torch import nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample, normalize

CHECKPOINT = Path(__file__).resolve().parent.parent / "checkpoints" / "tiny-resnet"
SIDE = 32
MEAN, STD = 0.2860, 0.3530
TEMPERATURE = 0.2
PEAK_RATE = 3e-3
ARCHITECTURE = "resnet18"
MODEL_ARGS = {
    "layers": [1, 1, 1, 1],
    "channels": [32, 64, 128, 160],
    "stem_width": 16,
    "stem_type": "deep",
    "output_stride": 8,
}


def unused_images(fashion: Path, tasks: Path) -> torch.Tensor:
    """Return the images before the tasks' part of the file and in no task: (n, 1, 32, 32) 0..1."""
    pixels, _ = read_fashion(fashion, "train")
    used = task_pixel_hashes(tasks)
    kept = [image for image in pixels[:FASHION_PRETRAINING_ROWS] if pixel_hash(image) not in used]
    images = torch.from_numpy(np.stack(kept)).float().div(255).unsqueeze(1)
    return nn.functional.interpolate(images, size=SIDE, mode="bicubic", antialias=True).clamp(0, 1)


def view(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return each image cropped, stretched, turned, mirrored, relit and partly hidden at random."""
    count = len(images)

    def uniform(low: float, high: float, *shape: int) -> torch.Tensor:
        return torch.empty(count, *shape).uniform_(low, high, generator=generator)

    angle = uniform(-0.2, 0.2)
    scale = uniform(0.6, 1.1)
    stretch = uniform(-0.15, 0.15).exp()
    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    shift_x, shift_y = (uniform(-1, 1) * (1.1 - scale).clamp(min=0.1) for _ in range(2))
    across = torch.stack((angle.cos() * stretch * mirror, -angle.sin(), shift_x / scale), 1)
    down = torch.stack((angle.sin() * mirror, angle.cos() / stretch, shift_y / scale), 1)
    matrix = torch.stack((across, down), 1) * scale.view(-1, 1, 1)
    grid = affine_grid(matrix, list(images.shape), align_corners=False)
    seen = grid_sample(images, grid, align_corners=False)
    seen = seen.clamp(min=1e-4) ** uniform(-0.6, 0.6, 1, 1, 1).exp() * uniform(0.6, 1.2, 1, 1, 1)
    seen = seen * _window(count, uniform(0.05, 0.3, 2), uniform(0, 1, 2))
    seen = seen + 0.03 * torch.randn(seen.shape, generator=generator)
    return seen.sub(MEAN).div(STD).expand(-1, 3, -1, -1)


def _window(count: int, size: torch.Tensor, corner: torch.Tensor) -> torch.Tensor:
    """Return masks that are 0 in a box of the given size and corner, in shares of a side."""
    place = torch.arange(SIDE) / SIDE
    corner = corner * (1 - size)
    inside = (place >= corner.unsqueeze(-1)) & (place < (corner + size).unsqueeze(-1))
    return 1.0 - (inside[:, 0, :, None] & inside[:, 1, None, :]).float().view(count, 1, SIDE, SIDE)


def contrastive_loss(features: torch.Tensor) -> torch.Tensor:
    """Return the NT-Xent loss, in nats; rows i and i + n/2 are views of one image."""
    features = normalize(features.float(), dim=1)
    count = len(features)
    likeness = features @ features.T / TEMPERATURE
    likeness = likeness.masked_fill(torch.eye(count, dtype=torch.bool), -math.inf)
    return cross_entropy(likeness, (torch.arange(count) + count // 2) % count)


def new_model() -> nn.Module:
    """Return the untrained network, without a head, its preprocessing in `pretrained_cfg`."""
    settings = {
        "architecture": ARCHITECTURE,
        "tag": "simclr_fashion",
        "input_size": (3, SIDE, SIDE),
        "pool_size": (4, 4),
        "crop_mode": "center",
        "crop_pct": 1.0,
        "interpolation": "bicubic",
        "mean": (MEAN,) * 3,
        "std": (STD,) * 3,
        "first_conv": "conv1.0",
        "classifier": "fc",
        "num_classes": 0,
        "license": "mit",
    }
    return timm.create_model(ARCHITECTURE, num_classes=0, pretrained_cfg=settings, **MODEL_ARGS)


def train(model: nn.Module, images: torch.Tensor, options: argparse.Namespace) -> tuple[int, float]:
    """Train for the steps or the minutes; return the steps done and the last 100 steps' loss."""
    head = nn.Sequential(nn.Linear(model.num_features, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 64))
    learner = nn.Sequential(model, head).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(learner.parameters(), lr=PEAK_RATE, weight_decay=1e-3)
    generator = torch.Generator().manual_seed(options.seed)
    started = time.monotonic()
    shown: list[float] = []
    for step in range(options.steps):
        elapsed = (time.monotonic() - started) / 60
        progress = max(step / options.steps, elapsed / options.minutes)
        if progress >= 1:
            break
        rate = PEAK_RATE * min(1, 20 * progress + 0.01) * (1 + math.cos(math.pi * progress)) / 2
        optimizer.param_groups[0]["lr"] = rate
        shown.append(_train_step(learner, optimizer, images, options.batch, generator))
        if step % 50 == 49:
            print(f"{elapsed:5.1f} min step {step + 1} loss {np.mean(shown[-50:]):.3f}")
    return len(shown), float(np.mean(shown[-100:]))


def _train_step(
    learner: nn.Module,
    optimizer: torch.optim.Optimizer,
    images: torch.Tensor,
    batch: int,
    generator: torch.Generator,
) -> float:
    chosen = images[torch.randperm(len(images), generator=generator)[:batch]]
    views = torch.cat((view(chosen, generator), view(chosen, generator)))
    with torch.autocast("cpu", torch.bfloat16):
        features = learner(views.contiguous(memory_format=torch.channels_last))
    loss = contrastive_loss(features)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def _opened(content: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(content)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray(image, np.float32) / 255


@torch.no_grad()
def pooled_features(model: nn.Module, table: pa.Table) -> np.ndarray:
    """Return (rows, 160) features of a task's images, averaged over the places."""
    model.eval()
    images = np.stack([_opened(content["bytes"]) for content in table["image"].to_pylist()])
    pixels = torch.from_numpy(images).unsqueeze(1).sub(MEAN).div(STD).expand(-1, 3, -1, -1)
    return torch.cat([model(part) for part in pixels.split(250)]).numpy()


def save(model: nn.Module, out: Path) -> None:
    """Write the folder as timm does, in safetensors.

    timm repeats `num_classes` in the model's arguments, where it would clash with the caller's own.
    """
    out.mkdir(parents=True, exist_ok=True)
    model.to(memory_format=torch.contiguous_format)
    save_for_hf(model, out, model_args=MODEL_ARGS, safe_serialization=True)
    path = out / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    del config["model_args"]["num_classes"]
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    (out / "model.safetensors").chmod(0o644)


def arguments() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--fashion-mnist", type=Path, default=FASHION, help="folder of the *.gz")
    parser.add_argument("--tasks", type=Path, default=DATA, help="folder make_tasks.py wrote to")
    parser.add_argument("--out", type=Path, default=CHECKPOINT, help="folder to write to")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop there, if earlier")
    parser.add_argument("--batch", type=int, default=256, help="images in a batch, two views each")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """Train, compare with the untrained twin on the tasks, save."""
    options = arguments()
    torch.set_num_threads(options.threads)
    images = unused_images(options.fashion_mnist, options.tasks)
    torch.manual_seed(options.seed)
    twin = new_model()
    torch.manual_seed(options.seed)
    model = new_model()
    print(f"{len(images)} images, {sum(p.numel() for p in model.parameters())} parameters")
    done, loss = train(model, images, options)
    print(f"{done} steps; contrastive loss over the last 100: {loss:.3f}")
    save(model, options.out)
    for task in ("fashion-mnist-small", "fashion-tops", "digits"):
        before, after = (probe(options.tasks / task, partial(pooled_features, network)) for network in (twin, model))
        print(f"{task}: probe accuracy {after:.3f}, random twin {before:.3f}")


if __name__ == "__main__":
    main()
