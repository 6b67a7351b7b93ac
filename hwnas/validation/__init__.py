"""Published measurements against the virtual board: how far simulated cycles can be trusted.

Rows come from a data file (``published.toml``) with the source of each. :func:`validate` runs what
they are of on the virtual boards and tells the errors, per row and summed up.
"""

from hwnas._statistics import ErrorSummary, summarize
from hwnas.validation._compare import Comparison, SkippedRow, Validation
from hwnas.validation._published import PUBLISHED, PublishedRow, Setup, Split, load_rows
from hwnas.validation._run import validate
from hwnas.validation._subjects import Subject, Unit

__all__ = [
    "PUBLISHED",
    "Comparison",
    "ErrorSummary",
    "PublishedRow",
    "Setup",
    "SkippedRow",
    "Split",
    "Subject",
    "Unit",
    "Validation",
    "load_rows",
    "summarize",
    "validate",
]
