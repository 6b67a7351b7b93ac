"""RocketLogger's files: read block by block, and written as a RocketLogger would.

Headers are read by the ``rocketlogger`` package. Its reader holds every channel of all samples in
memory, a gigabyte an hour and channel; samples are therefore mapped here, with its block layout.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hwnas.energy.trace import Block, Trace
from hwnas.errors import HwnasError, TraceError
from hwnas.target import Provenance

_BINARY_UNITS: Final = frozenset({"binary", "data valid (binary)"})
_STUFF: Final = 4
"""Binary channels take whole words of so many bytes."""
_CLOCKS: Final = ("realtime", "monotonic")
_MAPPED_BLOCKS: Final = 32
_LARGEST_JUMP: Final = 0.02
"""Of a block's time stamp against the sample rate, in blocks."""
_MAGIC: Final = 0x444C5225
_VERSION: Final = 4
_UNITS: Final = MappingProxyType({"voltage": 1, "current": 2, "binary": 3, "valid": 4})
_UNLINKED: Final = 65535


class TruncatedRecordingWarning(UserWarning):
    """A recording ends in the middle; what there is of it is used."""


@dataclass(frozen=True, slots=True)
class Channels:
    """Which channels of a RocketLogger hold what.

    Attributes:
        voltage: Of the supply.
        current: Of the supply, without the ending L or H of its two ranges.
        inference: The digital input at the inference pin.
        layer: The digital input at the layer pin.
    """

    voltage: str = "V1"
    current: str = "I1"
    inference: str = "DI1"
    layer: str = "DI2"


class RldTrace(Trace):
    """A RocketLogger's recording, memory-mapped.

    A current that was measured in two ranges is taken from the low one where that was valid, as
    ``merge_channels`` of the ``rocketlogger`` package does. Of a recording that was cut off, the
    whole blocks are used, with a :class:`TruncatedRecordingWarning`.

    Args:
        path: The ``.rld`` file.
        channels: What is on which channel.
        full_scale_a: Current at which the range ends, in amperes: a sample that reaches it is an
            error; ``None`` where it is not known.
        provenance: How it was obtained.

    Raises:
        TraceError: The file is missing, damaged or empty, or lacks a channel; the message lists
            those that it has.
        HwnasError: The ``rocketlogger`` package is not installed.

    Example:
        >>> segment(RldTrace("lenet.rld"), steps=9).mean_energy_j  # doctest: +SKIP
    """

    def __init__(
        self,
        path: Path | str,
        channels: Channels | None = None,
        *,
        full_scale_a: float | None = None,
        provenance: Provenance = Provenance.MEASURED,
    ) -> None:
        self._path = Path(path)
        header = _header(self._path)
        self._channels = channels or Channels()
        self._full_scale_a = full_scale_a
        self._block_size = int(header["data_block_size"])
        self._known = {
            channel["name"]: (i, channel) for i, channel in enumerate(header["channels"])
        }
        self._dtype = _block_dtype(header)
        self._offset = int(header["header_length"])
        blocks = _whole_blocks(self._path, header, self._offset, self._dtype.itemsize)
        super().__init__(
            float(header["sample_rate"]), blocks * self._block_size, provenance, str(path)
        )
        self._ranges = self._current_ranges()
        self._channel(self._channels.voltage)
        for pin in (self._channels.inference, self._channels.layer):
            self._channel(pin, binary=True)

    def blocks(self) -> Iterator[Block]:
        """See :class:`Trace`."""
        before: float | None = None
        expected = self._block_size / self.sample_rate_hz
        for number, block in enumerate(self._mapped()):
            now = float(block["monotonic_s"]) + float(block["monotonic_ns"]) * 1e-9
            if before is not None and abs(now - before - expected) > _LARGEST_JUMP * expected:
                raise TraceError(
                    f"{self.source}: its clock jumps by {now - before:.4g} s at sample "
                    f"{number * self._block_size}, where {expected:.4g} s should pass: samples "
                    "are missing"
                )
            before = now
            data = block["data"]
            voltage = self._analog(data, self._channels.voltage)
            current = self._current(data, number * self._block_size)
            yield Block(
                voltage * current,
                self._binary(data, self._channels.inference),
                self._binary(data, self._channels.layer),
            )

    def _mapped(self) -> Iterator[Any]:
        """The file's blocks. A few are mapped at a time, for pages stay as long as their map."""
        count = self.samples // self._block_size
        for first in range(0, count, _MAPPED_BLOCKS):
            yield from np.memmap(
                self._path,
                self._dtype,
                mode="r",
                offset=self._offset + first * self._dtype.itemsize,
                shape=(min(_MAPPED_BLOCKS, count - first),),
            )

    def _current_ranges(self) -> tuple[str, ...]:
        """The channel, or its low and high range."""
        name = self._channels.current
        both = tuple(f"{name}{ending}" for ending in "LH" if f"{name}{ending}" in self._known)
        if name in self._known or not both:
            self._channel(name)
            return (name,)
        return both

    def _current(self, data: Any, first: int) -> NDArray[np.float64]:
        low = self._ranges[0]
        values = self._analog(data, low)
        valid = self._valid(data, low)
        if len(self._ranges) > 1:
            values = np.where(valid, values, self._analog(data, self._ranges[1]))
        elif not valid.all():
            at = first + int(np.flatnonzero(~valid)[0])
            raise TraceError(
                f"{self.source}: {low} was out of its range at sample {at}, and no other range was "
                "recorded: record both"
            )
        limit = self._full_scale_a
        if limit is not None and (beyond := np.abs(values) >= limit).any():
            at = first + int(np.flatnonzero(beyond)[0])
            raise TraceError(
                f"{self.source}: the current reaches the range's end, {limit:g} A, at sample {at}"
            )
        return values

    def _valid(self, data: Any, name: str) -> NDArray[np.bool_]:
        """Where a channel's range held; everywhere where that was not recorded."""
        link = int(self._known[name][1]["valid_link"])
        names = list(self._known)
        if link >= len(names):
            return np.ones(self._block_size, bool)
        return self._binary(data, names[link])

    def _analog(self, data: Any, name: str) -> NDArray[np.float64]:
        scale = float(10.0 ** int(self._channel(name)["scale"]))
        values: NDArray[np.float64] = data[name].astype(np.float64) * scale
        return values

    def _binary(self, data: Any, name: str) -> NDArray[np.bool_]:
        self._channel(name, binary=True)
        bit = self._known[name][0]
        values: NDArray[np.bool_] = (data["bin"] >> np.uint32(bit) & np.uint32(1)).astype(bool)
        return values

    def _channel(self, name: str, *, binary: bool = False) -> Mapping[str, Any]:
        known = self._known.get(name)
        if known is None or _is_binary(known[1]) != binary:
            kind = "digital" if binary else "analog"
            raise TraceError(
                f"{self.source}: has no {kind} channel {name}; it has "
                f"{', '.join(self._known) or 'none'}"
            )
        found: Mapping[str, Any] = known[1]
        return found


