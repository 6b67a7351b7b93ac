"""What a search found, for people and for machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from hwnas.cli._output import kib, table
from hwnas.objective import METRIC
from hwnas.search import FrontEntry, Ledger


@dataclass(frozen=True, slots=True)
class Found:
    """A search's end.

    Attributes:
        board: What it was for.
        how: How latencies were obtained.
        front: The Pareto front.
        counts: Where candidates ended.
        places: Where study, lookup table and plot are.
    """

    board: str
    how: str
    front: list[FrontEntry]
    counts: Ledger
    places: dict[str, str]

    @property
    def all_failed(self) -> bool:
        """Whether no trial came to another end than an error."""
        return not any(self.counts.stopped.values())

    def show(self, console: Console) -> None:
        """Print it as tables."""
        console.print(self._front_table())
        console.print("energy: estimated (power x latency); RAM and flash: estimated (computed)")
        console.print(self._counts_table())
        saved = self.counts.training_seconds_saved
        if saved is not None:
            console.print(
                f"training: {self.counts.seconds.get('train', 0):.0f} s spent, about "
                f"{saved:.0f} s saved (estimated: candidates not trained, each at the mean "
                "training time)"
            )
        for what, place in self.places.items():
            console.print(f"{what}: {place}", soft_wrap=True)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "latency": self.how,
            "front": [
                {"trial": entry.number, METRIC: entry.record.metric, **entry.record.cost}
                for entry in self.front
            ],
            "stopped": {str(gate): count for gate, count in self.counts.stopped.items()},
            "failed": self.counts.failed,
            "cut_off": self.counts.cut_off,
            "seconds": self.counts.seconds,
            "training_seconds_saved": self.counts.training_seconds_saved,
            "plot": None,
            **self.places,
        }

    def _front_table(self) -> Table:
        shown = table(
            f"Pareto front on {self.board}, latency {self.how}",
            "trial", METRIC, "ms", "mJ", "RAM KiB", "flash KiB", "params", "MACs",
        )  # fmt: skip
        for entry in self.front:
            cost = entry.record.cost
            energy = cost["energy_mj"]
            shown.add_row(
                str(entry.number),
                f"{entry.record.metric:.4f}",
                f"{cost['latency_ms']:.2f}",
                "unknown" if energy is None else f"{energy:.3f}",
                kib(cost["ram_bytes"]),
                kib(cost["flash_bytes"]),
                f"{cost['parameters']:,}",
                f"{cost['macs']:,}",
            )
        return shown

    def _counts_table(self) -> Table:
        shown = table("Where candidates ended", "gate", "candidates")
        for gate, count in self.counts.stopped.items():
            shown.add_row(str(gate), str(count))
        shown.add_row("failed", str(self.counts.failed))
        if self.counts.cut_off:
            shown.add_row("cut off, made up for", str(self.counts.cut_off))
        return shown
