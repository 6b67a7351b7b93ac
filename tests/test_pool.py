"""The synthetic parameters: where they lie, what they are, and that they are always the same."""

from __future__ import annotations

import hashlib
import re
import struct
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kurtosis

from hwnas.errors import PlanError
from hwnas.network import DType
from hwnas.plan import (
    DEFAULT_SEED,
    PARAMETER_ALIGNMENT,
    ParameterKind,
    ParameterPool,
    PoolLayout,
)
from hwnas.plan._pool import PoolAllocator

IDENTITY = Path(__file__).parents[1] / "firmware" / "src" / "identity.h"
REGION = 100_000
regions = st.integers(0, 1 << 21)
requests = st.lists(
    st.tuples(st.sampled_from(ParameterKind), st.sampled_from(DType), st.integers(0, 5000)),
    max_size=60,
)


@given(regions)
def test_sections_are_disjoint_aligned_and_inside_any_region(region: int) -> None:
    sections = PoolLayout.for_region(region).sections
    assert set(sections) == set(ParameterKind) - {ParameterKind.OPERAND}
    ordered = sorted(sections.values(), key=lambda section: section.offset)
    for section in ordered:
        assert section.offset % PARAMETER_ALIGNMENT == section.size_bytes % PARAMETER_ALIGNMENT == 0
        assert section.size_bytes >= 0
    for one, other in pairwise(ordered):
        assert one.offset + one.size_bytes == other.offset
    assert ordered[0].offset == 0
    assert 0 <= region - (ordered[-1].offset + ordered[-1].size_bytes) < PARAMETER_ALIGNMENT


@given(regions.filter(lambda region: region >= 1 << 12))
def test_most_of_a_region_is_weights_and_nothing_is_missing(region: int) -> None:
    sections = PoolLayout.for_region(region).sections
    per_channel = {
        section.size_bytes
        for kind, section in sections.items()
        if kind is not ParameterKind.WEIGHTS
    }
    assert len(per_channel) == 1
    assert 0 < per_channel.pop() <= region / 20
    assert sections[ParameterKind.WEIGHTS].size_bytes >= 0.84 * region


@given(st.integers(0, REGION), requests)
def test_the_allocator_gives_each_byte_once_or_refuses(
    region: int, wanted: list[tuple[ParameterKind, DType, int]]
) -> None:
    layout = PoolLayout.for_region(region)
    allocator = PoolAllocator(layout)
    given_out: list[tuple[int, int]] = []
    for kind, dtype, count in wanted:
        floats = kind is ParameterKind.OPERAND or dtype is DType.FLOAT32
        shared = ParameterKind.WEIGHTS if floats else kind
        section = layout.sections[shared]
        end = section.offset + section.size_bytes
        own = [stop for start, stop in given_out if section.offset <= start < end]
        first_free = max(own, default=section.offset)
        first_free += -first_free % PARAMETER_ALIGNMENT
        size = count * kind.element_bytes(dtype)
        try:
            start = allocator.take(kind, dtype, count)
        except PlanError as error:
            assert size > end - first_free
            assert f"synthetic {shared} hold {section.size_bytes} bytes" in str(error)
            assert f"{size} more do not fit" in str(error)
            continue
        assert start % PARAMETER_ALIGNMENT == 0
        assert section.offset <= start <= start + size <= end
        if size:
            given_out.append((start, start + size))
    ordered = sorted(given_out)
    assert all(one[1] <= other[0] for one, other in pairwise(ordered))


