"""Boards behind a serial port: opened, checked, measured. The far end is a virtual board."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import hwnas
from wire import WiredBoard

from hwnas.backend import SILICON, Repeats
from hwnas.boards import load_board
from hwnas.device.attach import Connection, attach
from hwnas.device.clock import ClockReading, check_clock
from hwnas.errors import BoardError, BoardMismatchError, BoardTimeoutError
from hwnas.evaluator import Evaluator
from hwnas.firmware import find_image
from hwnas.network import dense
from hwnas.opening import open_backend, virtual_client
from hwnas.target import Provenance
from hwnas.virtual import VirtualBoard

BOARD = load_board("nucleo_l496zg")
IMAGE = find_image(BOARD)
HZ = BOARD.core.clock_hz


@pytest.fixture(scope="module")
def wired() -> Iterator[WiredBoard]:
    with WiredBoard(virtual_client(BOARD, IMAGE).transport, HZ) as board:
        yield board


def never() -> dict[int, bytes]:
    pytest.fail("nothing is to be flashed")


def test_a_board_that_is_what_it_should_be_is_not_flashed(wired: WiredBoard) -> None:
    with attach(BOARD, Connection(wired.port, "any probe"), IMAGE.manifest, never) as client:
        assert client.hello().board == BOARD.name
        reading = check_clock(client, HZ)
        assert reading.agrees(HZ)
        assert reading.hz == pytest.approx(HZ, rel=0.02, abs=reading.uncertainty_hz)


def test_what_is_measured_there_is_filed_as_measured(wired: WiredBoard) -> None:
    with open_backend(BOARD.name, port=wired.port) as physical, open_backend(BOARD.name) as copy:
        assert physical.target.provenance is Provenance.MEASURED
        assert physical.target.timing_model == ""
        assert set(physical.target.differences(copy.target)) == {"provenance", "timing_model"}
        (there,), (here,) = (list(b.measure_layers([dense((64,), 8)])) for b in (physical, copy))
        assert there.cycles_median == here.cycles_median
        assert (there.n, here.n) == (SILICON.least, 1)
        assert there.provenance is Provenance.MEASURED


@pytest.mark.parametrize("factor", [0.25, 0.5, 2, 4])
def test_a_wrong_clock_is_refused(factor: float) -> None:
    with (
        WiredBoard(virtual_client(BOARD, IMAGE).transport, HZ * factor) as board,
        pytest.raises(BoardMismatchError, match="its file says 80 MHz"),
    ):
        attach(BOARD, Connection(board.port), IMAGE.manifest, never)


def test_a_counter_that_stands_still_is_refused() -> None:
    still = VirtualBoard(replace(BOARD, timing=None), IMAGE.elf, virtual_flash())
    with (
        WiredBoard(still, HZ) as board,
        pytest.raises(BoardMismatchError, match="stands still"),
    ):
        attach(BOARD, Connection(board.port), IMAGE.manifest, never)


def virtual_flash() -> dict[int, bytes]:
    from hwnas.firmware import pool_contents

    return pool_contents(IMAGE.manifest)


def test_another_image_is_told_and_how_to_write_the_right_one(wired: WiredBoard) -> None:
    other = replace(IMAGE.manifest, measured_code_sha256="0" * 64)
    with pytest.raises(BoardMismatchError, match=r"hwnas flash --board nucleo_l496zg"):
        attach(BOARD, Connection(wired.port), other, never)


def test_another_image_is_overwritten_only_through_a_probe(wired: WiredBoard) -> None:
    pytest.importorskip("pyocd")
    other = replace(IMAGE.manifest, pool_sha256="0" * 64)
    asked = []
    with pytest.raises(BoardError, match="no debug probe is plugged in"):
        attach(
            BOARD,
            Connection(wired.port, "066DFF"),
            other,
            lambda: asked.append("contents") or {},
            progress=asked.append,
        )
    assert asked == ["flashing nucleo_l496zg through probe 066DFF", "contents"]


def test_a_silent_port_is_told(wired: WiredBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.setattr("hwnas.device.attach.READY_TIMEOUT_S", 0.1)
    far, near = os.openpty()
    with pytest.raises(BoardTimeoutError, match="hwnas flash --board nucleo_l496zg"):
        attach(BOARD, Connection(os.ttyname(near)), IMAGE.manifest, never)
    os.close(far)
    os.close(near)


def test_repeats_end_when_the_spread_is_small_or_the_limit_reached() -> None:
    repeats = Repeats(least=3, most=6, spread=0.01)
    assert repeats.suffices(np.array([1000, 1005, 1010]))
    assert not repeats.suffices(np.array([1000, 1005, 1011]))
    assert repeats.suffices(np.array([1000, 1, 2, 3, 4, 5]))
    assert Repeats().suffices(np.array([7]))


def test_a_reading_is_judged_with_its_uncertainty() -> None:
    assert ClockReading(77.7e6, 0).agrees(80_000_000)
    assert not ClockReading(77.5e6, 0).agrees(80_000_000)
    assert ClockReading(77.5e6, 0.2e6).agrees(80_000_000)


def test_the_evaluator_takes_a_port(wired: WiredBoard) -> None:
    with Evaluator.for_board(BOARD.name, port=wired.port) as evaluator:
        assert evaluator.backend.target.provenance is Provenance.MEASURED


def test_the_command_line_measures_and_tests_what_is_behind_a_port(
    wired: WiredBoard, tmp_path: Path
) -> None:
    model = tmp_path / "model.json"
    model.write_text(
        '{"version":1,"dtype":"int8","input_shape":[4],"nodes":[{"layer":{"operator":"dense",'
        '"input_shapes":[[4]],"output_shape":[2]},"inputs":[0]}]}'
    )
    there = ["--board", BOARD.name, "--port", wired.port, "--json"]
    measured = hwnas("measure", str(model), *there, cwd=tmp_path)
    assert measured.returncode == 0, measured.stderr
    cost = json.loads(measured.stdout)
    assert cost["provenance"]["latency_ms"] == "measured"
    tested = hwnas("selftest", *there, cwd=tmp_path)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    checks = {c["name"]: c for c in json.loads(tested.stdout)["checks"]}
    assert checks["clock"]["state"] == "passed" and "(measured" in checks["clock"]["detail"]


def test_a_port_that_is_not_there_is_one_clear_paragraph(tmp_path: Path) -> None:
    done = hwnas("selftest", "--board", BOARD.name, "--port", "/dev/ttyNONE", cwd=tmp_path)
    assert done.returncode == 2
    assert "no such port" in done.stderr and "Traceback" not in done.stderr
