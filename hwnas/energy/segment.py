"""Which energy belongs to which inference and layer: by the edges of the board's markers.

The firmware holds the inference pin high while a network runs, and toggles the layer pin at each
step, beginning with high (``firmware/src/executor.c``). An odd number of steps leaves it high, so
that it falls right before the inference pin does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hwnas.energy.trace import Trace
from hwnas.errors import TraceError
from hwnas.target import Provenance

SHORTEST_SAMPLES: Final = 4
"""A layer of fewer samples has an energy that is off by a quarter and more: an edge is seen up to
one sample late. Repeat such layers instead (``in_a_row`` of :func:`hwnas.plan.compile_layers`)."""
LARGEST_DRIFT: Final = 0.01
"""Clocks differ by less, a crystal's by a hundredth of it: beyond, the markers are not those of the
run that they are taken for."""

_Floats = NDArray[np.float64]
_Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Segments:
    """Energy by inference and layer, gross: all that the supply gave.

    Attributes:
        energy_j: Of each inference, in joules, shape (inferences,).
        duration_s: Of each inference, in seconds, shape (inferences,).
        layer_energy_j: Of each step, in joules, shape (inferences, steps).
        layer_duration_s: Of each step, in seconds, shape (inferences, steps).
        idle_power_w: Mean power outside inferences, in watts; ``None`` where nothing is.
        clock_ratio: The meter's seconds through the board's, by which times and energies were
            divided; 1 where the board's time was not given.
        provenance: That of the trace.
    """

    energy_j: _Floats
    duration_s: _Floats
    layer_energy_j: _Floats
    layer_duration_s: _Floats
    idle_power_w: float | None
    clock_ratio: float
    provenance: Provenance

    @property
    def mean_energy_j(self) -> float:
        """Of an inference, in joules."""
        return float(self.energy_j.mean())

    @property
    def spread(self) -> float:
        """Standard deviation of the inferences' energies through their mean; 0 for one."""
        return float(self.energy_j.std() / self.mean_energy_j) if len(self.energy_j) > 1 else 0.0

    @property
    def layer_spread(self) -> _Floats:
        """Likewise of each step, shape (steps,)."""
        mean = self.layer_energy_j.mean(axis=0)
        spread: _Floats = self.layer_energy_j.std(axis=0) / mean
        return spread

    @cached_property
    def net_energy_j(self) -> _Floats | None:
        """Of each inference, without what idling for as long would have taken."""
        if self.idle_power_w is None:
            return None
        net: _Floats = self.energy_j - self.idle_power_w * self.duration_s
        return net

    @property
    def shortest_layer(self) -> int:
        """Number of the step that is shortest on average."""
        return int(self.layer_duration_s.mean(axis=0).argmin())


def segment(
    trace: Trace,
    steps: int | None,
    *,
    inference_s: float | None = None,
    glitch_s: float = 0.0,
) -> Segments:
    """Attribute a recording's energy.

    Inferences that the recording's start or end cuts are left out.

    Args:
        trace: The recording.
        steps: Steps of the plan that ran: its layers without reshapes. With ``None`` the layer pin
            is not looked at, and an inference is one step.
        inference_s: What one inference takes by the board's clock, in seconds; the meter's clock
            is corrected by it.
        glitch_s: Pulses shorter than this are no edges, in seconds.

    Raises:
        TraceError: The recording is damaged, shows no whole inference, or another number of layers
            than ``steps`` in one of them; or clocks differ by more than :data:`LARGEST_DRIFT`. The
            message names the sample.

    Example:
        >>> segment(trace, steps=9).mean_energy_j  # doctest: +SKIP
        0.00139
    """
    if steps is not None and steps < 1:
        raise TraceError(f"{trace.source}: a plan has 1 step or more, not {steps}")
    edges = _edges(trace, round(glitch_s * trace.sample_rate_hz))
    starts, ends = _inferences(trace, edges)
    bounds = (
        np.stack([starts, ends], axis=1)
        if steps is None
        else _layer_bounds(trace, edges, starts, ends, steps)
    )
    energy = edges.energy_at(bounds)
    period = 1 / trace.sample_rate_hz
    layer_s = np.diff(bounds, axis=1) * period
    duration_s: _Floats = (ends - starts) * np.float64(period)
    ratio = _clock_ratio(trace, duration_s, inference_s)
    layer_j = np.diff(energy, axis=1) * period
    return Segments(
        energy_j=layer_j.sum(axis=1) / ratio,
        duration_s=duration_s / ratio,
        layer_energy_j=layer_j / ratio,
        layer_duration_s=layer_s / ratio,
        idle_power_w=edges.idle_power(starts, ends),
        clock_ratio=ratio,
        provenance=trace.provenance,
    )


