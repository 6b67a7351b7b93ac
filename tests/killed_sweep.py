"""``killed_sweep.py LOG ARGUMENTS``: the command, whose workers log each layer before they run it.

For the test that kills it: the table alone does not tell what was run twice.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from unittest.mock import patch

from hwnas.cli import main
from hwnas.network import Layer
from hwnas.sweep._run import SweepOutcome
from hwnas.sweep._worker import BoardChoice, run_here


def run_logged(log: str, choice: BoardChoice, layer: Layer) -> SweepOutcome:
    """In a worker. One write, which a killed process has done whole or not at all."""
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{layer.describe()}\n".encode())
    os.close(file)
    return run_here(choice, layer)


if __name__ == "__main__":
    with patch("hwnas.sweep._processes.run_here", partial(run_logged, sys.argv.pop(1))):
        main()
