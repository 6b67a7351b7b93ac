from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from network_strategies import layers, networks

from hwnas.errors import NetworkError
from hwnas.network import (
    MAX_NODES,
    WINDOWED,
    DType,
    Layer,
    Network,
    NetworkBuilder,
    Node,
    Operator,
    add,
    average_pool2d,
    binary,
    concatenation,
    conv2d,
    dense,
    depthwise_conv2d,
    dequantize,
    global_average_pool2d,
    global_max_pool2d,
    hard_swish,
    leaky_relu,
    logistic,
    max_pool2d,
    pad,
    quantize,
    relu,
    relu6,
    requantize,
    reshape,
    same_padding,
    softmax,
    tanh,
)

MAP = (8, 8, 4)


def small() -> Network:
    b = NetworkBuilder(MAP)
    x = b.conv2d(b.input, 4, 3, activation="relu", name="stem")
    x = b.add(x, b.input)
    b.softmax(b.dense(b.flatten(b.max_pool2d(x)), 10, use_bias=False))
    return b.build()


# --- constructors ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "output_shape", "padding"),
    [
        (conv2d(MAP, 6, 3), (8, 8, 6), (1, 1, 1, 1)),
        (conv2d(MAP, 6, 3, strides=2), (4, 4, 6), (0, 0, 1, 1)),
        (conv2d(MAP, 6, (5, 1), strides=(1, 3), padding="valid"), (4, 3, 6), (0, 0, 0, 0)),
        (conv2d(MAP, 6, 3, dilation=2), (8, 8, 6), (2, 2, 2, 2)),
        (conv2d(MAP, 6, 3, dilation=(1, 3), padding="valid"), (6, 2, 6), (0, 0, 0, 0)),
        (depthwise_conv2d(MAP, 3, depth_multiplier=3), (8, 8, 12), (1, 1, 1, 1)),
        (max_pool2d(MAP), (4, 4, 4), (0, 0, 0, 0)),
        (max_pool2d(MAP, 3, padding="same"), (3, 3, 4), (0, 0, 1, 1)),
        (average_pool2d(MAP, (2, 8), strides=1), (7, 1, 4), (0, 0, 0, 0)),
        (global_average_pool2d(MAP), (4,), (0, 0, 0, 0)),
        (dense((7,), 5), (5,), (0, 0, 0, 0)),
        (softmax((7,)), (7,), (0, 0, 0, 0)),
        (relu(MAP), MAP, (0, 0, 0, 0)),
        (relu6(MAP), MAP, (0, 0, 0, 0)),
        (leaky_relu(MAP), MAP, (0, 0, 0, 0)),
        (logistic(MAP), MAP, (0, 0, 0, 0)),
        (tanh(MAP), MAP, (0, 0, 0, 0)),
        (hard_swish(MAP), MAP, (0, 0, 0, 0)),
        (quantize(MAP), MAP, (0, 0, 0, 0)),
        (dequantize(MAP), MAP, (0, 0, 0, 0)),
        (requantize(MAP), MAP, (0, 0, 0, 0)),
        (global_max_pool2d(MAP), (4,), (0, 0, 0, 0)),
        (conv2d(MAP, 6, 3, groups=2), (8, 8, 6), (1, 1, 1, 1)),
        (add(MAP), MAP, (0, 0, 0, 0)),
        (binary(Operator.MUL, MAP, (1, 1, 4)), MAP, (0, 0, 0, 0)),
        (binary(Operator.SUB, (4,), MAP), MAP, (0, 0, 0, 0)),
        (binary(Operator.ADD, MAP, (1,)), MAP, (0, 0, 0, 0)),
        (binary(Operator.ADD, MAP, operand=(1, 1, 4)), MAP, (0, 0, 0, 0)),
        (binary(Operator.ADD, MAP, operand=MAP), MAP, (0, 0, 0, 0)),
        (concatenation([MAP, (8, 8, 2), MAP]), (8, 8, 10), (0, 0, 0, 0)),
        (concatenation([MAP, (8, 3, 4)], axis=-2), (8, 11, 4), (0, 0, 0, 0)),
        (concatenation([(3,), (4,)]), (7,), (0, 0, 0, 0)),
        (pad(MAP, (1, 0, 2, 3)), (11, 11, 4), (1, 0, 2, 3)),
        (reshape(MAP, (2, 128)), (2, 128), (0, 0, 0, 0)),
    ],
)
def test_shapes_and_paddings(
    layer: Layer, output_shape: tuple[int, ...], padding: tuple[int, ...]
) -> None:
    assert (layer.output_shape, layer.padding) == (output_shape, padding)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 5, 12])