def test_a_section_can_be_used_up_to_its_last_byte() -> None:
    layout = PoolLayout.for_region(REGION)
    for kind, section in layout.sections.items():
        allocator = PoolAllocator(layout)
        size = kind.element_bytes(DType.INT8)
        assert allocator.take(kind, DType.INT8, section.size_bytes // size) == section.offset
        with pytest.raises(PlanError, match=f"{size} more do not fit"):
            allocator.take(kind, DType.INT8, 1)


def values(kind: ParameterKind) -> np.ndarray:
    section = PoolLayout.for_region(REGION).sections[kind]
    data = ParameterPool(DEFAULT_SEED, REGION).data
    part = data[section.offset : section.offset + section.size_bytes]
    return np.frombuffer(part, np.float32 if kind is ParameterKind.WEIGHTS else np.int32)


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        (ParameterKind.BIAS, -(1 << 13), (1 << 13) - 1),
        # What quantize_multiplier gives, and what brings sums back to int8.
        (ParameterKind.MULTIPLIERS, 1 << 30, (1 << 31) - 1),
        (ParameterKind.SHIFTS, -11, -7),
    ],
)
def test_values_fill_their_documented_range(kind: ParameterKind, low: int, high: int) -> None:
    found = values(kind)
    assert low <= found.min() <= found.max() <= high
    # Uniform over the range: both ends are met, and mean and spread are those of a uniform.
    width = high - low
    assert found.min() - low <= 0.01 * width
    assert high - found.max() <= 0.01 * width
    assert found.mean() == pytest.approx((low + high) / 2, abs=0.05 * width)
    assert found.std() == pytest.approx(((width + 1) ** 2 - 1) ** 0.5 / 12**0.5, rel=0.05)


def test_weights_are_gaussian_floats_whose_bytes_do_for_int8() -> None:
    floats = values(ParameterKind.WEIGHTS)
    assert np.isfinite(floats).all()
    assert np.abs(floats[floats != 0]).min() >= np.finfo(np.float32).tiny  # none is denormal
    assert np.abs(floats).max() <= 0.5
    assert floats.mean() == pytest.approx(0, abs=0.004)
    assert floats.std() == pytest.approx(0.25 / 3**0.5, rel=0.01)
    assert kurtosis(floats) == pytest.approx(-0.3, abs=0.03)  # of a Gaussian 0, of a uniform -1.2
    bytes_ = floats.view(np.int8).astype(np.float64)
    assert bytes_.mean() == pytest.approx(0, abs=4)
    assert bytes_.std() == pytest.approx(74, rel=0.05)  # that of uniform int8 values


def test_equal_seeds_give_equal_bytes_and_others_do_not() -> None:
    pool = ParameterPool(7, 4096)
    assert pool.data == ParameterPool(7, 4096).data
    assert pool.sha256 == hashlib.sha256(pool.data).hexdigest()
    other = ParameterPool(8, 4096).data
    same = sum(a == b for a, b in zip(pool.data, other, strict=True))
    assert same < len(other) / 4


@given(st.integers(0, 5000))
def test_data_fills_the_region_whatever_its_size(region: int) -> None:
    pool = ParameterPool(DEFAULT_SEED, region)
    assert len(pool.data) == region
    rest = region % PARAMETER_ALIGNMENT
    assert pool.data[region - rest :] == bytes(rest)


def test_the_bytes_of_a_pool_never_change() -> None:
    # They are part of every target's identity: another hash here empties all lookup tables.
    assert ParameterPool(DEFAULT_SEED, 4096).sha256 == (
        "ce03b8ee710468e26136171f4cfd0baad4b6ac31095dd6b3a3ab5f2a01924d4f"
    )


def test_the_header_is_what_the_firmware_reads() -> None:
    source = IDENTITY.read_text(encoding="utf-8")
    body = re.search(r"struct pool_header \{(.*?)\};", source, re.DOTALL)
    assert body is not None
    fields = re.findall(r"(uint\d+_t) (\w+)(?:\[(\d+)\])?;", body[1])
    assert [name for _, name, _ in fields] == [
        "magic", "version", "bytes", "seed", "sha256", "reserved",
    ]  # fmt: skip
    codes = {"uint32_t": "I", "uint8_t": "B"}
    layout = struct.Struct("<" + "".join(f"{count or 1}{codes[kind]}" for kind, _, count in fields))
    constants = dict(re.findall(r"#define (POOL_\w+) (\w+?)u\b", source))
    pool = ParameterPool(0xDEAD_BEEF, 4096)
    assert layout.size == len(pool.header()) == 64
    magic, version, size, seed, *rest = layout.unpack(pool.header())
    assert (magic, version) == tuple(int(constants[f"POOL_{n}"], 0) for n in ("MAGIC", "VERSION"))
    assert (size, seed) == (4096, 0xDEAD_BEEF)
    assert bytes(rest[:32]) == hashlib.sha256(pool.data).digest()
    assert rest[32:] == [0, 0, 0, 0]
    assert pool.header()[:4] == b"HWPL"
