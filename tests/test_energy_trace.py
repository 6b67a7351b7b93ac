"""Traces and their segmentation: known energies, edges anywhere, damaged recordings."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rocketlogger.data import RocketLoggerData

from hwnas.energy import (
    ArrayTrace,
    Channels,
    CsvColumns,
    RldTrace,
    Trace,
    read_csv,
    segment,
    write_rld,
)
from hwnas.energy.rld import TruncatedRecordingWarning
from hwnas.errors import TraceError

RATE = 64_000
PINS = ("DI1", "DI2")


def recorded(
    layers: list[list[int]],
    power_w: list[list[float]],
    gap: int = 500,
    idle_w: float = 0.01,
    **options: Any,
) -> ArrayTrace:
    """Inferences of layers with these samples and powers, idling before, between and after."""
    power, inference, layer = [np.full(gap, idle_w)], [np.zeros(gap, bool)], [np.zeros(gap, bool)]
    for samples, watts in zip(layers, power_w, strict=True):
        for i, (count, each) in enumerate(zip(samples, watts, strict=True)):
            power.append(np.full(count, each))
            inference.append(np.ones(count, bool))
            layer.append(np.full(count, i % 2 == 0))
        power.append(np.full(gap, idle_w))
        inference.append(np.zeros(gap, bool))
        layer.append(np.zeros(gap, bool))
    watts_all = np.concatenate(power)
    volts = np.full(len(watts_all), 3.0)
    pins = np.concatenate(inference), np.concatenate(layer)
    return ArrayTrace(volts, watts_all / volts, *pins, RATE, **options)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_layer_gets_its_energy_wherever_its_edges_are(data: st.DataObject) -> None:
    steps = data.draw(st.integers(1, 7))
    runs = data.draw(st.integers(1, 4))
    samples = data.draw(
        st.lists(
            st.lists(st.integers(2, 3_000), min_size=steps, max_size=steps),
            min_size=runs, max_size=runs,
        )
    )  # fmt: skip
    watts = data.draw(
        st.lists(
            st.lists(st.floats(0.001, 0.5), min_size=steps, max_size=steps),
            min_size=runs, max_size=runs,
        )
    )  # fmt: skip
    gap = data.draw(st.integers(1, 70_000))
    found = segment(recorded(samples, watts, gap), steps)
    expected = np.array(samples) * np.array(watts) / RATE
    np.testing.assert_allclose(found.layer_energy_j, expected, rtol=1e-9)
    np.testing.assert_allclose(found.energy_j, expected.sum(axis=1), rtol=1e-9)
    np.testing.assert_allclose(found.layer_duration_s, np.array(samples) / RATE)
    assert found.idle_power_w == pytest.approx(0.01)
    net = found.net_energy_j
    assert net is not None
    np.testing.assert_allclose(
        net, expected.sum(axis=1) - 0.01 * found.duration_s, rtol=1e-9, atol=1e-15
    )


def test_energies_are_recovered_under_noise(tmp_path: Path) -> None:
    """Within half a percent, through a RocketLogger's file."""
    chance = np.random.default_rng(5)
    samples = [[int(n) for n in chance.integers(200, 4_000, 5)]] * 20
    watts = [[0.045, 0.03, 0.06, 0.04, 0.05]] * 20
    clean = recorded(samples, watts)
    blocks = list(clean.blocks())
    power = np.concatenate([block.power_w for block in blocks])
    noisy = power * chance.normal(1, 0.02, len(power))
    pins = {
        name: np.concatenate([getattr(block, kind) for block in blocks])
        for name, kind in zip(PINS, ("inference", "layer"), strict=True)
    }
    rest = -len(power) % RATE
    volts = np.full(len(power) + rest, 3.3)
    current = np.pad(noisy / 3.3, (0, rest), constant_values=0.01 / 3.3)
    padded = {name: np.pad(pin, (0, rest)) for name, pin in pins.items()}
    write_rld(tmp_path / "noisy.rld", volts, current, padded, RATE, low_range_a=0.002)
    found = segment(RldTrace(tmp_path / "noisy.rld"), 5)
    expected = np.array(samples[0]) * np.array(watts[0]) / RATE
    np.testing.assert_allclose(found.layer_energy_j.mean(axis=0), expected, rtol=0.005)
    assert found.mean_energy_j == pytest.approx(expected.sum(), rel=0.005)
    assert 0 < found.spread < 0.01 and (found.layer_spread > 0).all()