def _header(path: Path) -> dict[str, Any]:
    try:
        from rocketlogger.data import RocketLoggerData
    except ImportError as error:
        raise HwnasError(
            f"RocketLogger's files need the package rocketlogger ({error}): "
            "pip install 'hwnas[energy]'"
        ) from error
    try:
        with warnings.catch_warnings():
            # It warns of what it would leave out; here it is said below.
            warnings.simplefilter("ignore")
            loaded = RocketLoggerData(str(path), header_only=True, join_files=False)
        # get_header() leaves out the header's length and the channels.
        header: dict[str, Any] = loaded._header
    except FileNotFoundError as error:
        raise TraceError(f"recording {path}: there is no such file") from error
    # The package raises whatever damaged bytes lead to.
    except Exception as error:
        raise TraceError(
            f"recording {path}: is no RocketLogger file, or its header is damaged ({error})"
        ) from error
    _check_header(path, header)
    return header


def _check_header(path: Path, header: dict[str, Any]) -> None:
    sizes = {channel["data_size"] for channel in header["channels"] if not _is_binary(channel)}
    binary = [channel for channel in header["channels"] if _is_binary(channel)]
    if (
        not sizes <= {1, 2, 4, 8}
        or len(binary) > 8 * _STUFF
        or not 0 < header["data_block_size"] <= 1 << 20
        or not header["sample_rate"] > 0
        or any(not -30 <= channel["scale"] <= 30 for channel in header["channels"])
        or len({channel["name"] for channel in header["channels"]}) < len(header["channels"])
    ):
        raise TraceError(f"recording {path}: its header makes no sense")


def _is_binary(channel: Mapping[str, Any]) -> bool:
    return channel["unit"] in _BINARY_UNITS


