"""Why a network costs what it costs on a board: its dearest layers, one by one.

See docs/explain.md. Nothing here is stored but what the lookup table stores anyway.
"""

from __future__ import annotations

from hwnas.explain._channels import Channels
from hwnas.explain._explain import TOP, explain
from hwnas.explain._records import (
    Best,
    ChannelSteps,
    Explanation,
    FunctionCalls,
    KernelChoice,
    LayerExplanation,
    SnappingEffect,
    Step,
)

__all__ = [
    "TOP",
    "Best",
    "ChannelSteps",
    "Channels",
    "Explanation",
    "FunctionCalls",
    "KernelChoice",
    "LayerExplanation",
    "SnappingEffect",
    "Step",
    "explain",
]
