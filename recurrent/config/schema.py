"""Every knob of params.yaml, its type and its bounds: one frozen dataclass per section.

The file itself is the place for units and meanings; here stands what a value may be.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, Strict, ValidationInfo, field_validator

CELLS = tuple(sorted(p.stem for p in (Path(__file__).parents[1] / "cells").glob("[!_]*.py")))


def _one_or_several(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _is_cell(name: str) -> str:
    if name not in CELLS:
        raise ValueError(f"one of {', '.join(CELLS)}")
    return name


def _all_different(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) < len(values):
        raise ValueError("a name stands there twice")
    return values


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Name = Annotated[str, Field(min_length=1)]
Statistic = Literal["none", "mean", "std", "max", "log_mean", "log_std"]


def _several(kind: type) -> type:
    return Annotated[  # type: ignore[return-value]
        tuple[kind, ...],  # type: ignore[valid-type]
        Strict(False),  # of the list only, so that one name may stand without brackets
        Field(min_length=1),
        AfterValidator(_all_different),
        BeforeValidator(_one_or_several),
    ]


class Section:
    """What all sections share: no unknown key, and no silent conversion of a value."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)


@dataclass(frozen=True)
class Simulate(Section):
    """Read by the stage simulate."""

    cycles: Annotated[int, Field(ge=5)]
    sample_rate: Positive
    seed: Seed


@dataclass(frozen=True)
class Ingest(Section):
    """Read by the stage ingest."""

    csv: Name
    signal: _several(Name)  # type: ignore[valid-type]
    target: Name
    signal_unit: str
    target_unit: str
    failure_below: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None


@dataclass(frozen=True)
class Window(Section):
    """Read by the stage window."""

    samples_per_step: Count
    statistic: _several(Statistic)  # type: ignore[valid-type]
    stride: Count
    batch_size: Count
    split: Literal["failures", "contiguous"]
    train_fraction: Fraction
    validation_fraction: Fraction
    # what the earthquake needs no knob for; the other systems have one (recurrent/config/system_schema.py)
    horizon: ClassVar[int] = 0
    whole: ClassVar[bool] = False
    relative: ClassVar[bool] = False
    difference: ClassVar[bool] = False
    folds: ClassVar[int] = 1
    repeats: ClassVar[int] = 1
    seed: ClassVar[int] = 0

    @field_validator("statistic")
    @classmethod
    def _fits_the_step(cls, statistic: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        samples = info.data.get("samples_per_step", 2)
        if "none" in statistic and (samples > 1 or len(statistic) > 1):
            raise ValueError(f"'none' passes on single samples: needs samples_per_step 1, not {samples}")
        if samples == 1 and {"std", "log_std"} & set(statistic):
            raise ValueError("one sample has no standard deviation: needs samples_per_step of 2 or more")
        return statistic

    @field_validator("validation_fraction")
    @classmethod
    def _leaves_a_test_part(cls, validation: float, info: ValidationInfo) -> float:
        if info.data.get("train_fraction", 0) + validation >= 1:
            raise ValueError("train_fraction + validation_fraction must stay below 1: the rest is the test part")
        return validation


@dataclass(frozen=True)
class Model(Section):
    """Read by the stage train."""

    cell: Annotated[str, AfterValidator(_is_cell)]
    hidden_size: Count
    num_layers: Count
    input: ClassVar[str] = "values"
    embedding_size: ClassVar[int] = 1
    dropout: ClassVar[float] = 0.0
    answer: ClassVar[str] = "every"


@dataclass(frozen=True)
class Train(Section):
    """Read by the stages train and, for backend and threads, evaluate."""

    loss: Literal["mae", "mse", "huber"]
    best_by: Literal["mean_delta", "loss"]
    learning_rate: Positive
    learning_rate_decay: Annotated[float, Field(gt=0, le=1)]
    gradient_clip: Positive
    target_delta: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    patience: Count
    max_epochs: Count
    backend: Literal["auto", "reference", "numpy", "c"]
    threads: Count
    weight_decay: ClassVar[float] = 0.0
    members: ClassVar[int] = 1


@dataclass(frozen=True)
class Evaluate(Section):
    """Read by the stage evaluate."""

    ridge_penalties: Annotated[tuple[Positive, ...], Strict(False), Field(min_length=1)]
    moving_average: ClassVar[int] = 0
    free_running: ClassVar[int] = 0
    excel: ClassVar[bool] = False


@dataclass(frozen=True)
class Plot(Section):
    """Read by the stage plot."""

    dpi: Annotated[int, Field(ge=40, le=600)]


@dataclass(frozen=True)
class Settings(Section):
    """The whole of params.yaml."""

    seed: Seed
    seq_len: Count
    simulate: Simulate
    ingest: Ingest
    window: Window
    model: Model
    train: Train
    evaluate: Evaluate
    plot: Plot
