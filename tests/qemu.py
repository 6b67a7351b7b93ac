"""Starts a machine of QEMU's with its serial line on a pseudo-terminal."""

from __future__ import annotations

import re
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

import pytest

from hwnas.device import BoardClient
from hwnas.device.serial import SerialTransport
from hwnas.firmware import FirmwareImage, model_contents, pool_contents
from hwnas.plan import ModelImage

MACHINES = {"mps2_an386": "mps2-an386", "mps2_an500": "mps2-an500"}
"""QEMU's names by the boards'."""
START_TIMEOUT_S = 30.0
needs_qemu = pytest.mark.skipif(
    shutil.which("qemu-system-arm") is None, reason="qemu-system-arm is not installed"
)


class Qemu:
    """A running machine; ``port`` is the name of its serial port."""

    def __init__(
        self, image: FirmwareImage, *, pool: bool = False, model: ModelImage | None = None
    ) -> None:
        """``pool`` loads the synthetic parameters beside the image, ``model`` a model."""
        beside = pool_contents(image.manifest) if pool else {}
        if model is not None:
            beside = model_contents(image.manifest, model)
        self._folder = tempfile.TemporaryDirectory()
        loaders = []
        for address, content in beside.items():
            file = Path(self._folder.name, f"{address:x}.bin")
            file.write_bytes(content)
            loaders += ["-device", f"loader,file={file},addr={address:#x},force-raw=on"]
        self._process = subprocess.Popen(
            ["qemu-system-arm", "-M", MACHINES[image.manifest.board], "-kernel", str(image.elf),
             *loaders, "-nographic", "-serial", "pty", "-monitor", "none"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            self.port = self._find_port()
        except BaseException:
            self.kill()
            raise

    def connect(self) -> BoardClient:
        """A client, once the firmware has booted."""
        client = BoardClient(SerialTransport(self.port))
        client.wait_ready(timeout_s=START_TIMEOUT_S)
        return client

    def _find_port(self) -> str:
        assert self._process.stdout is not None
        stream = self._process.stdout
        said = b""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            ready, _, _ = select.select([stream], [], [], 0.5)
            if ready:
                new = stream.read1()
                if not new:
                    break
                said += new
            found = re.search(rb"redirected to (/dev/\S+) ", said)
            if found:
                return found[1].decode()
        raise RuntimeError(f"QEMU named no serial port: {said.decode(errors='replace')!r}")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