def test_inferences_that_the_recording_cuts_are_left_out() -> None:
    whole = recorded([[100, 200]] * 3, [[0.05, 0.04]] * 3)
    blocks = list(whole.blocks())
    parts = [
        np.concatenate([getattr(b, n) for b in blocks]) for n in ("power_w", "inference", "layer")
    ]
    power, inference, layer = (part[550:2_250] for part in parts)
    cut = ArrayTrace(np.ones(len(power)), power, inference, layer, RATE)
    assert inference[0] and inference[-1]
    found = segment(cut, 2)
    assert len(found.energy_j) == 1
    assert found.energy_j[0] == pytest.approx((100 * 0.05 + 200 * 0.04) / RATE)


def test_glitches_below_the_bound_are_no_edges() -> None:
    trace = recorded([[900, 900, 900]], [[0.05, 0.04, 0.03]])
    (voltage, current, inference, layer) = trace._arrays
    inference, layer = inference.copy(), layer.copy()
    layer[700:703] ^= True
    layer[2_500:2_502] ^= True
    inference[1_000:1_002] ^= True
    disturbed = ArrayTrace(voltage, current, inference, layer, RATE)
    with pytest.raises(TraceError, match="edges of the layer pin"):
        segment(disturbed, 3)
    found = segment(disturbed, 3, glitch_s=10 / RATE)
    np.testing.assert_allclose(found.layer_duration_s[0] * RATE, [900, 900, 900])


@pytest.mark.parametrize("steps", [1, 2, 4, 5])
def test_another_number_of_layers_names_the_sample(steps: int) -> None:
    trace = recorded([[100, 100, 100]] * 4, [[0.05, 0.04, 0.03]] * 4)
    with pytest.raises(TraceError, match=r"inference 0, samples 500 to 800, has 4 edges") as raised:
        segment(trace, steps)
    assert "glitch" in str(raised.value)


def test_a_lost_edge_shifts_nothing_silently() -> None:
    """Layers of no sample vanish with both of their edges; the others must not move up."""
    trace = recorded([[100, 0, 100, 100]] * 2, [[0.05, 0.04, 0.03, 0.02]] * 2)
    with pytest.raises(TraceError, match="shorter than a sample"):
        segment(trace, 4)


def test_clocks_are_compared() -> None:
    trace = recorded([[6_400]] * 10, [[0.05]] * 10)
    found = segment(trace, 1, inference_s=0.1 / 1.002)
    assert found.clock_ratio == pytest.approx(1.002)
    assert found.mean_energy_j == pytest.approx(0.005 / 1.002)
    with pytest.raises(TraceError, match=r"100 ms by the meter and 90 ms by the board"):
        segment(trace, 1, inference_s=0.09)


def test_no_inference_is_told() -> None:
    trace = recorded([], [], gap=1_000)
    with pytest.raises(TraceError, match="no whole inference in 1000 samples"):
        segment(trace, 3)
    with pytest.raises(TraceError, match="1 step or more"):
        segment(trace, 0)


