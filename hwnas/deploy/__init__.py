"""From a trained model to the device: deploy it, and see that it computes there what it should."""

from __future__ import annotations

from hwnas.deploy._deployed import DeployedModel, DeployedRun
from hwnas.deploy._export import ExportedModel, export_model

__all__ = ["DeployedModel", "DeployedRun", "ExportedModel", "export_model"]
