"""Kinds of values in a params file, and what all its sections share."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PlainValidator, Strict, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

T = TypeVar("T")

LARGEST = 2**31 - 1  # more of anything is a slip of the keyboard, and would not end
# of what is held in memory, or gone through one by one, whatever the length of the data
MOST_ROWS, MOST, MOST_THREADS = 10**7, 1000, 512
CELLS = tuple(sorted(p.stem for p in (Path(__file__).parents[1] / "cells").glob("[!_]*.py")))


def one_or_several(value: object) -> object:
    """Return a list also of one text without brackets."""
    return [value] if isinstance(value, str) else value


def all_different(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the values; ValueError where one is there twice."""
    if len(set(values)) < len(values):
        raise ValueError("no value twice")
    return values


def _is_file_name(name: str) -> str:
    if name in ("", ".", "..") or {"/", "\\", "\0"} & set(name):
        raise ValueError("the name of a file, without a folder")
    return name


def _is_cell(name: str) -> str:
    if name not in CELLS:
        raise ValueError(f"one of {', '.join(CELLS)}")
    return name


def _is_threads(value: object) -> object:
    if value != "auto" and not (type(value) is int and 1 <= value <= MOST_THREADS):
        raise ValueError(f"auto or an integer from 1 to {MOST_THREADS}")
    return value


Cell = Annotated[str, AfterValidator(_is_cell)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=LARGEST)]
Few = Annotated[int, Field(ge=1, le=MOST)]
Rows = Annotated[int, Field(ge=1, le=MOST_ROWS)]
CountOrNone = Annotated[int, Field(ge=0, le=LARGEST)]
Threads = Annotated[int | Literal["auto"], PlainValidator(_is_threads)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Spread = Annotated[float, Field(ge=0, le=3)]  # a standard deviation of a logarithm: e^3 is a factor of 20
Name = Annotated[str, Field(min_length=1)]
FileName = Annotated[str, AfterValidator(_is_file_name)]
# statistics of a step: of one sample, too, and of several
OfSpread = Literal[
    "std", "log_std", "iqr", "skewness", "kurtosis", "log_band_1", "log_band_2", "log_band_3", "log_band_4"
]
Statistic = Literal[
    "none", "mean", "max", "log_mean", "p01", "p05", "p25", "p75", "p95", "p99", "beyond_3_std", OfSpread
]


def several(kind: type) -> type:
    """Return the type of one `kind` or a list of them, all different; read as a tuple."""
    return Annotated[  # type: ignore[return-value]
        tuple[kind, ...],  # type: ignore[valid-type]
        Strict(False),  # of the list only, so that one name may stand without brackets
        Field(min_length=1),
        AfterValidator(all_different),
        BeforeValidator(one_or_several),
    ]


class Section:
    """What all sections share: no unknown key, and no silent conversion of a value."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)


def only(**allowed: tuple[Any, ...]) -> AfterValidator:
    """Allow fewer values of a section's keys: of a recording, which has no groups, words or classes."""

    def check(section: T) -> T:
        problems = [
            InitErrorDetails(
                type=PydanticCustomError("not_of_a_recording", _expected(values)),
                loc=(key,),
                input=getattr(section, key),
            )
            for key, values in allowed.items()
            if getattr(section, key) not in values
        ]
        if problems:  # pydantic puts the section's name before each key
            raise ValidationError.from_exception_data(type(section).__name__, problems)
        return section

    return AfterValidator(check)


def _expected(values: tuple[Any, ...]) -> Any:
    return f"{' or '.join(map(repr, values))}, as a recording has no groups, words or classes"
