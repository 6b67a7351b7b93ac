"""What a declared parameter can be, and how a trial is asked for it."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Protocol

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from hwnas.spaces._yaml import MAX_INT, MAX_SHOWN

Value = int | str | bool
MAX_CHOICES: Final = 256
MAX_TEXT: Final = 64


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


Scalar = Annotated[Any, PlainValidator(_read_value)]
Values = Annotated[tuple[Value, ...], PlainValidator(_read_values)]


class IntParameter(Strict):
    """Whole numbers from ``low`` to ``high`` in steps of ``step``."""

    type: Literal["int"]
    low: int = Field(ge=0, le=MAX_INT)
    high: int = Field(ge=0, le=MAX_INT)
    step: int = Field(default=1, ge=1, le=MAX_INT)

    @model_validator(mode="after")
    def _on_the_grid(self) -> IntParameter:
        if self.high < self.low or (self.high - self.low) % self.step:
            raise PydanticCustomError(
                "grid",
                "expected high to be low plus a multiple of step; found {low}, {high}, {step}",
                {"low": self.low, "high": self.high, "step": self.step},
            )
        return self

    def __str__(self) -> str:
        return f"{self.low} to {self.high} in steps of {self.step}"

    def bounds(self) -> tuple[int, int]:
        """See :meth:`Domain.bounds`."""
        return self.low, self.high

    def contains(self, value: Value) -> bool:
        """See :meth:`Domain.contains`."""
        return type(value) is int and value in range(self.low, self.high + 1, self.step)

    def is_within(self, allowed: tuple[Value, ...]) -> bool:
        """See :meth:`Domain.is_within`."""
        return False

    def suggest(self, trial: Suggesting, name: str) -> Value:
        """Ask a trial for a value."""
        return trial.suggest_int(name, self.low, self.high, step=self.step)


class _Categorical(Strict):
    @property
    def choices(self) -> tuple[Value, ...]:
        raise NotImplementedError

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


Parameter = Annotated[IntParameter | ChoiceParameter | BoolParameter, Field(discriminator="type")]
