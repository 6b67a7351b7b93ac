"""What a declared parameter can be, and how a trial is asked for it."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Protocol, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from hwnas.network import MAX_DIMENSION
from hwnas.spaces._option_schema import (
    MAX_CHOICES,
    MAX_TEXT,
    VALUE_SCHEMA,
    VALUES_SCHEMA,
    ReadBy,
)
from hwnas.spaces._yaml import MAX_INT, MAX_SHOWN

Value = int | str | bool
GRID: Final = 4
"""Widths are multiples of it."""
OFF_GRID: Final = "off_grid"
"""The validation's context where widths may be any whole number."""


def is_one_of(value: Any, allowed: tuple[Value, ...]) -> bool:
    """Whether ``allowed`` has the value; 1 and true are two values."""
    return any(value == one and type(value) is type(one) for one in allowed)


def spell(values: tuple[Value, ...]) -> str:
    """A list of values for a message, as YAML writes them."""
    return ", ".join(str(v).lower() if isinstance(v, bool) else str(v) for v in values)


class Suggesting(Protocol):
    """The part of ``optuna.trial.BaseTrial`` that a declared space asks."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        """A whole number of the grid."""
        ...

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """One of the choices."""
        ...


class Domain(Protocol):
    """The values that a name can stand for."""

    def bounds(self) -> tuple[int, int] | None:
        """Smallest and largest value, ``None`` unless all are whole numbers."""
        ...

    def contains(self, value: Value) -> bool:
        """Whether a value is one of them; 1 and true are two values."""
        ...

    def is_within(self, allowed: tuple[Value, ...]) -> bool:
        """Whether all of them are among ``allowed``."""
        ...


class Strict(BaseModel):
    """Unknown keys are refused by name, values are never coerced."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _know_every_key(cls, data: Any) -> Any:
        if isinstance(data, dict):
            known = [field.alias or name for name, field in cls.model_fields.items()]
            for key in data:
                if key not in known:
                    raise PydanticCustomError(
                        "unknown_key",
                        "unknown key; expected one of {known}",
                        {"known": ", ".join(known), "key": key},
                    )
        return data


def _read_value(value: Any) -> Value:
    if not isinstance(value, (int, str)) or (isinstance(value, str) and len(value) > MAX_TEXT):
        raise PydanticCustomError(
            "value",
            "expected a whole number, text of up to {most} characters, true or false; "
            "found {found}",
            {"most": MAX_TEXT, "found": repr(value)[:MAX_SHOWN]},
        )
    return value


def _read_values(values: Any) -> tuple[Value, ...]:
    if not isinstance(values, list) or not 1 <= len(values) <= MAX_CHOICES:
        raise PydanticCustomError(
            "values",
            "expected a list of 1 to {most} values; found {found}",
            {"most": MAX_CHOICES, "found": repr(values)[:MAX_SHOWN]},
        )
    read = tuple(map(_read_value, values))
    if len(set(read)) < len(read):
        raise PydanticCustomError(
            "values", "expected different values; one stands twice (1 and true count as one)"
        )
    return read


def _read_condition(values: Any) -> tuple[Value, ...]:
    return _read_values(values if isinstance(values, list) else [values])


Scalar = Annotated[Any, ReadBy(_read_value, VALUE_SCHEMA)]
Values = Annotated[tuple[Value, ...], ReadBy(_read_values, VALUES_SCHEMA)]
Conditions = Annotated[
    tuple[Value, ...], ReadBy(_read_condition, {"anyOf": [VALUE_SCHEMA, VALUES_SCHEMA]})
]


class WholeNumbers(Strict):
    """Whole numbers from ``low`` to ``high`` in steps of ``step``."""

    low: int
    high: int
    step: int

    @model_validator(mode="after")
    def _reaches_high(self) -> Self:
        if self.high < self.low or (self.high - self.low) % self.step:
            raise PydanticCustomError(
                "grid",
                "expected high to be low plus a multiple of step; found {low}, {high}, {step}",
                {"low": self.low, "high": self.high, "step": self.step},
            )
        return self

    @property
    def choices(self) -> range:
        """The values."""
        return range(self.low, self.high + 1, self.step)

    @property
    def count(self) -> int:
        """How many values there are."""
        return len(self.choices)

    def __str__(self) -> str:
        return f"{self.low} to {self.high} in steps of {self.step}"

    def bounds(self) -> tuple[int, int]:
        """See :meth:`Domain.bounds`."""
        return self.low, self.high

    def contains(self, value: Value) -> bool:
        """See :meth:`Domain.contains`."""
        return type(value) is int and value in self.choices

    def is_within(self, allowed: tuple[Value, ...]) -> bool:
        """See :meth:`Domain.is_within`."""
        return False

    def suggest(self, trial: Suggesting, name: str) -> Value:
        """Ask a trial for a value."""
        return trial.suggest_int(name, self.low, self.high, step=self.step)


class IntParameter(WholeNumbers):
    """Whole numbers of any kind."""

    type: Literal["int"]
    low: int = Field(ge=0, le=MAX_INT)
    high: int = Field(ge=0, le=MAX_INT)
    step: int = Field(default=1, ge=1, le=MAX_INT)


class WidthParameter(WholeNumbers):
    """Channels or units: multiples of 4, which the kernels like (Heim et al. 2021, table 4).

    Loaded with ``off_grid``, every whole number between the two ends.
    """

    type: Literal["width"]
    low: int = Field(ge=GRID, le=MAX_DIMENSION, multiple_of=GRID)
    high: int = Field(ge=GRID, le=MAX_DIMENSION, multiple_of=GRID)
    step: int = Field(default=GRID, ge=GRID, le=MAX_DIMENSION, multiple_of=GRID)

    @model_validator(mode="after")
    def _leave_the_grid(self, info: ValidationInfo) -> Self:
        # Only now: a file must be right on the grid, however it is loaded.
        return self.model_copy(update={"step": 1}) if info.context == OFF_GRID else self


class _Categorical(Strict):
    @property
    def choices(self) -> tuple[Value, ...]:
        raise NotImplementedError

    @property
    def count(self) -> int:
        """How many values there are."""
        return len(self.choices)

    def __str__(self) -> str:
        return f"one of {spell(self.choices)}"

    def bounds(self) -> tuple[int, int] | None:
        """See :meth:`Domain.bounds`."""
        numbers = [value for value in self.choices if type(value) is int]
        return (min(numbers), max(numbers)) if len(numbers) == len(self.choices) else None

    def contains(self, value: Value) -> bool:
        """See :meth:`Domain.contains`."""
        return is_one_of(value, self.choices)

    def is_within(self, allowed: tuple[Value, ...]) -> bool:
        """See :meth:`Domain.is_within`."""
        return all(is_one_of(value, allowed) for value in self.choices)

    def suggest(self, trial: Suggesting, name: str) -> Value:
        """Ask a trial for a value."""
        value: Value = trial.suggest_categorical(name, self.choices)
        return value


class ChoiceParameter(_Categorical):
    """One of the listed values, in no order."""

    type: Literal["choice"]
    values: Values

    @property
    def choices(self) -> tuple[Value, ...]:
        """The values."""
        return self.values


class BoolParameter(_Categorical):
    """True or false."""

    type: Literal["bool"]

    @property
    def choices(self) -> tuple[Value, ...]:
        """False and true."""
        return (False, True)


DeclaredParameter = IntParameter | WidthParameter | ChoiceParameter | BoolParameter
Parameter = Annotated[DeclaredParameter, Field(discriminator="type")]