@pytest.mark.parametrize("size", [1, 2, 7, 8])
def test_same_padding_covers_every_stride_once(size: int, kernel: int, stride: int) -> None:
    before, after = same_padding(size, kernel, stride)
    outputs = math.ceil(size / stride)
    assert conv2d((size, 1, 1), 1, (kernel, 1), strides=stride).output_shape[0] == outputs
    assert after - before in (0, 1)
    assert (outputs - 1) * stride + kernel <= before + size + after


@given(layers())
def test_no_layer_reads_zeros_alone_or_keeps_zeros_unread(layer: Layer) -> None:
    if layer.operator not in WINDOWED:
        return
    for axis in (0, 1):
        before, after = layer.padding[axis], layer.padding[axis + 2]
        size, out = layer.input_shape[axis], layer.output_shape[axis]
        reach = (layer.kernel_size[axis] - 1) * layer.dilation[axis] + 1
        last = (out - 1) * layer.strides[axis]
        assert before < reach and last < before + size
        assert after == max(last + reach - before - size, 0)


# --- canonical form -------------------------------------------------------------------------


def test_same_and_the_equal_explicit_padding_are_one_layer() -> None:
    named, explicit = conv2d(MAP, 4, 3), conv2d(MAP, 4, 3, padding=(1, 1, 1, 1))
    assert named == explicit and hash(named) == hash(explicit)
    assert named.digest == explicit.digest
    assert conv2d(MAP, 4, 1, padding="same") == conv2d(MAP, 4, 1, padding="valid")


def test_an_operand_has_one_way_to_be_written() -> None:
    vector, single = (binary(Operator.MUL, MAP, operand=shape) for shape in [(1, 1, 4), (1, 1, 1)])
    assert (vector.operand, single.operand) == ((4,), (1,))
    assert vector == binary(Operator.MUL, MAP, operand=(4,))
    assert binary(Operator.MUL, (1, 8, 4), operand=(1, 8, 4)).operand == (1, 8, 4)


def test_a_description_tells_constants_from_inputs() -> None:
    assert binary(Operator.MUL, MAP, (4,)).describe() == "mul 8x8x4,4 -> 8x8x4"
    assert binary(Operator.MUL, MAP, operand=(4,)).describe() == "mul 8x8x4,constant 4 -> 8x8x4"
    first = binary(Operator.SUB, MAP, operand=(4,), operand_first=True)
    assert first.describe() == "sub constant 4,8x8x4 -> 8x8x4"
    assert first != binary(Operator.SUB, MAP, operand=(4,))


def test_floats_are_at_the_ends() -> None:
    b = NetworkBuilder(MAP)
    b.dequantize(b.relu(b.quantize(b.input)))
    network = b.build()
    types = [network.dtype_of(value) for value in range(4)]
    assert types == [DType.FLOAT32, DType.INT8, DType.INT8, DType.FLOAT32]
    assert {small().dtype_of(value) for value in range(3)} == {DType.INT8}


def test_padding_that_no_window_reads_is_left_out() -> None:
    wide = conv2d(MAP, 4, 3, strides=2, padding=(1, 1, 1, 1))
    assert wide.padding == (1, 1, 0, 0)
    assert wide == conv2d(MAP, 4, 3, strides=2, padding=(1, 1, 0, 0))


def test_pinned_digests() -> None:
    """Tables outlive versions: these must not change without a new version of the format."""
    layer = conv2d(MAP, 4, 3, strides=2, activation="relu6")
    assert layer.canonical() == (
        '{"operator":"conv2d","input_shapes":[[8,8,4]],"output_shape":[4,4,4],'
        '"kernel_size":[3,3],"strides":[2,2],"padding":[0,0,1,1],"activation":"relu6",'
        '"use_bias":true}'
    )
    assert layer.digest == "1538cd3a3af5f6591f98fe92ef874d49b3e026e5407b649a4d3249b1169cb05a"
    assert small().digest == "fd76b41d9be3eab80e0c140d51a4a0fb8a081cd99810659ac503c57561309435"


