"""wordnet-hypernyms: which of twelve classes does a noun's definition fall under? All that hold.

The classes overlap as they do in WordNet: a person is an organism and a causal agent, a drug a
causal agent and matter, a state an attribute, a tool an artifact and an instrumentality.
"""

from hypernym_graph import HypernymGraph
from rows import Row, Splits, levelled
from wordnet_database import Synset, rank

HYPERNYMS = (
    "act",
    "animal",
    "artifact",
    "attribute",
    "causal agent",
    "communication",
    "event",
    "instrumentality",
    "matter",
    "organism",
    "plant",
    "state",
)
WITHOUT_CLASS = 0.05


def hypernyms(parts: dict[str, list[Synset]], graph: HypernymGraph) -> Splits:
    """Return definitions with their classes, the sets of classes as even as WordNet allows."""
    # The instrumentality is filed under artifacts, the others are at the top.
    classes = {
        graph.find(name, "noun.artifact" if name == "instrumentality" else "noun.Tops"): name for name in HYPERNYMS
    }
    return {
        part: _chosen([_row(synset, graph, classes) for synset in parts[part] if synset.key[0] == "n"], count)
        for part, count in (("train", 3000), ("test", 800))
    }


def _row(synset: Synset, graph: HypernymGraph, classes: dict[str, str]) -> Row:
    above = graph.steps(synset.key).keys() - {synset.key}
    return {"text": synset.definition, "labels": sorted(classes[key] for key in above & classes.keys())}


def _chosen(rows: list[Row], count: int) -> list[Row]:
    def key(row: Row) -> int:
        return rank(row["text"], "hypernyms")

    without = sorted((row for row in rows if not row["labels"]), key=key)[: round(WITHOUT_CLASS * count)]
    labelled = [row for row in rows if row["labels"]]
    return sorted(without + levelled(labelled, lambda row: tuple(row["labels"]), key, count - len(without)), key=key)
