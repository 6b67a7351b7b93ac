"""What will this network cost on that chip, before anyone trains it.

The names below are the public interface. They are imported on first use, so that
``import hwnas`` stays cheap and never pulls in tensorflow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hwnas.backend import BoardBackend
    from hwnas.boards import BoardSpec, list_boards, load_board
    from hwnas.budget import Budget
    from hwnas.cost import StaticCost, static_cost
    from hwnas.errors import HwnasError
    from hwnas.evaluator import Evaluation, Evaluator, Verdict
    from hwnas.hardware_cost import HardwareCost
    from hwnas.int8_metric import Int8Validation
    from hwnas.keras_io import from_keras, to_keras
    from hwnas.models import load_network
    from hwnas.network import Layer, Network, NetworkBuilder
    from hwnas.objective import HardwareObjective
    from hwnas.opening import open_backend
    from hwnas.profiling import Profile, profile_image
    from hwnas.report import plot_front
    from hwnas.search import (
        enqueue_anchor,
        ledger,
        load_trial,
        open_study,
        pareto_front,
        run_search,
        stored_study,
        warm_start,
    )
    from hwnas.snapping import snap
    from hwnas.spaces import SearchSpace, list_spaces, load_space
    from hwnas.table import LookupTable
    from hwnas.target import Provenance, TargetIdentity
    from hwnas.validation import Validation, validate

__version__ = "0.1.0"

_HOMES = {
    "BoardBackend": "backend",
    "open_backend": "opening",
    "BoardSpec": "boards",
    "list_boards": "boards",
    "load_board": "boards",
    "Budget": "budget",
    "StaticCost": "cost",
    "static_cost": "cost",
    "HwnasError": "errors",
    "Evaluation": "evaluator",
    "Evaluator": "evaluator",
    "HardwareCost": "hardware_cost",
    "Verdict": "evaluator",
    "Int8Validation": "int8_metric",
    "from_keras": "keras_io",
    "to_keras": "keras_io",
    "load_network": "models",
    "Layer": "network",
    "Network": "network",
    "NetworkBuilder": "network",
    "HardwareObjective": "objective",
    "Profile": "profiling",
    "profile_image": "profiling",
    "plot_front": "report",
    "enqueue_anchor": "search",
    "ledger": "search",
    "load_trial": "search",
    "open_study": "search",
    "pareto_front": "search",
    "run_search": "search",
    "stored_study": "search",
    "warm_start": "search",
    "snap": "snapping",
    "SearchSpace": "spaces",
    "list_spaces": "spaces",
    "load_space": "spaces",
    "LookupTable": "table",
    "Provenance": "target",
    "TargetIdentity": "target",
    "Validation": "validation",
    "validate": "validation",
}

__all__ = [  # noqa: RUF022 - in the order of _HOMES, which a test holds against this list
    "BoardBackend",
    "open_backend",
    "BoardSpec",
    "list_boards",
    "load_board",
    "Budget",
    "StaticCost",
    "static_cost",
    "HwnasError",
    "Evaluation",
    "Evaluator",
    "HardwareCost",
    "Verdict",
    "Int8Validation",
    "from_keras",
    "to_keras",
    "load_network",
    "Layer",
    "Network",
    "NetworkBuilder",
    "HardwareObjective",
    "Profile",
    "profile_image",
    "plot_front",
    "enqueue_anchor",
    "ledger",
    "load_trial",
    "open_study",
    "pareto_front",
    "run_search",
    "stored_study",
    "warm_start",
    "snap",
    "SearchSpace",
    "list_spaces",
    "load_space",
    "LookupTable",
    "Provenance",
    "TargetIdentity",
    "Validation",
    "validate",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'hwnas' has no attribute {name!r}")
    return getattr(import_module(f"hwnas.{home}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
