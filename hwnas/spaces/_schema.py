"""The schema of a space file; docs/search-spaces.md explains it to people."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from hwnas.network import MAX_DIMENSION, Activation
from hwnas.spaces._expression import (
    Expression,
    Numbers,
    Option,
    Selection,
    number,
    pair,
    selection,
    shape,
)
from hwnas.spaces._option_schema import (
    NAME_PATTERN,
    ReadBy,
    number_schema,
    pair_schema,
    selection_schema,
    shape_schema,
)
from hwnas.spaces._parameters import Conditions, Parameter, Scalar, Strict

MAX_REPEATS: Final = 64

_ACTIVATIONS: Final = tuple(str(one) for one in Activation)

_SAME_OR_VALID: Final = ("same", "valid")
_ON_OR_OFF: Final = (True, False)
_NUMBER: Final = number_schema(1, MAX_DIMENSION)

Number = Annotated[Expression, ReadBy(number, _NUMBER)]
Times = Annotated[
    Expression,
    ReadBy(partial(number, low=0, high=MAX_REPEATS), number_schema(0, MAX_REPEATS)),
]
Pair = Annotated[Numbers, ReadBy(pair, pair_schema(_NUMBER))]
ShapeOption = Annotated[Numbers, ReadBy(shape, shape_schema(_NUMBER))]
ActivationOption = Annotated[
    Selection,
    ReadBy(partial(selection, allowed=_ACTIVATIONS), selection_schema(_ACTIVATIONS)),
]
PaddingOption = Annotated[
    Selection,
    ReadBy(partial(selection, allowed=_SAME_OR_VALID), selection_schema(_SAME_OR_VALID)),
]
Switch = Annotated[
    Selection, ReadBy(partial(selection, allowed=_ON_OR_OFF), selection_schema(_ON_OR_OFF))
]
Name = Annotated[str, Field(pattern=f"^{NAME_PATTERN}$")]
Axis = Annotated[int, Field(ge=1, le=MAX_DIMENSION)]

_ONE: Final = pair(1)
_SAME: Final = selection("same", _SAME_OR_VALID)
_VALID: Final = selection("valid", _SAME_OR_VALID)
_PLAIN: Final = selection("none", _ACTIVATIONS)
_BIAS: Final = selection(True, _ON_OR_OFF)


class LayerOptions(Strict):
    """Options of a layer, named as :class:`hwnas.network.NetworkBuilder` names its arguments."""

    def options(self) -> dict[str, Option]:
        """Those that have a value."""
        named = ((name, getattr(self, name)) for name in type(self).model_fields)
        return {name: value for name, value in named if isinstance(value, Option)}


class Conv2D(LayerOptions):
    """A 2-D convolution."""

    filters: Number
    kernel_size: Pair
    strides: Pair = _ONE
    padding: PaddingOption = _SAME
    dilation: Pair = _ONE
    groups: Number = number(1)
    activation: ActivationOption = _PLAIN
    use_bias: Switch = _BIAS


class DepthwiseConv2D(LayerOptions):
    """A depthwise 2-D convolution."""

    kernel_size: Pair
    strides: Pair = _ONE
    padding: PaddingOption = _SAME
    dilation: Pair = _ONE
    depth_multiplier: Number = number(1)
    activation: ActivationOption = _PLAIN
    use_bias: Switch = _BIAS


class Dense(LayerOptions):
    """A fully connected layer on a vector."""

    units: Number
    activation: ActivationOption = _PLAIN
    use_bias: Switch = _BIAS


class Pool2D(LayerOptions):
    """Maximum or mean over a window; ``strides`` default to the window."""

    pool_size: Pair = pair(2)
    strides: Pair | None = None
    padding: PaddingOption = _VALID


class Reshape(LayerOptions):
    """Another view of the same bytes."""

    output_shape: ShapeOption


class NoOptions(LayerOptions):
    """A layer without options."""


class Add(LayerOptions):
    """Element-wise sum of two named values; short form: the list of the two."""

    inputs: Annotated[list[Name], Field(min_length=2, max_length=2)]
    activation: ActivationOption = _PLAIN

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return {"inputs": data} if isinstance(data, list) else data


class Repeat(Strict):
    """Layers that follow each other ``times`` times, with parameters of their own each time."""

    times: Times
    parameters: dict[Name, Parameter] = Field(default_factory=dict)
    layers: Annotated[list[Item], Field(min_length=1)]


class Item(Strict):
    """One entry of a list of layers: one operator, ``block`` or ``repeat``, and where it stands.

    Attributes:
        when: The item is there only while each named parameter has one of the given values.
        takes: Name of the value that it reads instead of the one before it.
        named: Name under which later items find its output.
    """

    conv2d: Conv2D | None = None
    depthwise_conv2d: DepthwiseConv2D | None = None
    dense: Dense | None = None
    max_pool2d: Pool2D | None = None
    average_pool2d: Pool2D | None = None
    global_average_pool2d: NoOptions | None = None
    global_max_pool2d: NoOptions | None = None
    flatten: NoOptions | None = None
    reshape: Reshape | None = None
    softmax: NoOptions | None = None
    relu: NoOptions | None = None
    relu6: NoOptions | None = None
    leaky_relu: NoOptions | None = None
    hard_swish: NoOptions | None = None
    sigmoid: NoOptions | None = None
    tanh: NoOptions | None = None
    add: Add | None = None
    block: Annotated[list[Item], Field(min_length=1)] | None = None
    repeat: Repeat | None = None
    when: dict[Name, Conditions] = Field(default_factory=dict)
    takes: Name | None = Field(default=None, alias="from")
    named: Name | None = Field(default=None, alias="as")

    MODIFIERS: ClassVar[frozenset[str]] = frozenset({"when", "from", "as"})

    @model_validator(mode="before")
    @classmethod
    def _normalize(cls, data: Any) -> Any:
        if isinstance(data, str):
            data = {data: {}}
        if not isinstance(data, dict):
            return data
        operators = [key for key in data if key not in cls.MODIFIERS]
        if len(operators) != 1:
            raise PydanticCustomError(
                "operator",
                "expected one operator in an entry; found {found}",
                {"found": ", ".join(map(str, operators)) or "none"},
            )
        plain = {key: {} if data[key] is None else data[key] for key in operators}
        return {**data, **plain}

    @property
    def operator(self) -> str:
        """What the entry is: an operator, ``block`` or ``repeat``."""
        return next(name for name in type(self).model_fields if name in self.model_fields_set
                    and name not in ("when", "takes", "named"))  # fmt: skip


class ReferencePoint(Strict):
    """A known network as a point of the space."""

    description: str = ""
    parameters: dict[str, Scalar]


class SpaceFile(Strict):
    """A whole space file."""

    version: Literal[1]
    name: Name
    description: str = ""
    input: Annotated[list[Axis], Field(min_length=1, max_length=3)]
    classes: Annotated[int, Field(ge=1, le=MAX_DIMENSION)] | None = None
    parameters: dict[Name, Parameter] = Field(default_factory=dict)
    layers: Annotated[list[Item], Field(min_length=1)]
    references: dict[Name, ReferencePoint] = Field(default_factory=dict)
