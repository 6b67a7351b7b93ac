"""Puts the data directories of the checkout into the wheel, under hwnas/_data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

DATA_DIRECTORIES = {
    "search_spaces": "search_spaces",
    "firmware": "firmware",
    "lut": "lut",
    # Made by `make wheel`; without it a wheel still works where a compiler is at hand.
    "build/images": "images",
}


class DataHook(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        for source, name in DATA_DIRECTORIES.items():
            path = Path(self.root) / source
            if path.is_dir():
                build_data["force_include"][str(path)] = f"hwnas/_data/{name}"