def test_arrays_that_do_not_fit_are_told() -> None:
    pin = np.zeros(5, bool)
    with pytest.raises(TraceError, match="have shapes"):
        ArrayTrace(np.ones(5), np.ones(4), pin, pin, RATE)
    with pytest.raises(TraceError, match="no sample"):
        ArrayTrace(np.ones(0), np.ones(0), pin[:0], pin[:0], RATE)
    for rate in (0, -1, math.nan):
        with pytest.raises(TraceError, match="sample rate"):
            ArrayTrace(np.ones(5), np.ones(5), pin, pin, rate)
    with pytest.raises(TraceError, match="sample 3 is no finite number"):
        list(ArrayTrace(np.array([1, 1, 1, np.nan, 1]), np.ones(5), pin, pin, RATE).blocks())


# RocketLogger's files


@pytest.fixture
def rld(tmp_path: Path) -> Path:
    """Three seconds with an inference of three layers in each."""
    path = tmp_path / "three.rld"
    second = recorded([[9_000, 8_000, 7_000]], [[0.05, 0.04, 0.03]], gap=20_000)
    (block,) = second.blocks()
    arrays = [np.tile(a, 3) for a in (block.power_w, block.inference, block.layer)]
    power, inference, layer = arrays
    write_rld(
        path, np.full(len(power), 3.0), power / 3, {"DI1": inference, "DI2": layer}, RATE,
        low_range_a=0.004, comment="three seconds",
    )  # fmt: skip
    return path


def test_the_rocketlogger_package_reads_what_is_written(rld: Path) -> None:
    loaded = RocketLoggerData(str(rld))
    assert set(loaded.get_channel_names()) == {"DI1", "DI2", "V1", "I1L", "I1H", "I1L_valid"}
    assert loaded.get_header()["sample_rate"] == RATE and "three" in loaded.get_comment()
    loaded.merge_channels()
    power = loaded.get_data("V1")[:, 0] * loaded.get_data("I1")[:, 0]
    ours = np.concatenate([block.power_w for block in RldTrace(rld).blocks()])
    np.testing.assert_allclose(ours, power, rtol=1e-9)
    inference = np.concatenate([block.inference for block in RldTrace(rld).blocks()])
    np.testing.assert_array_equal(inference, loaded.get_data("DI1")[:, 0])


def test_a_recording_that_was_cut_off_is_used_as_far_as_it_goes(rld: Path) -> None:
    whole = segment(RldTrace(rld), 3)
    data = rld.read_bytes()
    rld.write_bytes(data[: len(data) - 100_000])
    with pytest.warns(TruncatedRecordingWarning, match="2 of 3 blocks"):
        trace = RldTrace(rld)
    found = segment(trace, 3)
    np.testing.assert_allclose(found.energy_j, whole.energy_j[:2])
    recovered = RocketLoggerData(str(rld), recovery=True)
    assert recovered.get_data("V1").shape[0] == trace.samples
    rld.write_bytes(data[:5_000])
    with pytest.raises(TraceError, match="ends before its first whole block"):
        RldTrace(rld)


