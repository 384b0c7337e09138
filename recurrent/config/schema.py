"""Every key of params.yaml and systems/params.yaml, its type and its bounds: one frozen dataclass per section.

The files themselves are the place for values, units and meanings; here stands what a value may be. Both have the same
sections, so that a stage reads the same keys whichever file it is run with.
"""

from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import AfterValidator, Field, Strict, ValidationInfo, field_validator

from recurrent.config.fields import (
    LARGEST,
    Cell,
    Count,
    CountOrNone,
    Few,
    Fraction,
    Name,
    NotNegative,
    OfSpread,
    Positive,
    Section,
    Seed,
    Spread,
    Statistic,
    Threads,
    all_different,
    only,
    several,
)

LastCycle = Literal["keep", "drop"]

OF_A_RECORDING = ("failures", "contiguous", "cycles", "rolling_origin", "recordings")
Split = Literal[
    "failures", "contiguous", "cycles", "rolling_origin", "recordings", "each_group", "groups", "folds", "given"
]
SEVERAL_TESTS = ("cycles", "rolling_origin", "recordings", "folds")


@dataclass(frozen=True)
class Simulate(Section):
    """Read by the stage simulate."""

    cycles: Annotated[int, Field(ge=5, le=LARGEST)]
    sample_rate: Annotated[float, Field(ge=1, le=1e7)]
    gain_spread: Spread
    wander: Spread
    seed: Seed

    @field_validator("sample_rate")
    @classmethod
    def _ends(cls, sample_rate: float, info: ValidationInfo) -> float:
        if info.data.get("cycles", 0) * sample_rate > 1e8:
            raise ValueError("cycles x sample_rate of at most 1e8: that is a billion rows already")
        return sample_rate


@dataclass(frozen=True)
class RecordingOptions(Section):
    """Columns of a long CSV: the options of the source `recording`."""

    signal: several(Name)  # type: ignore[valid-type]
    target: Name
    signal_unit: str
    target_unit: str
    failure_threshold: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None
    last_cycle: LastCycle


@dataclass(frozen=True)
class Ingest(RecordingOptions):
    """Read by the stage ingest."""

    csv: Name


@dataclass(frozen=True)
class Window(Section):
    """Read by the stage window."""

    samples_per_step: Count
    statistic: several(Statistic)  # type: ignore[valid-type]
    stride: Count
    batch_size: Count
    split: Split
    train_fraction: Fraction
    validation_fraction: Fraction
    horizon: CountOrNone
    relative_to_first: bool
    predict_change: bool
    one_window_per_group: bool
    folds: Count
    repeats: Few
    seed: Seed

    @field_validator("statistic")
    @classmethod
    def _fits_the_step(cls, statistic: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        samples = info.data.get("samples_per_step", 2)
        if "none" in statistic and (samples > 1 or len(statistic) > 1):
            raise ValueError(f"'none' passes on single samples: needs samples_per_step 1, not {samples}")
        if samples == 1 and set(get_args(OfSpread)) & set(statistic):
            raise ValueError("one sample has no standard deviation: needs samples_per_step of 2 or more")
        return statistic

    @field_validator("folds")
    @classmethod
    def _has_an_effect(cls, folds: int, info: ValidationInfo) -> int:
        split = info.data.get("split", "folds")
        if folds > 1 and split not in SEVERAL_TESTS:
            raise ValueError(f"1: split {split} has one test set, {', '.join(SEVERAL_TESTS)} have one for each fold")
        return folds

    @field_validator("validation_fraction")
    @classmethod
    def _leaves_a_test_part(cls, validation: float, info: ValidationInfo) -> float:
        if info.data.get("train_fraction", 0) + validation >= 1:
            raise ValueError("train_fraction + validation_fraction must stay below 1: the rest is the test part")
        return validation


@dataclass(frozen=True)
class Model(Section):
    """Read by the stage train."""

    cell: Cell
    hidden_size: Count
    num_layers: Few
    dropout: Annotated[float, Field(ge=0, lt=1)]
    readout: Literal["all_steps", "last", "mean"]
    input: Literal["values", "multi_hot", "embedding"]
    embedding_size: Count
    residual: Literal["none", "ridge"]
    residual_penalties: Annotated[tuple[NotNegative, ...], Strict(False), Field(min_length=1)]


@dataclass(frozen=True)
class Train(Section):
    """Read by the stages train and, for backend and threads, evaluate."""

    loss: Literal["mae", "mse", "huber", "cross_entropy"]
    best_by: Literal["mean_delta", "loss"]
    learning_rate: Positive
    learning_rate_decay: Annotated[float, Field(gt=0, le=1)]
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    gradient_clip: Positive
    target_delta: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    patience: Count
    max_epochs: Count
    backend: Literal["auto", "reference", "numpy", "c"]
    threads: Threads
    processes: Few
    members: Few
    refit: bool
    input_noise: NotNegative
    labels: Literal["actual", "share_of_cycle"]


@dataclass(frozen=True)
class Evaluate(Section):
    """Read by the stage evaluate."""

    ridge_penalties: Annotated[tuple[NotNegative, ...], Strict(False), Field(min_length=1)]
    moving_average: Count
    season: Annotated[tuple[Count, ...], Strict(False), AfterValidator(all_different)]
    free_running: CountOrNone
    excel: bool


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
    window: Annotated[
        Window,
        only(split=OF_A_RECORDING, one_window_per_group=(False,), repeats=(1,), seed=(0,)),
    ]
    model: Annotated[Model, only(input=("values",), embedding_size=(1,))]
    train: Annotated[Train, only(loss=("mae", "mse", "huber"))]
    evaluate: Evaluate
    plot: Plot

    @property
    def raw(self) -> str:
        """Return the path of the recording, which a system has as `raw`."""
        return self.ingest.csv

    @property
    def source(self) -> dict[str, Any]:
        """Return what a system has as `source`: the one that reads a recording, with its options."""
        options = {field.name: getattr(self.ingest, field.name) for field in fields(RecordingOptions)}
        return {"name": "recording", **options}


@dataclass(frozen=True)
class System(Section):
    """One system of systems/params.yaml, the defaults filled in."""

    # keys that stand in one place only, because systems/dvc.yaml lists them there only; the others stand in both
    stands_in: ClassVar[dict[str, str]] = {
        "seed": "defaults",
        "plot": "defaults",
        "seq_len": "systems",
        "raw": "systems",
        "source": "systems",
    }

    seed: Seed
    seq_len: Count
    raw: Name
    source: dict[str, Any]
    window: Window
    model: Model
    train: Train
    evaluate: Evaluate
    plot: Plot

    @field_validator("source")
    @classmethod
    def _has_a_name(cls, source: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(source.get("name"), str):
            raise ValueError("needs a name: a file in recurrent/sources/")
        return source
