"""From a trained model to the device: deploy it, and see that it computes there what it should."""

from __future__ import annotations

from hwnas.deploy._deployed import DeployedModel, DeployedRun

__all__ = ["DeployedModel", "DeployedRun"]
