"""The ladder on the real firmware on the virtual board."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hwnas.backend import BoardBackend
from hwnas.budget import Budget
from hwnas.errors import BoardError, BudgetError
from hwnas.evaluator import PEAK_MACS_PER_CYCLE, Evaluator, Rung
from hwnas.hardware_cost import TFLM_CHANNEL_BYTES, TFLM_OPERATOR_CYCLES
from hwnas.network import Layer, Network, NetworkBuilder, Node, conv2d, dense, max_pool2d
from hwnas.opening import open_backend
from hwnas.table import LookupTable
from hwnas.target import Provenance


def evaluator(backend: BoardBackend, **limits: float) -> Evaluator:
    return Evaluator(backend, LookupTable.open("sqlite://"), Budget(**limits))  # type: ignore[arg-type]


def too_large(channels: int) -> Network:
    b = NetworkBuilder((96, 96, 3))
    x = b.conv2d(b.input, channels, 3)
    b.softmax(b.dense(b.global_average_pool2d(x), 10))
    return b.build()


def test_a_network_within_budget_is_run_end_to_end(backend: BoardBackend, lenet: Network) -> None:
    found = evaluator(backend, latency_ms=200).evaluate(lenet)
    cost = found.cost
    assert found.verdict.feasible and found.verdict.rung is Rung.BOARD
    assert cost.basis == "network"
    assert cost.provenance["latency_ms"] is Provenance.SIMULATED
    assert cost.provenance["energy_mj"] is Provenance.ESTIMATED
    assert cost.latency_ms == pytest.approx(cost.cycles / 80e6 * 1e3)
    assert cost.energy_mj == pytest.approx(
        cost.latency_ms * backend.spec.power.active_mw / 1e3  # type: ignore[union-attr]
    )
    assert list(found.seconds) == [Rung.STATIC, Rung.TABLE, Rung.BOARD]


def test_the_sum_over_layers_is_close_to_the_whole(backend: BoardBackend, lenet: Network) -> None:
    judge = evaluator(backend)
    whole, layers = judge.network_cost(lenet), judge.table_cost(lenet)
    assert layers.basis == "table"
    assert layers.cycles == sum(row.cycles for row in layers.layers)
    assert layers.cycles == pytest.approx(whole.cycles, rel=0.02)
    assert sum(row.macs for row in layers.layers) == whole.macs == 274_656


def test_a_second_evaluation_runs_nothing(lenet: Network) -> None:
    with open_backend("nucleo_l496zg") as first:
        judge = evaluator(first)
        before = judge.evaluate(lenet).cost

        def unreachable() -> None:
            raise AssertionError("the board was opened for a known network")

        deaf = BoardBackend(first.spec, first.image, unreachable, first.target)  # type: ignore[arg-type]
        again = Evaluator(deaf, judge.table).evaluate(lenet)
        assert again.cost == before


def test_the_static_gate_stops_what_does_not_fit_the_chip(backend: BoardBackend) -> None:
    network = too_large(64)
    found = evaluator(backend).evaluate(network)
    assert found.verdict.rung is Rung.STATIC
    assert found.verdict.violations["ram_bytes"] > 0
    assert "ram_bytes" in found.verdict.describe()
    assert found.cost.basis == "static"
    assert found.cost.provenance["latency_ms"] is Provenance.ESTIMATED
    with pytest.raises(BudgetError, match="bytes of RAM"):
        evaluator(backend).check_fits(network)


def test_the_static_gate_knows_a_floor_under_every_latency(backend: BoardBackend) -> None:
    network = too_large(8)
    judge = evaluator(backend, latency_ms=1)
    found = judge.evaluate(network)
    floor_ms = found.cost.macs / PEAK_MACS_PER_CYCLE / backend.spec.core.clock_hz * 1e3
    assert floor_ms > 1
    assert found.verdict.rung is Rung.STATIC
    assert found.verdict.violations["latency_ms"] == pytest.approx(floor_ms - 1, rel=1e-3)
    assert evaluator(backend).table_cost(network).latency_ms > floor_ms


def test_the_table_gate_stops_before_the_whole_network_is_run(
    backend: BoardBackend, lenet: Network
) -> None:
    judge = evaluator(backend, latency_ms=10)
    found = judge.evaluate(lenet)
    assert found.verdict.rung is Rung.TABLE
    assert found.verdict.violations["latency_ms"] > 0
    assert judge.table.get_network(backend.target, lenet.digest) is None


def test_tflm_costs_a_constant_an_operator_more(backend: BoardBackend, lenet: Network) -> None:
    cost = evaluator(backend).network_cost(lenet)
    under_tflm = cost.as_tflm()
    assert under_tflm.cycles - cost.cycles == TFLM_OPERATOR_CYCLES * len(cost.layers)
    assert under_tflm.ram_bytes - cost.ram_bytes == TFLM_CHANNEL_BYTES * (6 + 16)
    assert set(under_tflm.provenance.values()) == {Provenance.ESTIMATED}
    with pytest.raises(ValueError, match="layers"):
        evaluator(backend).static_cost(lenet).as_tflm()


def test_without_published_networks_the_floor_is_the_estimate(lenet: Network) -> None:
    with open_backend("nucleo_f446re") as bare:
        assert bare.spec.published is None
        cost = evaluator(bare).static_cost(lenet)
        assert (cost.basis, cost.cycles) == ("static", -(-cost.macs // PEAK_MACS_PER_CYCLE))
        assert cost.provenance["latency_ms"] is Provenance.ESTIMATED
        assert cost.energy_mj is None
        # What stops at the floor says so; what passes it is run as on any board.
        stopped = evaluator(bare, latency_ms=cost.latency_ms / 2).evaluate(lenet)
        assert stopped.verdict.rung is Rung.STATIC
        assert stopped.verdict.violations["latency_ms"] == pytest.approx(1)
        assert stopped.cost == cost
        whole = evaluator(bare).evaluate(lenet).cost
        assert whole.basis == "network"
        assert whole.provenance["latency_ms"] is Provenance.SIMULATED
        assert whole.cycles > cost.cycles


def test_an_energy_limit_needs_a_known_power(backend: BoardBackend) -> None:
    nameless = BoardBackend(
        replace(backend.spec, power=None),
        backend.image,
        lambda: pytest.fail("not to be opened"),
        backend.target,
    )
    with pytest.raises(BudgetError, match="power of nucleo_l496zg is not known"):
        Evaluator(nameless, LookupTable.open("sqlite://"), Budget(energy_mj=1))
    assert Evaluator(nameless, LookupTable.open("sqlite://")).spec.power is None


def test_a_board_without_cycles_cannot_be_evaluated() -> None:
    with pytest.raises(BoardError, match="functional only"):
        open_backend("mps2_an386")


@pytest.mark.parametrize(
    "layer",
    [dense((1700,), 500), conv2d((16, 16, 16), 17_000, 1, strides=16)],
    ids=Layer.describe,
)
def test_a_layer_that_fits_the_chip_can_be_run(backend: BoardBackend, layer: Layer) -> None:
    """Even where one of its parameters is larger than what the pool keeps of that kind."""
    network = Network(layer.input_shape, (Node(layer, (0,)),))
    judge = evaluator(backend)
    judge.check_fits(network)
    cost = judge.evaluate(network).cost
    assert cost.cycles * PEAK_MACS_PER_CYCLE > cost.macs
    assert cost.provenance["latency_ms"] is Provenance.SIMULATED


def test_what_the_kernels_cannot_run_is_a_verdict(backend: BoardBackend) -> None:
    """The kernels keep positions in 16 signed bits, although RAM and flash would suffice."""
    layer = max_pool2d((40_000, 1, 1), (2, 1))
    found = evaluator(backend).evaluate(Network(layer.input_shape, (Node(layer, (0,)),)))
    assert not found.verdict.feasible
    assert found.verdict.rung is Rung.TABLE
    assert "32767" in found.verdict.describe() or "32,767" in found.verdict.describe()
    assert found.cost.basis == "static"
