"""Whether a board is the one that its numbers will be filed under."""

from __future__ import annotations

from typing import Protocol

from hwnas.device.protocol import BoardInfo
from hwnas.errors import BoardMismatchError


class ExpectedIdentity(Protocol):
    """What a firmware manifest says about the board that runs the image."""

    @property
    def board(self) -> str:
        """Name of the board."""

    @property
    def clock_hz(self) -> int:
        """Core clock, in hertz."""

    @property
    def measured_code_sha256(self) -> str:
        """Hash of kernels, executor and timer, in hexadecimal."""

    @property
    def pool_sha256(self) -> str:
        """Hash of the synthetic parameter pool, or of the model in its place, in hexadecimal."""


def check_identity(info: BoardInfo, expected: ExpectedIdentity) -> None:
    """Raises unless a board is the expected one, so that no number gets a wrong label.

    Args:
        info: What the board says about itself.
        expected: The manifest of the image that should run on it.

    Raises:
        BoardMismatchError: Something differs; the message names everything that does.

    Example:
        >>> check_identity(client.hello(), image.manifest)  # doctest: +SKIP
    """
    differences = []
    if info.board != expected.board:
        differences.append(f"its name is {info.board}, not {expected.board}")
    if info.clock_hz != expected.clock_hz:
        differences.append(f"its clock_hz is {info.clock_hz}, not {expected.clock_hz}")
    for what, found, wanted in (
        ("measured_code_sha256", info.measured_code_sha256, expected.measured_code_sha256),
        ("pool_sha256", info.pool_sha256, expected.pool_sha256),
    ):
        if found != wanted.lower():
            differences.append(f"its {what} is {found[:12]}..., not {wanted[:12]}...")
    if differences:
        raise BoardMismatchError(
            f"the board is not the expected one: {'; '.join(differences)}. "
            "Write the matching firmware image and pool to it, or choose the right board"
        )
