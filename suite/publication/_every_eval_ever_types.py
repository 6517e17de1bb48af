"""The schema of Every Eval Ever 0.3.0 in types, as far as a record has something to say."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Number = Annotated[float, Field(allow_inf_nan=False)]
Bound = Number | Literal["Infinity", "-Infinity"]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Source(_Strict):
    """Who ran it and who tells of it."""

    source_name: str
    source_type: Literal["documentation", "evaluation_run"]
    source_organization_name: str
    evaluator_relationship: Literal["first_party", "third_party", "collaborative", "other"]


class Software(_Strict):
    """A library at a version."""

    name: str
    version: str


class Model(_Strict):
    """The model that was scored, and what was made of it."""

    name: str
    id: str
    developer: str
    inference_engine: Software
    additional_details: dict[str, str]


class Data(_Strict):
    """The data it was scored on."""

    dataset_name: str
    source_type: Literal["hf_dataset", "other"]
    hf_repo: str | None = None
    hf_split: str | None = None
    samples_number: int | None = None
    additional_details: dict[str, str]


class Metric(_Strict):
    """What the number means."""

    evaluation_description: str
    metric_id: str
    metric_name: str
    lower_is_better: bool
    score_type: Literal["continuous"]
    min_score: Bound
    max_score: Bound


class Interval(_Strict):
    """How sure the number is."""

    lower: Number
    upper: Number
    confidence_level: Annotated[float, Field(ge=0, le=1)]
    method: str


class Uncertainty(_Strict):
    """How sure the number is, and on how many examples."""

    confidence_interval: Interval
    num_samples: int


class Score(_Strict):
    """The number."""

    score: Number
    details: dict[str, str]
    uncertainty: Uncertainty | None = None


class Evaluated(_Strict):
    """One metric of one evaluation."""

    evaluation_result_id: str
    evaluation_name: str
    evaluation_timestamp: str
    source_data: Data
    metric_config: Metric
    score_details: Score


class Log(_Strict):
    """One evaluation."""

    schema_version: str
    evaluation_id: str
    evaluation_timestamp: str
    retrieved_timestamp: str
    source_metadata: Source
    eval_library: Software
    model_info: Model
    evaluation_results: list[Evaluated]
