"""A RocketLogger on the network, over SSH, as the paper does it (its section 3.3).

Its own command line records into a file on the logger, which is then fetched. Not yet run on a
RocketLogger: tests have another program in the place of ``ssh``.
"""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from hwnas.energy.meters._base import Meter, MeterSettings
from hwnas.energy.rld import RldTrace
from hwnas.energy.trace import Trace
from hwnas.errors import MeterError

RATES: Final = (1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000)
"""Its converters' own rates (``rl_config_validate`` in RocketLogger's sources)."""
_TIMEOUT_S: Final = 60.0
_REMOTE: Final = "/tmp/hwnas.rld"
_SETTLE_S: Final = 1.5
"""It writes blocks of a second, and leaves out the last one unless it is whole."""


class RocketLogger(Meter):
    """A RocketLogger.

    Args:
        host: As ``ssh`` takes it, with or without a user; keys must be set up.
        ssh: The program that runs commands there.

    Example:
        >>> meter = RocketLogger("rocketlogger@logger.local")
    """

    def __init__(self, host: str, *, ssh: str = "ssh") -> None:
        super().__init__()
        if not host or host.startswith("-"):
            raise MeterError(f"rocketlogger://{host}: name the host")
        self._host = host
        self._ssh = ssh
        self._place: tempfile.TemporaryDirectory[str] | None = None

    @property
    def settle_s(self) -> float:
        """See :class:`Meter`."""
        return _SETTLE_S

    def _open(self) -> None:
        self._remote("rocketlogger", "--version")
        self._place = tempfile.TemporaryDirectory(prefix="hwnas-rocketlogger-")

    def _configure(self, settings: MeterSettings) -> None:
        if settings.sample_rate_hz not in RATES:
            raise MeterError(
                f"a RocketLogger samples at {', '.join(map(str, RATES))} Hz, not at "
                f"{settings.sample_rate_hz}"
            )

    def _start(self) -> None:
        channels = self.settings.channels
        recorded = (channels.voltage, f"{channels.current}L", f"{channels.current}H")
        self._remote(
            "rocketlogger", "start", "--background", f"--rate={self.settings.sample_rate_hz}",
            "--update=1", f"--channel={','.join(recorded)}", "--digital=true", "--web=false",
            f"--output={_REMOTE}", "--format=rld", "--size=0",
        )  # fmt: skip

    def _stop(self) -> None:
        self._remote("rocketlogger", "stop")

    def _read(self) -> Trace:
        assert self._place is not None
        local = Path(self._place.name, "recording.rld")
        local.write_bytes(self._remote("cat", _REMOTE))
        return RldTrace(local, self.settings.channels)

    def _close(self) -> None:
        try:
            self._remote("rocketlogger", "stop", check=False)
        finally:
            if self._place is not None:
                self._place.cleanup()

    def _remote(self, *words: str, check: bool = True) -> bytes:
        """What a command there writes."""
        command = [self._ssh, "-o", "BatchMode=yes", self._host, shlex.join(words)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S)
        except (OSError, subprocess.SubprocessError) as error:
            raise MeterError(f"rocketlogger://{self._host}: {error}") from error
        if check and done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip() or f"code {done.returncode}"
            raise MeterError(
                f"rocketlogger://{self._host}: {words[0]} {words[1] if len(words) > 1 else ''} "
                f"failed ({said}); what was recorded is in {_REMOTE} there"
            )
        return done.stdout
