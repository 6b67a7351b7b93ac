"""The command line: a thin layer over the library's public functions."""

from __future__ import annotations

import io
import sys

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 and the signal's number, as shells count."""


def main() -> None:
    """Entry point of ``hwnas``: an error of ours is one line and exit code 2."""
    try:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                # File names may hold what the terminal's encoding lacks.
                stream.reconfigure(errors="backslashreplace")
        # Imports take most of a second, in which Ctrl-C may come as well.
        from hwnas.cli._app import run

        run()
    except KeyboardInterrupt:
        print("interrupted: nothing was begun", file=sys.stderr)
        sys.exit(INTERRUPTED)
