"""The virtual NUCLEO-F446RE against convolutions measured on silicon, all rows that there are.

The rows lie beside the checkout; `fread`, one number, was fitted on them (docs/timing.md).
"""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from calibration_rows import FILE, calibration_rows

from hwnas.kernels import kernel_variant
from hwnas.opening import open_backend
from hwnas.validation import summarize


def main() -> None:
    if not FILE.exists():
        print(f"skipped: {FILE} is not there")
        return
    rows = calibration_rows()
    with open_backend("nucleo_f446re") as backend:
        records = list(backend.measure_layers([layer for layer, _ in rows]))
    groups: dict[str, list[tuple[int, int]]] = {}
    for (layer, measured), record in zip(rows, records, strict=True):
        for name in ("all", kernel_variant(layer)):
            groups.setdefault(name, []).append((measured, record.cycles_median))
    table = Table(
        "kernel", "rows", "MAPE", "bias", "within 5 %", "within 10 %", "least", "most", "Spearman",
        title="single convolutions, NUCLEO-F446RE: simulated against measured",
        title_justify="left",
    )  # fmt: skip
    for name, pairs in groups.items():
        summary = summarize([one for one, _ in pairs], [other for _, other in pairs])
        errors = [other / one - 1 for one, other in pairs]
        table.add_row(
            name, str(summary.rows), f"{summary.mape:.2%}", f"{summary.bias:+.2%}",
            f"{summary.within_5:.0%}", f"{summary.within_10:.0%}", f"{min(errors):+.1%}",
            f"{max(errors):+.1%}", f"{summary.spearman or 0:.4f}",
        )  # fmt: skip
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
