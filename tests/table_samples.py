"""Targets, layers and rows for the tests of the lookup table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from hwnas.network import (
    Layer,
    Network,
    NetworkBuilder,
    add,
    conv2d,
    dense,
    depthwise_conv2d,
    max_pool2d,
    softmax,
)
from hwnas.table import LayerRecord, NetworkRecord
from hwnas.target import Provenance, TargetIdentity

WHEN = datetime(2026, 3, 4, 5, 6, 7, 89, UTC)
TARGET = TargetIdentity(
    board="nucleo_l496zg",
    core="cortex-m4",
    clock_hz=80_000_000,
    arena_region="sram1",
    kernel_set="cmsis_nn",
    kernel_version="4.0.0",
    compiler="gcc",
    compiler_version="12.2.1",
    compiler_flags="-O3 -mcpu=cortex-m4",
    measured_code_sha256="0" * 64,
    pool_sha256="1" * 64,
    cache="warm",
    provenance=Provenance.SIMULATED,
    timing_model="cortex-m4/1",
)
SLOW = replace(TARGET, clock_hz=16_000_000)
SILICON = replace(TARGET, provenance=Provenance.MEASURED, timing_model="")


def layer(i: int) -> Layer:
    """One of many different layers."""
    return dense((i // 500 + 1,), i % 500 + 1)


def record(
    subject: Layer, cycles: int = 1000, target: TargetIdentity = TARGET, **changes: Any
) -> LayerRecord:
    values: dict[str, Any] = {
        "n": 3,
        "cycles_min": cycles,
        "cycles_median": cycles + 1,
        "cycles_max": cycles + 2,
        "energy_uj": None,
        "provenance": target.provenance,
        "created_at": WHEN,
    }
    return LayerRecord(subject, **{**values, **changes})


def network(units: int = 10, name: str = "") -> Network:
    b = NetworkBuilder((8, 8, 4))
    x = b.conv2d(b.input, filters=4, kernel_size=3, activation="relu", name=name)
    x = b.add(x, b.input)
    b.softmax(b.dense(b.flatten(x), units))
    return b.build()


def network_record(
    subject: Network, cycles: int = 50_000, target: TargetIdentity = TARGET
) -> NetworkRecord:
    return NetworkRecord(subject, 5, cycles, cycles, cycles + 9, 12.25, target.provenance, WHEN)


_SIDES = st.integers(1, 40)
_SHAPES = st.tuples(_SIDES, _SIDES, st.integers(1, 64))
_ACTIVATIONS = st.sampled_from(["none", "relu", "relu6"])

LAYERS = st.one_of(
    st.builds(
        conv2d,
        _SHAPES,
        st.integers(1, 64),
        st.integers(1, 7),
        strides=st.integers(1, 3),
        activation=_ACTIVATIONS,
        use_bias=st.booleans(),
    ),
    st.builds(depthwise_conv2d, _SHAPES, st.integers(1, 5), activation=_ACTIVATIONS),
    st.builds(dense, st.tuples(st.integers(1, 5000)), st.integers(1, 500)),
    st.builds(add, _SHAPES),
    st.builds(softmax, st.tuples(st.integers(1, 1000))),
    st.builds(max_pool2d, _SHAPES, st.just(1)),
)
_COUNTS = st.integers(0, 2**63 - 1)
_TIMES = st.datetimes(
    min_value=datetime(1970, 1, 2),
    max_value=datetime(2200, 1, 1),
    timezones=st.timezones(),
)


@st.composite
def layer_records(draw: st.DrawFn, target: TargetIdentity = TARGET) -> LayerRecord:
    low, middle, high = sorted(draw(st.tuples(_COUNTS, _COUNTS, _COUNTS)))
    energy = draw(st.none() | st.floats(0, allow_nan=False, allow_infinity=False))
    return LayerRecord(
        draw(LAYERS),
        draw(st.integers(1, 2**31)),
        low,
        middle,
        high,
        energy,
        target.provenance,
        draw(_TIMES),
    )