def test_names_take_no_part_in_equality_or_digest() -> None:
    named = small()
    nameless = Network(
        named.input_shape, tuple(Node(node.layer, node.inputs) for node in named.nodes)
    )
    assert named == nameless and hash(named) == hash(nameless)
    assert named.digest == nameless.digest
    assert named.to_json() != nameless.to_json()


@given(layers(), layers())
def test_layers_are_equal_exactly_when_their_canonical_forms_are(one: Layer, two: Layer) -> None:
    assert (one == two) == (one.canonical() == two.canonical()) == (one.digest == two.digest)


@given(layers())
def test_layer_round_trip(layer: Layer) -> None:
    assert Layer.from_dict(json.loads(layer.canonical())) == layer


@given(networks(max_blocks=8))
def test_network_round_trip(network: Network) -> None:
    again = Network.from_json(network.to_json())
    assert again == network
    assert again.digest == network.digest
    assert again.to_json() == network.to_json()


def test_the_round_trip_keeps_names() -> None:
    assert Network.from_json(small().to_json()).nodes[0].name == "stem"


# --- errors ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: conv2d((8, 8), 4, 3), "is no (height, width, channels)"),
        (lambda: conv2d(MAP, 0, 3), "every axis"),
        (lambda: conv2d(MAP, 4, 0), "must be 1 or more"),
        (lambda: conv2d(MAP, 4, 3.0), "3.0 must be a whole number or two"),
        (lambda: conv2d(MAP, 4, (3, 3, 3)), "(3, 3, 3) must be a whole number or two"),
        (lambda: conv2d(MAP, 4, 9, padding="valid"), "9x9 window does not fit into 8x8"),
        (lambda: conv2d(MAP, 4, 3, padding="full"), "'full' is neither"),
        (lambda: conv2d(MAP, 4, 3, padding=(1, 1)), "(1, 1) is neither"),
        (lambda: conv2d(MAP, 4, 3, padding=(3, 0, 0, 0)), "wider than the window"),
        (lambda: conv2d(MAP, 4, 1, strides=2, padding=(0, 0, 3, 0)), "wider than the window"),
        (lambda: conv2d(MAP, 4, 3, padding=(-1, 0, 0, 0)), "0 or more"),
        (lambda: conv2d(MAP, 4, 3, activation="gelu"), "'gelu' is none of none, relu, relu6"),
        (lambda: conv2d((65_535, 65_535, 1), 1, 1), "more than 1073741824 elements"),
        (lambda: depthwise_conv2d(MAP, 3, depth_multiplier=0), "every axis"),
        (lambda: dense(MAP, 3), "flatten it first"),
        (lambda: dense((65_536,), 3), "1 to 65535"),
        (lambda: reshape(MAP, (255,)), "other numbers of elements"),
        (lambda: softmax((1, 2, 3, 4)), "1 to 3 axes"),
        (lambda: softmax(()), "1 to 3 axes"),
        (lambda: Layer(Operator.SOFTMAX, ((3,),), (4,)), "gives (3,), not (4,)"),
        (lambda: Layer(Operator.ADD, ((3,), (4,)), (3,)), "((3,), (4,)) must be equal, or one"),
        (lambda: Layer(Operator.ADD, ((3,), (3,)), (3,), operand=(3,)), "2 inputs, 1 wanted"),
        (lambda: binary(Operator.MUL, MAP, (8, 8, 1)), "must be equal, or one a vector"),
        (lambda: binary(Operator.MUL, MAP, (8,)), "must be equal, or one a vector"),
        (lambda: binary(Operator.MUL, (1, 1, 4), operand=MAP), "constant (8, 8, 4) is larger"),
        (lambda: binary(Operator.MUL, MAP, operand=(0,)), "every axis"),
        (
            lambda: Layer(Operator.MUL, (MAP,), MAP, operand=(1, 4)),
            "write the constant (1, 4) as (4,)",
        ),
        (lambda: Layer(Operator.RELU, (MAP,), MAP, operand=(4,)), "operand (4,) has no meaning"),
        (lambda: conv2d(MAP, 4, 3, groups=3), "3 groups do not divide 4 input and 4 output"),
        (lambda: conv2d(MAP, 5, 3, groups=2), "2 groups do not divide 4 input and 5 output"),
        (lambda: conv2d(MAP, 4, 3, groups=0), "groups 0 must be whole numbers"),
        (lambda: Layer(Operator.DENSE, ((4,),), (4,), groups=2), "groups 2 has no meaning"),
        (lambda: concatenation([MAP, MAP], axis=2), "have no axis 2"),
        (lambda: concatenation([(3,), (3,)], axis=-2), "have no axis -2"),
        (lambda: concatenation([]), "have no axis -1"),
        (lambda: concatenation([MAP]), "1 inputs, 2 to 11 wanted"),
        (lambda: concatenation([MAP] * 12), "12 inputs, 2 to 11 wanted"),
        (lambda: concatenation([MAP, (8, 7, 4)]), "must be equal but for the axis -1"),
        (lambda: concatenation([MAP, (4,)]), "must be equal but for the axis -1"),
        (lambda: Layer(Operator.CONCATENATION, (MAP, MAP), MAP, axis=-4), "axis -4 must be -1 to"),
        (lambda: Layer(Operator.CONCATENATION, (MAP, MAP), MAP, axis=0), "axis 0 must be -1 to"),
        (lambda: Layer(Operator.RELU, (MAP,), MAP, axis=-2), "axis -2 has no meaning"),
        (lambda: pad((8,), (1, 1, 1, 1)), "is no (height, width, channels)"),
        (lambda: pad(MAP, (1, 1)), "(1, 1) is no (top, left, bottom, right)"),
        (lambda: pad(MAP, (0, 0, -1, 0)), "of 0 or more"),
        (lambda: global_max_pool2d((8,)), "is no (height, width, channels)"),
        (lambda: quantize(MAP, dtype=DType.FLOAT32), "a float32 network has none"),
        (lambda: dequantize(MAP, dtype=DType.FLOAT32), "a float32 network has none"),
        (lambda: requantize(MAP, dtype=DType.FLOAT32), "a float32 network has none"),
        (lambda: binary(Operator.SUB, MAP, MAP, operand_first=True), "has no constant that could"),
        (
            lambda: binary(Operator.ADD, MAP, operand=(4,), operand_first=True),
            "add: operand_first True has no meaning",
        ),
        (
            lambda: Network(MAP, (Node(relu(MAP), (0,)), Node(quantize(MAP), (1,), "late"))),
            "(late): reads floats; it must be all that reads the network's input",
        ),
        (
            lambda: Network(MAP, (Node(quantize(MAP), (0,)), Node(add(MAP), (1, 0)))),
            "must be all that reads",
        ),
        (
            lambda: Network(MAP, (Node(dequantize(MAP), (0,)), Node(relu(MAP), (1,)))),
            "makes floats, which only a network's output may be",
        ),
        (lambda: Layer(Operator.ADD, ((3,),), (3,)), "1 inputs, 2 wanted"),
        (lambda: Layer(Operator.RELU, ((3,),), (3,), use_bias=True), "has no bias"),
        (lambda: Layer(Operator.RELU, ((3,),), (3,), strides=(2, 2)), "strides (2, 2) has no"),
        (
            lambda: Layer(Operator.MAX_POOL2D, (MAP,), MAP, dilation=(2, 2)),
            "dilation (2, 2) has no meaning",
        ),
        (
            lambda: Layer(Operator.CONV2D, (MAP,), MAP, depth_multiplier=2),
            "depth_multiplier 2 has no meaning",
        ),
        (
            lambda: Layer(
                Operator.MAX_POOL2D,
                (MAP,),
                (4, 4, 4),
                kernel_size=(2, 2),
                strides=(2, 2),
                padding=(0, 0, 1, 0),
            ),
            "rows that no window reads",
        ),
        (
            lambda: Layer(Operator.MAX_POOL2D, (MAP,), MAP, padding=(0, 0, 65_536, 0)),
            "none over 65535",
        ),
        (lambda: NetworkBuilder(MAP, "int4"), "'int4' is none of int8, float32"),
        (lambda: NetworkBuilder(MAP).relu(1), "no value 1; made so far: 0 to 0"),
        (lambda: NetworkBuilder(MAP).relu(-1), "no value -1"),
        (lambda: NetworkBuilder(MAP).build(), "1 to 512 layers, not 0"),
        (lambda: Network(MAP, (Node(relu(MAP), (0,)),) * (MAX_NODES + 1)), "not 513"),
        (lambda: Network(MAP, (Node(relu(MAP), (1,)),)), "is not made before it"),
        (lambda: Network(MAP, (Node(relu(MAP), (0, 0)),)), "2 inputs are wired"),
        (lambda: Network((8, 8, 3), (Node(relu(MAP), (0,)),)), "value 0 is (8, 8, 3)"),
        (lambda: Network(MAP, (Node(relu(MAP), (0,)),) * 2), "values [1] are never used"),
        (
            lambda: Network((3,), (Node(relu((3,), dtype=DType.FLOAT32), (0,)),)),
            "is float32 in a int8 network",
        ),
        (lambda: relu((3,), dtype="int8"), "dtype 'int8' is no DType"),
        (lambda: Layer("add", ((3,), (3,)), (3,)), "operator 'add' is no Operator"),
        (
            lambda: Layer(Operator.DENSE, ((3,),), (3,), activation="relu6"),
            "activation 'relu6' is no Activation",
        ),
        (
            lambda: Layer(Operator.MAX_POOL2D, (MAP,), MAP, kernel_size=(1.0, 1)),
            "must be whole numbers",
        ),
    ],
)
def test_errors(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(NetworkError, match=re.escape(message)):
        make()


def test_an_add_of_unequal_shapes() -> None:
    b = NetworkBuilder(MAP)
    x = b.conv2d(b.input, 5, 3)
    with pytest.raises(NetworkError, match="must be equal"):
        b.add(x, b.input)


# --- untrusted JSON -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{",
        "NaN",
        "[" * 100_000,
        '{"version": 2}',
        '{"version": 1}',
        '{"version": 1, "nodes": {}}',
        '{"version": 1, "nodes": [0], "input_shape": [3], "dtype": "int8"}',
        small().to_json().replace('"version":1', '"version":true'),
        small().to_json().replace('"version":1', '"version":1,"layers":[]'),
        small().to_json().replace('"inputs"', '"weights":[],"inputs"', 1),
        "9" * 5_000,
    ],
)
def test_text_that_is_no_network(text: str) -> None:
    with pytest.raises(NetworkError):
        Network.from_json(text)


