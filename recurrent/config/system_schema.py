"""The knobs of systems/params.yaml: those of params.yaml, and what other data and other questions need.

`field()` says that a knob has no default: what is a constant of the main pipeline would otherwise be one here, and
a knob that a file forgets would go unnoticed.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from recurrent.config import schema
from recurrent.config.schema import Count, Name, Section, Seed


@dataclass(frozen=True)
class Window(schema.Window):
    """Read by the stage window."""

    split: Literal["failures", "contiguous", "each_group", "groups", "folds", "given"]
    folds: Count = field()
    repeats: Count = field()
    seed: Seed = field()
    horizon: Annotated[int, Field(ge=0)] = field()
    whole: bool = field()
    relative: bool = field()
    difference: bool = field()


@dataclass(frozen=True)
class Model(schema.Model):
    """Read by the stage train."""

    input: Literal["values", "multi_hot", "embedding"] = field()
    embedding_size: Count = field()
    dropout: Annotated[float, Field(ge=0, lt=1)] = field()
    answer: Literal["every", "last", "mean"] = field()


@dataclass(frozen=True)
class Train(schema.Train):
    """Read by the stage train."""

    loss: Literal["mae", "mse", "huber", "cross_entropy"]
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = field()
    members: Count = field()


@dataclass(frozen=True)
class Evaluate(schema.Evaluate):
    """Read by the stage evaluate."""

    moving_average: Count = field()
    free_running: Annotated[int, Field(ge=0)] = field()
    excel: bool = field()


@dataclass(frozen=True)
class System(Section):
    """One stanza of systems/params.yaml, the defaults filled in."""

    seed: Seed
    seq_len: Count
    reads: Name
    source: dict[str, Any]
    window: Window
    model: Model
    train: Train
    evaluate: Evaluate
    plot: schema.Plot

    @field_validator("source")
    @classmethod
    def _has_a_name(cls, source: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(source.get("name"), str):
            raise ValueError("needs a name: a file in recurrent/sources/")
        return source
