"""Semihosting: an image asks the debugger for input and output.

As "Semihosting for AArch32 and AArch64" has it, in release 2.0 of Arm's ABI. There is a console to
write to, and nothing else: no file of this machine can be reached. Calls take no cycles, and clocks
show the core's, so that the same image always sees the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from hwnas.errors import BoardError

SEMIHOSTING_CALL: Final = 0xAB
"""What ``bkpt`` asks with."""
LONGEST_WRITE: Final = 1 << 20
MOST_FILES: Final = 64
_CONSOLE, _FEATURES = ":tt", ":semihosting-features"
_FEATURE_BITS: Final = b"SHFB\x03"
"""SYS_EXIT_EXTENDED is there, and standard output and standard error are told apart."""
_APPLICATION_EXIT: Final = 0x20026
_FAILED: Final = 0xFFFF_FFFF
_NO_SUCH_FILE, _BAD_HANDLE, _REFUSED, _TOO_MANY_FILES = 2, 9, 13, 24
_SECOND: Final = 100
_WORD_BYTES: Final = 4


class Memory(Protocol):
    """The memory of the core that asks."""

    def read(self, address: int, size: int) -> bytes:
        """Bytes of it.

        Raises:
            BoardError: There is no memory.
        """

    def write(self, address: int, data: bytes) -> None:
        """Changes bytes of it.

        Raises:
            BoardError: There is no memory that could be written.
        """


@dataclass
class _File:
    """What a handle stands for; the console where there is no content."""

    content: bytes | None = None
    position: int = 0


class Semihosting:
    """Answers an image's calls.

    Args:
        memory: The core's memory.
        output: Takes what is written to the console.
        cycles: The core's cycles so far.
        clock_hz: How many of them make a second.

    Attributes:
        exit_code: What the image ended with, ``None`` while it has not.
    """

    def __init__(
        self,
        memory: Memory,
        output: Callable[[bytes], None],
        cycles: Callable[[], int],
        clock_hz: int,
    ) -> None:
        self._memory = memory
        self._output = output
        self._cycles = cycles
        self._clock_hz = clock_hz
        self._files: dict[int, _File] = {}
        self._error = 0
        self.exit_code: int | None = None

    def call(self, number: int, argument: int) -> int:
        """Does what is asked for.

        Args:
            number: Of the call, in r0.
            argument: A word, or the address of a block of words, in r1.

        Returns:
            The answer, for r0.

        Raises:
            BoardError: The call is unknown, or points to where no memory is.
        """
        handler = _CALLS.get(number)
        if handler is None:
            raise BoardError(f"the semihosting call {number:#x} is not known")
        return handler(self, argument) & 0xFFFF_FFFF

    def _words(self, address: int, count: int) -> list[int]:
        data = self._memory.read(address, count * _WORD_BYTES)
        return [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]

    def _file(self, handle: int) -> _File | None:
        file = self._files.get(handle)
        if file is None:
            self._error = _BAD_HANDLE
        return file

    def _fail(self, error: int) -> int:
        self._error = error
        return _FAILED

    def _open(self, block: int) -> int:
        name_at, _, length = self._words(block, 3)
        name = self._memory.read(name_at, min(length, 256)).decode("latin-1")
        if name not in (_CONSOLE, _FEATURES):
            return self._fail(_NO_SUCH_FILE)
        if len(self._files) == MOST_FILES:
            return self._fail(_TOO_MANY_FILES)
        handle = next(i for i in range(1, len(self._files) + 2) if i not in self._files)
        self._files[handle] = _File(_FEATURE_BITS if name == _FEATURES else None)
        return handle

    def _close(self, block: int) -> int:
        (handle,) = self._words(block, 1)
        return 0 if self._files.pop(handle, None) else self._fail(_BAD_HANDLE)

    def _write_character(self, address: int) -> int:
        self._output(self._memory.read(address, 1))
        return 0

    def _write_text(self, address: int) -> int:
        for at in range(address, address + LONGEST_WRITE):
            byte = self._memory.read(at, 1)
            if byte == b"\0":
                return 0
            self._output(byte)
        raise BoardError(f"the text at {address:#010x} has no end")

    def _write(self, block: int) -> int:
        """Gives how many bytes were not written."""
        handle, address, length = self._words(block, 3)
        file = self._file(handle)
        if file is None or file.content is not None:
            return length
        if length > LONGEST_WRITE:
            raise BoardError(f"{length} bytes are to be written at once, {LONGEST_WRITE} may be")
        self._output(self._memory.read(address, length) if length else b"")
        return 0

    def _read(self, block: int) -> int:
        """Gives how many bytes were not read; the console has none."""
        handle, address, length = self._words(block, 3)
        file = self._file(handle)
        if file is None or file.content is None:
            return length
        part = file.content[file.position : file.position + length]
        self._memory.write(address, part)
        file.position += len(part)
        return length - len(part)

    def _is_error(self, block: int) -> int:
        (status,) = self._words(block, 1)
        return status >> 31

    def _is_console(self, block: int) -> int:
        file = self._file(self._words(block, 1)[0])
        return _FAILED if file is None else int(file.content is None)

    def _seek(self, block: int) -> int:
        handle, position = self._words(block, 2)
        file = self._file(handle)
        if file is None or file.content is None or position > len(file.content):
            return _FAILED
        file.position = position
        return 0

    def _length(self, block: int) -> int:
        file = self._file(self._words(block, 1)[0])
        return _FAILED if file is None else len(file.content or b"")

    def _refuse(self, argument: int) -> int:
        return self._fail(_REFUSED)

    def _no_character(self, argument: int) -> int:
        return _FAILED

    def _hundredths(self, argument: int) -> int:
        return self._cycles() * _SECOND // self._clock_hz

    def _seconds(self, argument: int) -> int:
        """Since 1970: the image runs on its first day."""
        return self._cycles() // self._clock_hz

    def _last_error(self, argument: int) -> int:
        return self._error

    def _command_line(self, block: int) -> int:
        """An empty one."""
        address, length = self._words(block, 2)
        if not length:
            return _FAILED
        self._memory.write(address, b"\0")
        self._memory.write(block + _WORD_BYTES, bytes(_WORD_BYTES))
        return 0

    def _heap(self, block: int) -> int:
        """Zeros: where heap and stack are is up to the image."""
        self._memory.write(self._words(block, 1)[0], bytes(4 * _WORD_BYTES))
        return 0

    def _exit(self, reason: int) -> int:
        self.exit_code = 0 if reason == _APPLICATION_EXIT else 1
        return 0

    def _exit_with_code(self, block: int) -> int:
        reason, code = self._words(block, 2)
        self.exit_code = code if reason == _APPLICATION_EXIT else 1
        return 0

    def _elapsed(self, block: int) -> int:
        self._memory.write(block, self._cycles().to_bytes(8, "little"))
        return 0

    def _ticks_a_second(self, argument: int) -> int:
        return self._clock_hz


_CALLS: Final[dict[int, Callable[[Semihosting, int], int]]] = {
    0x01: Semihosting._open,
    0x02: Semihosting._close,
    0x03: Semihosting._write_character,
    0x04: Semihosting._write_text,
    0x05: Semihosting._write,
    0x06: Semihosting._read,
    0x07: Semihosting._no_character,
    0x08: Semihosting._is_error,
    0x09: Semihosting._is_console,
    0x0A: Semihosting._seek,
    0x0C: Semihosting._length,
    0x0D: Semihosting._refuse,  # SYS_TMPNAM
    0x0E: Semihosting._refuse,  # SYS_REMOVE
    0x0F: Semihosting._refuse,  # SYS_RENAME
    0x10: Semihosting._hundredths,
    0x11: Semihosting._seconds,
    0x12: Semihosting._refuse,  # SYS_SYSTEM
    0x13: Semihosting._last_error,
    0x15: Semihosting._command_line,
    0x16: Semihosting._heap,
    0x18: Semihosting._exit,
    0x20: Semihosting._exit_with_code,
    0x30: Semihosting._elapsed,
    0x31: Semihosting._ticks_a_second,
}