@pytest.mark.parametrize("depth", range(900, 1000, 3))
def test_deep_nesting(depth: int) -> None:
    nested = "[" * depth + "]" * depth
    text = f'{{"version":1,"dtype":"int8","input_shape":{nested},"nodes":[]}}'
    with pytest.raises(NetworkError):
        Network.from_json(text)


def test_errors_stay_short() -> None:
    plain = small().to_dict()
    plain["nodes"][0]["layer"]["kernel_size"] = ["x" * 1_000] * 1_000
    with pytest.raises(NetworkError) as caught:
        Network.from_dict(plain)
    assert len(str(caught.value)) < 500


HOSTILE = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(),
    st.text(max_size=5),
    st.integers(-2, 9),
    st.sampled_from([65_535, 65_536, 1 << 31, 1 << 64, 10**4_299, -(10**4_000)]),
    st.sampled_from(["conv2d", "relu", "reshape", "float32", "relu6", "mul", "quantize"]),
    st.lists(st.integers(-1, 9), max_size=5),
    st.lists(st.lists(st.integers(-1, 9), max_size=4), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container in ``value`` with every key or index in it."""
    found: list[tuple[Any, Any]] = []
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            found += [(value, key), *places(value[key])]
    return found


@given(networks(), st.data())
def test_mutated_json_gives_a_network_or_a_network_error(network: Network, data: Any) -> None:
    plain = network.to_dict()
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(places(plain)))
        action = data.draw(st.sampled_from(["replace", "remove", "add"]))
        if action == "replace":
            container[key] = data.draw(HOSTILE)
        elif action == "remove":
            del container[key]
        elif isinstance(container, dict):
            container[
                data.draw(
                    st.sampled_from(
                        ["padding", "strides", "kernel_size", "groups", "axis", "operand", "x"]
                    )
                )
            ] = data.draw(HOSTILE)
        else:
            container.append(data.draw(HOSTILE))
        if not plain:
            break
    try:
        parsed = Network.from_json(json.dumps(plain))
    except NetworkError:
        return
    assert Network.from_json(parsed.to_json()) == parsed


@given(st.recursive(HOSTILE, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_any_other_json_is_a_network_error(value: Any) -> None:
    with pytest.raises(NetworkError):
        Network.from_json(json.dumps(value))
