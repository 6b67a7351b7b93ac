"""Talking to boards: frames, messages and the client.

The serial transport is imported by its own name, :mod:`hwnas.device.serial`, so that virtual
boards need no serial library.
"""

from __future__ import annotations

from hwnas.device.client import BoardClient, RunResult
from hwnas.device.identity import check_identity
from hwnas.device.protocol import BoardInfo
from hwnas.device.transport import Transport

__all__ = ["BoardClient", "BoardInfo", "RunResult", "Transport", "check_identity"]
