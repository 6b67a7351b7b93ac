"""The checks of a new or repaired board: ``docs/bring-up.md`` as a program.

They need nothing but the serial protocol, so they run on silicon, in QEMU and on the virtual board
alike; what an emulator lacks (a cycle counter) is skipped and said.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from hwnas.device.client import BoardClient
from hwnas.device.clock import check_clock
from hwnas.device.identity import check_identity
from hwnas.device.protocol import STATUS_BYTES, ResetCause
from hwnas.errors import BoardMismatchError, BoardProtocolError, HwnasError, PlanError
from hwnas.firmware import FirmwareManifest
from hwnas.kernel_cases import KERNEL_CASES, KernelCase, kernel_plan, run_kernel
from hwnas.network import DType, relu

ALLOWED_SPREAD: Final = 0.001
"""Of the same run, repeated: (slowest - fastest) / median. No interrupt is on while it counts."""
_REPEATS: Final = 20
_MARKER_RUNS: Final = 200


class CheckState(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """A check that ran.

    Attributes:
        name: What was checked.
        state: How it ended.
        detail: What was found.
    """

    name: str
    state: CheckState
    detail: str


def run_selftest(
    client: BoardClient, manifest: FirmwareManifest, *, host_clock: bool
) -> Iterator[Check]:
    """Run all checks, one after the other.

    Args:
        client: Of the board; the board is reset once.
        manifest: Of the image that should run on it.
        host_clock: Whether the board's clock runs in this machine's time, as silicon's does.

    Yields:
        Each check as it ends; a failed one does not end the others.
    """
    checks: list[tuple[str, Callable[[], str]]] = [
        ("banner", lambda: _banner(client)),
        ("identity", lambda: _identity(client, manifest)),
        ("clock", lambda: _clock(client, manifest, host_clock)),
        ("echo", lambda: _echo(client)),
        ("arena limits", lambda: _arena_limits(client, manifest)),
        *(
            (f"kernel {case.describe()}", _kernel_check(client, case, manifest))
            for case in KERNEL_CASES
        ),
        ("repeatability", lambda: _repeatability(client)),
        ("markers", lambda: _markers(client)),
    ]
    for name, check in checks:
        try:
            detail = check()
        except _Skip as skip:
            yield Check(name, CheckState.SKIPPED, str(skip))
        except HwnasError as error:
            yield Check(name, CheckState.FAILED, f"{type(error).__name__}: {error}")
        else:
            yield Check(name, CheckState.PASSED, detail)


class _Skip(Exception):
    """What is checked is not there to be checked."""


def _banner(client: BoardClient) -> str:
    info = client.reset()
    if info.reset_cause & ResetCause.WATCHDOG:
        raise BoardProtocolError(
            f"after a reset by request it tells: {info.reset_cause.describe()}"
        )
    return f"{info.board} answers after a reset; its cause: {info.reset_cause.describe()}"


def _identity(client: BoardClient, manifest: FirmwareManifest) -> str:
    info = client.hello()
    check_identity(info, manifest)
    if info.image_sha256 != manifest.image_sha256:
        raise BoardMismatchError(
            f"its image is {info.image_sha256[:12]}..., not {manifest.image_sha256[:12]}...: the "
            "measured code is the same, so its times hold; flash it for the rest"
        )
    return f"image {info.image_sha256[:12]}, pool {info.pool_sha256[:12]}"


def _clock(client: BoardClient, manifest: FirmwareManifest, host_clock: bool) -> str:
    if not client.hello().counts_cycles:
        raise _Skip("the cycle counter stands still: no time of this board means anything")
    if not host_clock:
        raise _Skip("the virtual board's clock does not run in this machine's time")
    found = check_clock(client, manifest.clock_hz)
    return (
        f"{found.hz / 1e6:.3f} MHz (measured, +- {found.uncertainty_hz / 1e6:.3f}) of "
        f"{manifest.clock_hz / 1e6:g}"
    )


def _echo(client: BoardClient) -> str:
    longest = client.hello().max_body_bytes - STATUS_BYTES
    for size in (0, 1, 253, 254, 255, longest):
        client.echo((bytes(range(256)) * (size // 256 + 1))[:size])
        client.echo(bytes(size))
    return f"0 to {longest} bytes of all values came back"


def _arena_limits(client: BoardClient, manifest: FirmwareManifest) -> str:
    """A plan that fills the workspace to the last byte runs, a larger one is refused."""
    plan, _ = kernel_plan(relu((1, 1, 1)))
    workspace = client.hello().workspace_bytes
    if workspace != manifest.workspace_bytes:
        raise BoardMismatchError(
            f"a workspace of {workspace} bytes, not {manifest.workspace_bytes}"
        )
    room = (workspace - len(plan.data)) // 16 * 16
    client.load(_with_arena(plan.data, room))
    client.run(step_count=1, per_layer=False)
    try:
        client.load(_with_arena(plan.data, room + 16))
    except PlanError:
        return f"an arena of {room} bytes runs, {room + 16} are refused"
    raise BoardProtocolError(f"an arena of {room + 16} bytes beside the plan was accepted")


def _with_arena(plan: bytes, arena_bytes: int) -> bytes:
    """The plan with another size of the arena, which the header's CRC does not cover."""
    at = 16
    return plan[:at] + arena_bytes.to_bytes(4, "little") + plan[at + 4 :]


def _kernel_check(
    client: BoardClient, case: KernelCase, manifest: FirmwareManifest
) -> Callable[[], str]:
    def check() -> str:
        if case.layer.dtype is DType.FLOAT32 and "-Ofast" in manifest.compiler_flags:
            raise _Skip("with -Ofast the last bits of floats are the compiler's to choose")
        for name in case.kernel_sets:
            output = run_kernel(client, case.layer, name)
            if not case.accepts(output):
                raise BoardProtocolError(
                    f"{name}: its output has CRC-32 {zlib.crc32(output):#010x}, not "
                    f"{case.crc32:#010x}"
                )
        return f"as expected ({', '.join(case.kernel_sets)})"

    return check


def _repeatability(client: BoardClient) -> str:
    if not client.hello().counts_cycles:
        raise _Skip("the cycle counter stands still")
    plan, _ = kernel_plan(KERNEL_CASES[0].layer)
    client.load(plan.data)
    cycles = client.run(repeats=_REPEATS, per_layer=False, step_count=1).total_cycles
    spread = float((cycles.max() - cycles.min()) / np.median(cycles))
    if spread > ALLOWED_SPREAD:
        raise BoardProtocolError(
            f"{_REPEATS} equal runs took {cycles.min()} to {cycles.max()} cycles: something "
            "interrupts the kernels, or a memory's timing wanders"
        )
    return f"{_REPEATS} equal runs: {cycles.min()} to {cycles.max()} cycles"


def _markers(client: BoardClient) -> str:
    plan, _ = kernel_plan(KERNEL_CASES[0].layer)
    client.load(plan.data)
    client.run(warmup=0, repeats=_MARKER_RUNS, per_layer=False, step_count=1, markers=True)
    return f"{_MARKER_RUNS} pulses on the inference pin, as many on the layer pin: look at them"
