"""The lookup tables that come with hwnas: a first search starts warm.

They lie in ``lut/``, one file a board, and hold what the virtual board told: ``simulated``. A file
serves only the very target that it was made for; with another compiler, say, it is passed over.
"""

from __future__ import annotations

from typing import Final

from hwnas.errors import HwnasError, TableError
from hwnas.resources import data_dir
from hwnas.table import LookupTable, states_target
from hwnas.target import TargetIdentity

WHOLE_SPACES: Final = ("ds_cnn", "lenet")
"""Spaces of whose layers the tables hold nearly all. The others have far more: of these the tables
hold the layers of the known networks, and a search runs the rest as it needs them."""


def warm_up(table: LookupTable, target: TargetIdentity) -> int:
    """Fill a table that knows nothing of a target with the rows that ship for it.

    Returns:
        How many rows were added; 0 where the table has the target, or none ship for it.

    Raises:
        TableError: The table cannot be written, or a file that ships is damaged.
    """
    try:
        path = data_dir("lut") / f"{target.board}.jsonl.gz"
    except HwnasError:
        return 0  # an installation without tables
    if not path.is_file() or target in table.targets() or not states_target(path, target):
        return 0
    report = table.import_jsonl(path)
    if report.malformed or report.conflicts:
        raise TableError(f"{path} is damaged: reinstall hwnas")
    return report.added
