"""The conformance suite on every virtual chip and on QEMU's machines: one suite, all boards."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import ClassVar

import pytest
from qemu import MACHINES, Qemu, needs_qemu

from hwnas.boards import list_boards, load_board
from hwnas.device import BoardClient
from hwnas.firmware import FirmwareManifest, find_image
from hwnas.kernel_cases import KERNEL_CASES, run_kernel
from hwnas.opening import virtual_client
from hwnas.selftest import CheckState, run_selftest
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
    machine: ClassVar[Qemu]

    @pytest.fixture(scope="class", autouse=True)
    def run_machine(self) -> Iterator[None]:
        with Qemu(find_image(self.board), pool=True) as running:
            type(self).machine = running
            yield

    def open_client(self) -> BoardClient:
        return self.machine.connect()


def suite(base: type[OnTheVirtualBoard], board: str) -> type[OnTheVirtualBoard]:
    return type(f"Test{base.__name__}_{board}", (base,), {"board": board, "__module__": __name__})


for _name in VIRTUAL:
    _made = suite(OnTheVirtualBoard, _name)
    globals()[_made.__name__] = _made
for _name in MACHINES:
    _made = needs_qemu(suite(InQemu, _name))
    globals()[_made.__name__] = _made


def test_the_suite_runs_on_all_boards() -> None:
    assert {*VIRTUAL, *MACHINES} == set(list_boards())
    assert "TestOnTheVirtualBoard_nucleo_l496zg" in globals()


def test_a_wrong_output_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The self-test and the suite notice a kernel that computes something else."""
    board = globals()["TestOnTheVirtualBoard_nucleo_l496zg"]()
    wrong = lambda *given: run_kernel(*given)[::-1]  # noqa: E731
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
