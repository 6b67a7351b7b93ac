"""The conformance suite on every virtual chip and on QEMU's machines: one suite, all boards."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from qemu import MACHINES, Qemu, available

from hwnas.backend import virtual_client
from hwnas.boards import list_boards, load_board
from hwnas.device import BoardClient
from hwnas.device.serial import SerialTransport
from hwnas.firmware import FirmwareManifest, find_image, pool_contents
from hwnas.selftest import KERNEL_CASES, CheckState, run_kernel, run_selftest
from hwnas.testing import BoardConformance
from hwnas.virtual.chips import CHIPS

VIRTUAL = [name for name in list_boards() if load_board(name).chip.family in CHIPS]


class OnTheVirtualBoard(BoardConformance):
    board: ClassVar[str]

    @property
    def manifest(self) -> FirmwareManifest:
        return find_image(self.board).manifest

    def open_client(self) -> BoardClient:
        return virtual_client(load_board(self.board), find_image(self.board))


class InQemu(OnTheVirtualBoard):
    host_clock = True
    port: ClassVar[str]

    @pytest.fixture(scope="class", autouse=True)
    def machine(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        data: dict[int, Path] = {}
        for address, content in pool_contents(find_image(self.board).manifest).items():
            data[address] = tmp_path_factory.mktemp("pool") / "pool.bin"
            data[address].write_bytes(content)
        with Qemu(find_image(self.board).elf, self.board, data) as running:
            type(self).port = running.port
            yield

    def open_client(self) -> BoardClient:
        client = BoardClient(SerialTransport(self.port))
        client.wait_ready(timeout_s=30)
        return client


def suite(base: type[OnTheVirtualBoard], board: str) -> type[OnTheVirtualBoard]:
    return type(f"Test{base.__name__}_{board}", (base,), {"board": board, "__module__": __name__})


for _name in VIRTUAL:
    _made = suite(OnTheVirtualBoard, _name)
    globals()[_made.__name__] = _made
for _name in MACHINES:
    _made = pytest.mark.skipif(not available(), reason="qemu-system-arm is not installed")(
        suite(InQemu, _name)
    )
    globals()[_made.__name__] = _made


def test_the_suite_runs_on_all_boards() -> None:
    assert {*VIRTUAL, *MACHINES} == set(list_boards())
    assert "TestOnTheVirtualBoard_nucleo_l496zg" in globals()


def test_a_wrong_output_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The self-test and the suite notice a kernel that computes something else."""
    board = globals()["TestOnTheVirtualBoard_nucleo_l496zg"]()
    wrong = lambda client, layer: run_kernel(client, layer)[::-1]  # noqa: E731
    monkeypatch.setattr("hwnas.selftest.run_kernel", wrong)
    monkeypatch.setattr("hwnas.testing._conformance.run_kernel", wrong)
    with pytest.raises(AssertionError, match="conv2d"):
        board.test_every_kernel_computes_what_it_must()
    with board.open_client() as client:
        checks = list(run_selftest(client, board.manifest, host_clock=False))
    failed = [check for check in checks if check.state is CheckState.FAILED]
    assert len(failed) == len(KERNEL_CASES)
    assert all("CRC-32" in check.detail for check in failed)


def test_the_outputs_tell_kernels_apart() -> None:
    with virtual_client(load_board(VIRTUAL[0]), find_image(VIRTUAL[0])) as client:
        outputs = [run_kernel(client, case.layer) for case in KERNEL_CASES]
    assert len({zlib.crc32(output) for output in outputs}) == len(KERNEL_CASES)
    assert all(len(set(output)) > 3 for output in outputs)