@dataclass(frozen=True)
class _Edges:
    """Where pins changed, and the sum of all power before those samples."""

    inference: _Indices
    rises: NDArray[np.bool_]
    layer: _Indices
    sums: dict[int, float]
    samples: int
    total: float

    def energy_at(self, samples: _Indices) -> _Floats:
        """Sums of power before samples at which an edge is."""
        found: _Floats = np.vectorize(self.sums.__getitem__, otypes=[np.float64])(samples)
        return found

    def idle_power(self, starts: _Indices, ends: _Indices) -> float | None:
        """Mean power of all samples outside the inferences."""
        inside = int((ends - starts).sum())
        if inside >= self.samples:
            return None
        spent = float((self.energy_at(ends) - self.energy_at(starts)).sum())
        return (self.total - spent) / (self.samples - inside)


def _edges(trace: Trace, glitch_samples: int) -> _Edges:
    inference, layer, sums = [], [], {}
    rises: list[NDArray[np.bool_]] = []
    before: tuple[bool, bool] | None = None
    at, total = 0, 0.0
    for block in trace.blocks():
        cumulated = np.concatenate([[0.0], np.cumsum(block.power_w)]) + total
        pins = (block.inference, block.layer)
        known = before if before is not None else (bool(pins[0][0]), bool(pins[1][0]))
        changes = [
            np.flatnonzero(np.diff(pin, prepend=was)) for pin, was in zip(pins, known, strict=True)
        ]
        inference.append(changes[0] + at)
        rises.append(block.inference[changes[0]])
        layer.append(changes[1] + at)
        for local in np.union1d(*changes).tolist():
            sums[at + local] = float(cumulated[local])
        before = bool(pins[0][-1]), bool(pins[1][-1])
        at += len(block.power_w)
        total = float(cumulated[-1])
    found, levels = np.concatenate(inference), np.concatenate(rises)
    kept = _without_glitches(found, glitch_samples)
    layers = np.concatenate(layer)
    return _Edges(
        found[kept],
        levels[kept],
        layers[_without_glitches(layers, glitch_samples)],
        sums,
        at,
        total,
    )


def _without_glitches(edges: _Indices, shortest: int) -> NDArray[np.bool_]:
    """Which edges to keep: a pulse shorter than the bound loses both of its edges."""
    kept = np.ones(len(edges), bool)
    i = 0
    short = np.diff(edges) < shortest if shortest > 0 else np.zeros(max(len(edges) - 1, 0), bool)
    while i < len(short):
        if short[i]:
            kept[i] = kept[i + 1] = False
            i += 1
        i += 1
    return kept


def _inferences(trace: Trace, edges: _Edges) -> tuple[_Indices, _Indices]:
    """Samples where whole inferences start and end."""
    first = 0 if not len(edges.rises) or edges.rises[0] else 1
    starts, ends = edges.inference[first::2], edges.inference[first + 1 :: 2]
    if not len(ends):
        raise TraceError(
            f"{trace.source}: no whole inference in {trace.samples} samples: the inference pin "
            "must rise and fall; is it on that channel?"
        )
    return starts[: len(ends)], ends


def _layer_bounds(
    trace: Trace, edges: _Edges, starts: _Indices, ends: _Indices, steps: int
) -> _Indices:
    """Samples where each layer starts, and the last one ends, shape (inferences, steps + 1)."""
    first = np.searchsorted(edges.layer, starts, side="left")
    behind = np.searchsorted(edges.layer, ends, side="right")
    expected = steps + steps % 2
    # An odd number's last edge ends the last layer, an even one's begins it.
    closing = ends - edges.layer[np.maximum(behind - 1, 0)] <= 1 if len(edges.layer) else ends < 0
    wrong = np.flatnonzero((behind - first != expected) | (closing != bool(steps % 2)))
    if wrong.size:
        i = int(wrong[0])
        found = int(behind[i] - first[i])
        raise TraceError(
            f"{trace.source}: inference {i}, samples {starts[i]} to {ends[i]}, has {found} edges "
            f"of the layer pin; {steps} layers make {expected}, the last of them "
            f"{'at its end' if steps % 2 else 'before its end'}. Either another network ran, or a "
            "layer is shorter than a sample, or the pin is disturbed (glitch_s)"
        )
    rows = first[:, None] + np.arange(steps)
    bounds: _Indices = np.concatenate([edges.layer[rows], ends[:, None]], axis=1)
    bounds[:, 0] = starts
    return bounds


def _clock_ratio(trace: Trace, duration_s: _Floats, inference_s: float | None) -> float:
    if inference_s is None:
        return 1.0
    ratio = float(duration_s.mean() / inference_s)
    # An edge is seen up to a sample late at either end.
    blur = 2 / (trace.sample_rate_hz * inference_s * np.sqrt(len(duration_s)))
    if abs(ratio - 1) > LARGEST_DRIFT + blur:
        raise TraceError(
            f"{trace.source}: an inference takes {duration_s.mean() * 1e3:.4g} ms by the meter and "
            f"{inference_s * 1e3:.4g} ms by the board: another network ran, or the sample rate "
            f"{trace.sample_rate_hz:g} Hz is wrong"
        )
    return ratio
