"""Kinds of values in a params file, and what all its sections share."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, Strict


def _one_orseveral(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _all_different(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) < len(values):
        raise ValueError("duplicate name")
    return values


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Name = Annotated[str, Field(min_length=1)]


def several(kind: type) -> type:
    """Return the type of one `kind` or a list of them, all different; read as a tuple."""
    return Annotated[  # type: ignore[return-value]
        tuple[kind, ...],  # type: ignore[valid-type]
        Strict(False),  # of the list only, so that one name may stand without brackets
        Field(min_length=1),
        AfterValidator(_all_different),
        BeforeValidator(_one_orseveral),
    ]


class Section:
    """What all sections share: no unknown key, and no silent conversion of a value."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)
