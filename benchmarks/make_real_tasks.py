"""Write whole real tasks, larger than what travels with the source, for trying the suite at length.

    apt-get install wordnet-base dataset-fashion-mnist
    python benchmarks/make_real_tasks.py --out /tmp/real
    suite run -m bundled/minilm-l6 -t /tmp/real/supersense.yaml -s linear_probe full lora --seeds 1

`supersense`: definitions of all of WordNet with their 45 lexicographer files, 9,000 train and 2,000
test rows drawn by hash. The bundled tiny-bert has read most of these definitions in pre-training,
without their labels: on this task it says nothing about unseen text. `fashion-mnist`: the whole
official test set; for training the last 20,000 rows of the train file, which the bundled tiny-resnet
was not pre-trained on.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tasks" / "bundled" / "build"))

import fashion_mnist  # noqa: E402  # found by the line above
import make_tasks  # noqa: E402
from wordnet_database import normalised, rank  # noqa: E402

LEXNAMES = (
    "adj.all adj.pert adv.all noun.Tops noun.act noun.animal noun.artifact noun.attribute noun.body noun.cognition "
    "noun.communication noun.event noun.feeling noun.food noun.group noun.location noun.motive noun.object noun.person "
    "noun.phenomenon noun.plant noun.possession noun.process noun.quantity noun.relation noun.shape noun.state "
    "noun.substance noun.time verb.body verb.change verb.cognition verb.communication verb.competition "
    "verb.consumption verb.contact verb.creation verb.emotion verb.motion verb.perception verb.possession verb.social "
    "verb.stative verb.weather adj.ppl"
)
SUPERSENSE = """\
name: supersense
version: 1
kind: text_classification
description: Which of WordNet's 45 lexicographer files does a definition come from?
dataset:
  path: parquet
  data_files: {train: supersense/train.parquet, test: supersense/test.parquet}
  license: WordNet-3.0
columns: {text: text, label: label}
cluster: wordnet
"""
FASHION = """\
name: fashion-mnist
version: 1
kind: image_classification
description: Which of ten articles of clothing is in this picture?
dataset:
  path: parquet
  data_files: {train: fashion-mnist/train.parquet, test: fashion-mnist/test.parquet}
  license: MIT
columns: {image: image, label: label}
cluster: fashion-mnist
"""


def supersense(wordnet: Path, train: int, test: int) -> make_tasks.Splits:
    """Return definitions with their lexicographer file: no definition twice, rows drawn by hash."""
    names = LEXNAMES.split()
    rows: dict[str, make_tasks.Row] = {}
    for part in ("noun", "verb", "adj", "adv"):
        for line in (wordnet / f"data.{part}").read_text(encoding="utf-8").splitlines():
            if not line.startswith(" "):  # the licence stands in indented lines
                definition = line.partition("| ")[2].partition('; "')[0].strip()
                row = {"text": definition, "label": names[int(line.split(" ", 2)[1])]}
                rows.setdefault(normalised(definition), row)
    drawn = sorted((row for row in rows.values() if row["text"]), key=lambda row: rank(row["text"], "real"))
    return {"test": drawn[:test], "train": drawn[test : test + train]}


def fashion(folder: Path) -> make_tasks.Splits:
    """Return Fashion-MNIST's whole test set, and of its train file what pre-training did not see."""
    skip = fashion_mnist.FASHION_PRETRAINING_ROWS
    pixels, labels = fashion_mnist.read_fashion(folder, "train")
    return {
        "train": fashion_mnist.image_rows(pixels[skip:], labels[skip:]),
        "test": fashion_mnist.image_rows(*fashion_mnist.read_fashion(folder, "t10k")),
    }


def main() -> None:
    """Write both tasks: parquet files and a task file each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--wordnet", type=Path, default=make_tasks.WORDNET)
    parser.add_argument("--fashion-mnist", type=Path, default=fashion_mnist.FASHION)
    parser.add_argument("--train", type=int, default=9000, help="training rows of supersense")
    parser.add_argument("--test", type=int, default=2000, help="test rows of supersense")
    options = parser.parse_args()
    make_tasks.write(options.out / "supersense", supersense(options.wordnet, options.train, options.test))
    make_tasks.write(options.out / "fashion-mnist", fashion(options.fashion_mnist))
    (options.out / "supersense.yaml").write_text(SUPERSENSE, encoding="utf-8")
    (options.out / "fashion-mnist.yaml").write_text(FASHION, encoding="utf-8")


if __name__ == "__main__":
    main()
