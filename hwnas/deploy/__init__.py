"""From a trained model to the device: deploy it, and see that it computes there what it should."""

from __future__ import annotations

from hwnas.deploy._deployed import DeployedModel, DeployedRun
from hwnas.deploy._deployment import Deployment, deploy_model
from hwnas.deploy._export import ExportedModel, export_model
from hwnas.deploy._kept_outputs import KeptOutputs
from hwnas.deploy._verify import Computed, Verification, verify

__all__ = [
    "Computed",
    "DeployedModel",
    "DeployedRun",
    "Deployment",
    "ExportedModel",
    "KeptOutputs",
    "Verification",
    "deploy_model",
    "export_model",
    "verify",
]
