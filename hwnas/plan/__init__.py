"""Execution plans: a network as the bytes that the firmware runs (docs/plan-format.md)."""

from __future__ import annotations

from hwnas.plan._compile import ExecutionPlan, Placement, compile_layers, compile_plan
from hwnas.plan._constants import quantize_multiplier
from hwnas.plan._floats import float_parameters
from hwnas.plan._format import (
    PARAMETER_ALIGNMENT,
    PLAN_VERSION,
    ParameterKind,
    parameter_counts,
    plan_bytes,
)
from hwnas.plan._model_image import ModelImage
from hwnas.plan._parameters import (
    LayerParameters,
    NetworkParameters,
    TensorQuantization,
    TrainedNetwork,
    layer_parameters,
)
from hwnas.plan._pool import DEFAULT_SEED, ParameterPool, PoolLayout

__all__ = [
    "DEFAULT_SEED",
    "PARAMETER_ALIGNMENT",
    "PLAN_VERSION",
    "ExecutionPlan",
    "LayerParameters",
    "ModelImage",
    "NetworkParameters",
    "ParameterKind",
    "ParameterPool",
    "Placement",
    "PoolLayout",
    "TensorQuantization",
    "TrainedNetwork",
    "compile_layers",
    "compile_plan",
    "float_parameters",
    "layer_parameters",
    "parameter_counts",
    "plan_bytes",
    "quantize_multiplier",
]