def _block_dtype(header: Mapping[str, Any]) -> np.dtype[Any]:
    fields = [("bin", "<u4")] if any(map(_is_binary, header["channels"])) else []
    fields += [
        (channel["name"], f"<i{channel['data_size']}")
        for channel in header["channels"]
        if not _is_binary(channel)
    ]
    stamps = [
        (f"{clock}_{part}", "<i8") for clock in ("realtime", "monotonic") for part in ("s", "ns")
    ]
    return np.dtype([*stamps, ("data", np.dtype(fields), (int(header["data_block_size"]),))])


def _whole_blocks(path: Path, header: Mapping[str, Any], offset: int, block_bytes: int) -> int:
    there = max(path.stat().st_size - offset, 0) // block_bytes
    said = int(header["data_block_count"])
    if there < said:
        if not there:
            raise TraceError(f"recording {path}: ends before its first whole block")
        warnings.warn(
            f"recording {path}: is cut off; {there} of {said} blocks are there",
            TruncatedRecordingWarning,
            stacklevel=4,
        )
    return min(there, said)


def write_rld(
    path: Path,
    voltage_v: NDArray[np.floating],
    current_a: NDArray[np.floating],
    pins: Mapping[str, NDArray[np.bool_]],
    sample_rate_hz: int,
    *,
    low_range_a: float = 0.0,
    comment: str = "",
) -> None:
    """Write a recording as a RocketLogger would: V1, both ranges of I1, and digital inputs.

    Voltage is kept in steps of 10 nV and current in steps of 10 pA (low) and 1 nA (high range), in
    32 bits. Samples that do not fill a block of one second are left out.

    Args:
        path: The file.
        voltage_v: Volts, shape (n,).
        current_a: Amperes, shape (n,).
        pins: Levels by the digital input's name, ``DI1`` and so on.
        sample_rate_hz: Samples a second, of which a block holds one second's.
        low_range_a: Largest current of the low range, in amperes.
        comment: A line for people.

    Raises:
        TraceError: There is no whole block of samples.
    """
    size = int(sample_rate_hz)
    blocks = len(voltage_v) // size
    if not blocks:
        raise TraceError(f"{path}: {len(voltage_v)} samples are no whole second at {size} Hz")
    names = [*pins, "I1L_valid"]
    header = {
        "data_block_size": size,
        "channels": [
            *({"name": name, "unit": "binary"} for name in names),
            *({"name": name, "unit": "", "data_size": 4} for name in ("V1", "I1L", "I1H")),
        ],
    }
    data = np.zeros(blocks, _block_dtype(header))
    seconds = np.arange(blocks)
    for clock in _CLOCKS:
        data[f"{clock}_s"] = seconds
    used = blocks * size
    valid = np.abs(current_a[:used]) <= low_range_a
    bits = np.zeros(used, np.uint32)
    for bit, levels in enumerate([*(pin[:used] for pin in pins.values()), valid]):
        bits |= levels.astype(np.uint32) << np.uint32(bit)
    parts = {
        "bin": bits,
        "V1": np.rint(voltage_v[:used] * 1e8),
        "I1L": np.rint(np.where(valid, current_a[:used], 0) * 1e11),
        "I1H": np.rint(current_a[:used] * 1e9),
    }
    for name, values in parts.items():
        data["data"][name] = values.reshape(blocks, size)
    path.write_bytes(_header_bytes(names, size, blocks, comment) + data.tobytes())


def _header_bytes(binary: list[str], block_size: int, blocks: int, comment: str) -> bytes:
    """Version 4 of the format, as ``rocketlogger.data`` reads it."""
    text = comment.encode("ascii", "replace")
    text = text.ljust(-(-len(text) // 4) * 4, b"\0")
    described = b""
    valid_bit = len(binary) - 1
    for name in binary:
        kind = "valid" if name.endswith("_valid") else "binary"
        described += struct.pack("<IiHH16s", _UNITS[kind], 0, 0, _UNLINKED, name.encode())
    for name, unit, scale, link in (
        ("V1", "voltage", -8, _UNLINKED),
        ("I1L", "current", -11, valid_bit),
        ("I1H", "current", -9, _UNLINKED),
    ):
        described += struct.pack("<IiHH16s", _UNITS[unit], scale, 4, link, name.encode())
    lead = struct.Struct("<IHHIIQH6sqqIHH")
    length = lead.size + len(text) + len(described)
    return (
        lead.pack(
            _MAGIC, _VERSION, length, block_size, blocks, blocks * block_size, block_size,
            bytes(6), 0, 0, len(text), len(binary), 3,
        )
        + text
        + described
    )  # fmt: skip
