"""Convolutions that others measured on a NUCLEO-F446RE; the file lies beside the checkout."""

from __future__ import annotations

import csv
from pathlib import Path

from hwnas.network import Layer, conv2d

FILE = (
    Path(__file__).resolve().parents[2] / "shared" / "groundtruth" / "f446re_conv_calibration.csv"
)


def calibration_rows() -> list[tuple[Layer, int]]:
    """Each convolution and the cycles that it took."""
    with FILE.open(encoding="utf-8") as lines:
        return [(_layer(row), int(row["measured_cycles"])) for row in csv.DictReader(lines)]


def _layer(row: dict[str, str]) -> Layer:
    ih, iw, ci, oh, ow, co, kh, kw, sh, sw = (
        int(row[key]) for key in ("ih", "iw", "ci", "oh", "ow", "co", "kh", "kw", "sh", "sw")
    )
    for padding in ("same", "valid"):
        layer = conv2d(
            (ih, iw, ci), co, (kh, kw), strides=(sh, sw), padding=padding, activation="relu"
        )
        if layer.output_shape == (oh, ow, co):
            return layer
    raise AssertionError(row)
