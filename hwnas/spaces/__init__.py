"""Search spaces: declared in YAML, or a user's own function of a trial."""

from __future__ import annotations

from hwnas.spaces._base import Candidate, SearchSpace
from hwnas.spaces._cardinality import Cardinality
from hwnas.spaces._catalog import as_space, list_spaces, load_space
from hwnas.spaces._declared import DeclaredSpace
from hwnas.spaces._enumeration import RandomTrial, all_networks, random_networks
from hwnas.spaces._function import FunctionError, FunctionSpace, load_function
from hwnas.spaces._json_schema import space_json_schema

__all__ = [
    "Candidate",
    "Cardinality",
    "DeclaredSpace",
    "FunctionError",
    "FunctionSpace",
    "RandomTrial",
    "SearchSpace",
    "all_networks",
    "as_space",
    "list_spaces",
    "load_function",
    "load_space",
    "random_networks",
    "space_json_schema",
]
