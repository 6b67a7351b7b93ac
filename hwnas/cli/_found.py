"""What a search found, for people and for machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from hwnas.cli._output import kib, table
from hwnas.objective import METRIC
from hwnas.search import FrontEntry, Ledger
from hwnas.target import Provenance
from hwnas.trial_record import Gate

_RUNG_OF = {Gate.TRAINED: "train"}


@dataclass(frozen=True, slots=True)
class Found:
    """A search's end.

    Attributes:
        boards: What it was for.
        how: How latencies were obtained.
        front: The Pareto front.
        counts: Where candidates ended.
        places: Where study, lookup table and plot are.
    """

    boards: list[str]
    how: str
    front: list[FrontEntry]
    counts: Ledger
    places: dict[str, str]

    @property
    def all_failed(self) -> bool:
        """Whether no trial came to another end than an error."""
        return not any(self.counts.stopped.values())

    def _energy(self) -> str:
        """How the front's energies were obtained."""
        ways = {entry.record.cost["provenance"]["energy_mj"] for entry in self.front}
        if ways <= {str(Provenance.ESTIMATED)}:
            return "estimated (power x latency)"
        return f"{' and '.join(sorted(ways))} (by a meter, gross)"

    def show(self, console: Console) -> None:
        """Print it as tables."""
        console.print(self._front_table())
        console.print(f"energy: {self._energy()}; RAM and flash: estimated (computed)")
        console.print(self._counts_table())
        estimate = self.counts.training_estimate_s
        if estimate is not None:
            console.print(
                f"training: {self.counts.seconds.get('train', 0):.0f} s spent, about "
                f"{self.counts.training_seconds_saved:.0f} s saved (estimated: candidates not "
                f"trained, each at the mean training time of {estimate:.2g} s)"
            )
        bases = self.counts.by_basis
        if bases.get("table"):
            console.print(
                f"{bases.get('network', 0)} networks were run end to end, {bases['table']} stand "
                "by their layers, whose error bound left no doubt of the verdict"
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
            **self.counts.to_dict(),
            "plot": None,
            **self.places,
        }

    def _front_table(self) -> Table:
        several = len(self.boards) > 1
        quantized = any(entry.record.int8_metric is not None for entry in self.front)
        shown = table(
            f"Pareto front on {', '.join(self.boards)}, latency {self.how}",
            "trial", METRIC, *(["int8"] if quantized else []),
            *([f"ms on {name}" for name in self.boards] if several else ["ms"]),
            "mJ", "RAM KiB", "flash KiB", "params", "MACs",
        )  # fmt: skip
        for entry in self.front:
            record = entry.record
            costs = [record.costs[name] for name in self.boards] if several else [record.cost]
            energy, int8 = record.cost["energy_mj"], record.int8_metric
            shown.add_row(
                str(entry.number),
                f"{record.metric:.4f}",
                *(["" if int8 is None else f"{int8:.4f}"] if quantized else []),
                *(f"{cost['latency_ms']:.2f}" for cost in costs),
                "unknown" if energy is None else f"{energy:.3f}",
                kib(record.cost["ram_bytes"]),
                kib(record.cost["flash_bytes"]),
                f"{record.cost['parameters']:,}",
                f"{record.cost['macs']:,}",
            )
        return shown

    def _counts_table(self) -> Table:
        spared = self.counts.saved
        shown = table("Where candidates ended", "gate", "candidates", "s spent", "s saved")
        for gate, count in self.counts.stopped.items():
            spent = self.counts.seconds.get(_RUNG_OF.get(gate, str(gate)))
            shown.add_row(
                str(gate),
                str(count),
                "" if spent is None else f"{spent:.1f}",
                f"{spared[gate]:.0f}" if spared.get(gate) else "",
            )
        shown.add_row("failed", str(self.counts.failed), "", "")
        if self.counts.cut_off:
            shown.add_row("cut off, made up for", str(self.counts.cut_off), "", "")
        return shown