@pytest.mark.parametrize("content", [b"", b"%RLD", b"RLD" * 50, bytes(200)])
def test_what_is_no_recording_is_told(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.rld").write_bytes(content)
    with pytest.raises(TraceError, match="is no RocketLogger file, or its header is damaged"):
        RldTrace(tmp_path / "x.rld")
    with pytest.raises(TraceError, match="there is no such file"):
        RldTrace(tmp_path / "none.rld")


def test_damaged_headers_are_read_or_refused(rld: Path) -> None:
    """Each byte of the header, with a few values."""
    data = bytearray(rld.read_bytes())
    for at in range(0, 300):
        for value in (0, 1, 0x7F, 0xFF):
            was, data[at] = data[at], value
            rld.write_bytes(data)
            data[at] = was
            try:
                trace = RldTrace(rld)
                segment(trace, 3)
            except TraceError:
                continue
            except TruncatedRecordingWarning:
                continue
            assert trace.samples > 0


@pytest.mark.filterwarnings("ignore::hwnas.energy.rld.TruncatedRecordingWarning")
def test_a_wrong_channel_lists_those_there_are(rld: Path) -> None:
    for wrong in (Channels(voltage="V3"), Channels(current="I2"), Channels(layer="DI6")):
        with pytest.raises(
            TraceError, match=r"has no \w+ channel .*DI1, DI2, I1L_valid, V1, I1L, I1H"
        ):
            RldTrace(rld, wrong)


def test_a_clock_that_jumps_names_the_sample(rld: Path) -> None:
    data = bytearray(rld.read_bytes())
    header = len(data) - 3 * (32 + RATE * 16)
    second = header + 2 * (32 + RATE * 16) + 16
    data[second : second + 8] = (9).to_bytes(8, "little")
    rld.write_bytes(data)
    with pytest.raises(TraceError, match=r"clock jumps by 8 s at sample 128000"):
        segment(RldTrace(rld), 3)


def test_a_saturated_range_names_the_sample(rld: Path, tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"reaches the range's end, 0.012 A, at sample 20000"):
        segment(RldTrace(rld, full_scale_a=0.012), 3)
    with pytest.raises(TraceError, match=r"I1L was out of its range at sample 20000, and no other"):
        segment(RldTrace(rld, Channels(current="I1L")), 3)


# CSV


def csv_file(path: Path, change: Any = None) -> Path:
    trace = recorded([[50, 40]] * 2, [[0.05, 0.04]] * 2, gap=30)
    (_, current, inference, layer) = trace._arrays
    lines = ["Timestamp(ms),Current(uA),D0,D1"]
    for i in range(trace.samples):
        lines.append(f"{i / 64:.6f},{current[i] * 1e6:.6f},{int(inference[i])},{int(layer[i])}")
    if change is not None:
        change(lines)
    path.write_text("\n".join(lines) + "\n")
    return path


PPK2 = CsvColumns(
    "Current(uA)",
    "D0",
    "D1",
    time="Timestamp(ms)",
    current_scale=1e-6,
    time_scale=1e-3,
    supply_v=3.0,
)


def test_columns_are_mapped(tmp_path: Path) -> None:
    trace: Trace = read_csv(csv_file(tmp_path / "ppk2.csv"), PPK2)
    assert trace.sample_rate_hz == pytest.approx(RATE, rel=1e-4)
    found = segment(trace, 2)
    assert found.mean_energy_j == pytest.approx((50 * 0.05 + 40 * 0.04) / RATE, rel=1e-3)
    by_rate = replace(PPK2, time=None, sample_rate_hz=float(RATE))
    assert segment(read_csv(tmp_path / "ppk2.csv", by_rate), 2).mean_energy_j == pytest.approx(
        found.mean_energy_j, rel=1e-4
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda lines: lines.__setitem__(0, "a,b,c,d"), "has no column 'Current"),
        (lambda lines: lines.__setitem__(40, "x,y,z,w"), "line|convert|could not"),
        (lambda lines: lines.__setitem__(40, "1"), "line|column"),
        (lambda lines: lines.__delitem__(slice(40, 90)), "clock jumps at sample 39"),
        (lambda lines: lines.__delitem__(slice(1, None)), "no sample|no data|times do not"),
        (lambda lines: lines.__delitem__(slice(0, None)), "has no column|no sample"),
    ],
)
@pytest.mark.filterwarnings("ignore:loadtxt:UserWarning")
def test_wrong_files_are_told(change: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=words):
        read_csv(csv_file(tmp_path / "x.csv", change), PPK2)


def test_what_is_not_said_of_a_file_is_asked_for(tmp_path: Path) -> None:
    path = csv_file(tmp_path / "x.csv")
    with pytest.raises(TraceError, match="a column of times, or the sample rate"):
        read_csv(path, replace(PPK2, time=None))
    with pytest.raises(TraceError, match="a column of voltages, or the supply's voltage"):
        read_csv(path, replace(PPK2, supply_v=None))
    with pytest.raises(TraceError, match="there is no such file"):
        read_csv(tmp_path / "none.csv", PPK2)
