"""Why a network costs what it costs: the real firmware on virtual boards, and behind a wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from networks import residual, resnet20
from test_kernels import LAYERS
from wire import WiredBoard

from hwnas._kernel_rules import CONVOLUTION_RULES, DEPTHWISE_RULES
from hwnas.backend import BoardBackend
from hwnas.cost import layer_cost
from hwnas.errors import BudgetError
from hwnas.evaluator import Evaluator
from hwnas.explain import Channels, ChannelSteps, explain
from hwnas.explain._best import PROBES
from hwnas.explain._channels import neighbours, varied_channels, with_channels
from hwnas.explain._kernel import KernelWatch
from hwnas.firmware import Optimization, Variant
from hwnas.kernels import CMSIS_NN, KERNEL_SETS, kernel_rule, kernel_variant
from hwnas.network import (
    MAX_DIMENSION,
    DType,
    Layer,
    Network,
    NetworkBuilder,
    Operator,
    binary,
    conv2d,
    dense,
    depthwise_conv2d,
    reshape,
)
from hwnas.opening import open_backend, virtual_client
from hwnas.snapping import layer_changes, snap
from hwnas.table import LookupTable
from hwnas.target import Provenance


def evaluator(backend: BoardBackend) -> Evaluator:
    return Evaluator(backend, LookupTable.open("sqlite://"))


@pytest.fixture(scope="module")
def judge(backend: BoardBackend) -> Evaluator:
    return evaluator(backend)


def at_the_limit(filters: int) -> Network:
    """Six filters fit the NUCLEO-L496ZG's RAM, seven do not."""
    b = NetworkBuilder((180, 180, 3))
    b.conv2d(b.conv2d(b.input, filters, 3), 2, 1)
    return b.build()


def test_the_dearest_layers_first_with_their_shares(judge: Evaluator, lenet: Network) -> None:
    found = explain(judge, lenet, top=100)
    rows = judge.table_cost(lenet).layers
    assert found.provenance is Provenance.SIMULATED
    assert found.cost == judge.network_cost(lenet)
    assert [name for layer in found.layers for name in layer.names] == [
        row.name for row in sorted(rows, key=lambda row: -row.cycles)
    ]
    assert sum(layer.share for layer in found.layers) == pytest.approx(1)
    assert found.hidden == 0
    few = explain(judge, lenet, top=2)
    assert (len(few.layers), few.hidden) == (2, len(found.layers) - 2)
    assert few.layers[0].cycles == max(row.cycles for row in rows)


def test_layers_that_differ_by_their_activation_alone_are_one(judge: Evaluator) -> None:
    found = explain(judge, resnet20(), top=3)
    assert [len(layer.names) for layer in found.layers] == [6, 5, 5]
    first = found.layers[0]
    total = sum(row.cycles for row in judge.table_cost(resnet20()).layers)
    assert first.share == pytest.approx(6 * first.cycles / total)


def test_asking_twice_measures_nothing(judge: Evaluator, lenet: Network) -> None:
    before = explain(judge, lenet)
    rows = judge.table.stats().layer_rows

    def unreachable() -> None:
        raise AssertionError("the board was opened for what is known")

    backend = judge.backend
    deaf = BoardBackend(backend.spec, backend.image, unreachable, backend.target)  # type: ignore[arg-type]
    assert explain(Evaluator(deaf, judge.table), lenet) == before
    assert judge.table.stats().layer_rows == rows


def test_neighbours_are_what_the_board_runs(
    judge: Evaluator, backend: BoardBackend, lenet: Network
) -> None:
    (layer,) = explain(judge, lenet, top=1).layers
    assert layer.layer == conv2d((32, 32, 1), 6, 3, padding="valid", activation="relu")
    output, inputs = layer.channels
    assert counts(output) == [5, 6, 7, 8] and counts(inputs) == [1, 2, 4]
    assert (output.which, inputs.which) == (Channels.OUTPUT, Channels.INPUT)
    assert (output.next_multiple, inputs.next_multiple) == (8, 4)
    for step in output.steps:
        assert step.layer == replace(layer.layer, output_shape=(30, 30, step.channels))
    for step in inputs.steps:
        assert step.layer == replace(layer.layer, input_shapes=((32, 32, step.channels),))
    asked = [step.layer for steps in layer.channels for step in steps.steps]
    fresh = {record.layer: record.cycles_median for record in backend.measure_layers(asked)}
    for steps in layer.channels:
        now = steps.at(steps.channels)
        assert now is not None and now.cycles == layer.cycles
        for step in steps.steps:
            assert step.cycles == fresh[step.layer]
            assert step.latency_ms == pytest.approx(step.cycles / 80e3)
            assert step.ns_per_mac == pytest.approx(
                step.cycles * 12.5 / layer_cost(step.layer).macs
            )


def counts(steps: ChannelSteps) -> list[int]:
    return [step.channels for step in steps.steps]


def test_the_best_is_the_best_of_all_that_the_table_knows(judge: Evaluator, lenet: Network) -> None:
    found = explain(judge, lenet)
    records = judge.table.records(judge.backend.target)
    for layer in found.layers:
        if layer.layer.operator not in PROBES:
            assert layer.best is None and layer.times_best is None and layer.macs == 0
            continue
        same = [record for record in records if record.layer.operator is layer.layer.operator]
        assert layer.best is not None and layer.best.known == len(same)
        least = min(record.cycles_median / layer_cost(record.layer).macs for record in same)
        assert layer.best.ns_per_mac == pytest.approx(least * 12.5)
        assert layer.ns_per_mac == pytest.approx(layer.times_best * layer.best.ns_per_mac)
        assert PROBES[layer.layer.operator] in [record.layer for record in same]
        assert layer.times_best >= 1


def test_a_better_layer_in_the_table_becomes_the_best(
    backend: BoardBackend, lenet: Network
) -> None:
    better = conv2d((8, 8, 256), 16, 1)
    with LookupTable.open("sqlite://") as table:
        before = explain(Evaluator(backend, table), lenet, top=1).layers[0].best
        assert before is not None and before.layer == PROBES[Operator.CONV2D]
        table.put(backend.target, backend.measure_layers([better]))
        after = explain(Evaluator(backend, table), lenet, top=1).layers[0].best
    assert after is not None and after.layer == better and after.ns_per_mac < before.ns_per_mac


@pytest.mark.parametrize("board", ["nucleo_l496zg", "nucleo_f767zi", "nucleo_l552ze_q"])
@pytest.mark.parametrize("optimization", [Optimization.SPEED, Optimization.SIZE])
def test_every_rule_is_seen_at_work(board: str, optimization: Optimization) -> None:
    kernels = {rule.function for rule in (*CONVOLUTION_RULES, *DEPTHWISE_RULES)}
    layers = {kernel_rule(layer): layer for layer in LAYERS}
    with (
        open_backend(board, variant=Variant(optimization)) as opened,
        KernelWatch(opened) as watch,
    ):
        for rule in (*CONVOLUTION_RULES, *DEPTHWISE_RULES):
            found = watch.kernel(layers[rule])
            assert (found.function, found.why, found.works) == (
                rule.function, rule.why, rule.works,
            )  # fmt: skip
            assert found.is_seen and found.ran is not None
            ran = kernels.intersection(entry.name for entry in found.ran)
            also = {"arm_convolve_s8"} if rule.function == "arm_convolve_1_x_n_s8" else set()
            assert ran == {rule.function} | also


@pytest.mark.parametrize("name", sorted(KERNEL_SETS))
def test_every_kernel_is_seen_by_its_name(name: str) -> None:
    kernels = KERNEL_SETS[name]
    with open_backend("nucleo_l496zg", kernel_set=name) as opened, KernelWatch(opened) as watch:
        for layer in LAYERS:
            if kernels.dtype is DType.FLOAT32 and layer.operator.endswith("quantize"):
                continue
            found = watch.kernel(replace(layer, dtype=kernels.dtype))
            assert found.is_seen, found
            assert all(entry.calls > 0 for entry in found.ran or ())


def test_watching_twice_counts_one_run_each_time(backend: BoardBackend) -> None:
    layer = conv2d((8, 8, 4), 6, 3)
    with KernelWatch(backend) as watch:
        first, second = watch.kernel(layer), watch.kernel(layer)
    assert first == second and first.ran is not None
    calls = {entry.name: entry.calls for entry in first.ran}
    assert calls["arm_convolve_s8"] == 1
    assert calls["arm_nn_mat_mult_kernel_s8_s16"] == 32  # 64 windows, two a pass


@pytest.mark.parametrize("layer", LAYERS, ids=Layer.describe)
def test_a_neighbour_differs_by_its_channels_alone(layer: Layer) -> None:
    for which, count in varied_channels(layer).items():
        found = neighbours(layer, which)
        following = (count // 4 + 1) * 4
        assert list(found) == sorted({count - 1, count, count + 1, following} - {0})
        assert found[count] == layer
        for channels, near in found.items():
            assert varied_channels(near)[which] == channels
            assert with_channels(near, which, count) == layer
            assert [s[:-1] for s in near.input_shapes] == [s[:-1] for s in layer.input_shapes]
            assert near.output_shape[:-1] == layer.output_shape[:-1]


def test_what_cannot_change_alone() -> None:
    none = [layer for layer in LAYERS if not varied_channels(layer)]
    assert {layer.operator for layer in none} == {Operator.CONV2D, Operator.CONCATENATION}
    assert all(layer.groups > 1 for layer in none if layer.operator is Operator.CONV2D)
    assert not varied_channels(reshape((4, 4, 4), (64,)))


def test_neighbours_end_where_channels_do() -> None:
    assert list(neighbours(dense((4,), 1), Channels.OUTPUT)) == [1, 2, 4]
    assert list(neighbours(dense((4,), MAX_DIMENSION), Channels.OUTPUT)) == [65_534, 65_535]
    wide = depthwise_conv2d((1, 1, MAX_DIMENSION // 3), 1, depth_multiplier=3)
    assert list(neighbours(wide, Channels.BOTH)) == [21_844, 21_845]


def test_a_gate_is_spread_over_as_many_channels() -> None:
    gated = binary(Operator.MUL, (6, 6, 5), (1, 1, 5))
    near = with_channels(gated, Channels.BOTH, 8)
    assert (near.input_shapes, near.output_shape) == (((6, 6, 8), (1, 1, 8)), (6, 6, 8))
    constant = with_channels(binary(Operator.ADD, (6, 6, 5), operand=(5,)), Channels.BOTH, 8)
    assert constant.operand == (8,)


def test_what_snapping_saves_is_the_difference_of_two_whole_networks(
    judge: Evaluator, lenet: Network
) -> None:
    effect = explain(judge, lenet).snapping
    after = judge.network_cost(snap(lenet))
    assert effect.network == snap(lenet) != lenet
    assert effect.changes == layer_changes(lenet, snap(lenet))
    assert (effect.before, effect.after) == (judge.network_cost(lenet), after)
    assert effect.saved is not None
    assert effect.saved["latency_ms"] == pytest.approx(effect.before.latency_ms - after.latency_ms)
    assert effect.saved["ram_bytes"] == effect.before.ram_bytes - after.ram_bytes
    assert effect.saved["flash_bytes"] == effect.before.flash_bytes - after.flash_bytes


def test_snapping_downwards_saves_time(judge: Evaluator) -> None:
    b = NetworkBuilder((8, 8, 4))
    b.conv2d(b.conv2d(b.input, 9, 3), 4, 3)
    effect = explain(judge, b.build()).snapping
    assert effect.saved is not None and effect.saved["latency_ms"] > 0


def test_snapping_that_changes_nothing(judge: Evaluator) -> None:
    b = NetworkBuilder((8, 8, 3))
    b.conv2d(b.conv2d(b.input, 8, 3), 2, 3)
    effect = explain(judge, b.build()).snapping
    assert not effect.changes and effect.after == effect.before
    assert effect.saved == {"latency_ms": 0, "ram_bytes": 0, "flash_bytes": 0}


def test_what_does_not_fit_is_told_and_the_rest_goes_on(judge: Evaluator) -> None:
    found = explain(judge, at_the_limit(6))
    steps = found.layers[0].channels[0]
    assert [(step.channels, step.cycles is None) for step in steps.steps] == [
        (5, False), (6, False), (7, True), (8, True),
    ]  # fmt: skip
    refused = steps.at(8)
    assert refused is not None and "exceed the workspace" in refused.refusal
    assert refused.latency_ms is None and refused.ns_per_mac is None
    assert found.snapping.after is None and found.snapping.saved is None
    assert "bytes of RAM" in found.snapping.refusal
    json.dumps(found.to_dict(), allow_nan=False)


def test_the_network_itself_must_fit(judge: Evaluator) -> None:
    with pytest.raises(BudgetError, match="bytes of RAM on nucleo_l496zg"):
        explain(judge, at_the_limit(8))


def test_top_must_be_positive(judge: Evaluator, lenet: Network) -> None:
    with pytest.raises(ValueError, match="top 0"):
        explain(judge, lenet, top=0)


def test_a_network_that_runs_nothing(judge: Evaluator) -> None:
    b = NetworkBuilder((4, 4, 4))
    b.flatten(b.input)
    found = explain(judge, b.build())
    assert found.layers == () and found.hidden == 0


def test_a_candidate_in_int8_is_explained_as_floats_where_the_kernels_are_for_them() -> None:
    with open_backend("nucleo_l496zg", kernel_set="float32") as opened:
        found = explain(evaluator(opened), residual(), top=1)
    (layer,) = found.layers
    assert layer.layer.dtype is DType.FLOAT32 and layer.kernel.function == "float32_conv2d"
    assert layer.best is not None and layer.best.layer.dtype is DType.FLOAT32
    assert not found.snapping.changes


def test_plain_data_says_how_it_was_obtained(judge: Evaluator, lenet: Network) -> None:
    plain = json.loads(json.dumps(explain(judge, lenet).to_dict(), allow_nan=False))
    assert plain["provenance"] == "simulated"
    assert {layer["provenance"] for layer in plain["layers"]} == {"simulated"}
    for cost in (plain["cost"], plain["snapping"]["before"], plain["snapping"]["after"]):
        assert cost["provenance"]["latency_ms"] == "simulated"
        assert cost["provenance"]["ram_bytes"] == "estimated"
    first = plain["layers"][0]
    assert first["times_best"] == pytest.approx(first["ns_per_mac"] / first["best"]["ns_per_mac"])
    assert first["kernel"]["is_seen"] is True


@pytest.fixture(scope="module")
def wired(backend: BoardBackend) -> Iterator[WiredBoard]:
    board = virtual_client(backend.spec, backend.image).transport
    with WiredBoard(board, backend.spec.core.clock_hz) as opened:
        yield opened


def test_a_physical_board_cannot_be_watched(wired: WiredBoard) -> None:
    b = NetworkBuilder((8, 8, 3))
    b.conv2d(b.conv2d(b.input, 7, 3), 2, 1)
    with open_backend("nucleo_l496zg", port=wired.port) as physical:
        found = explain(evaluator(physical), b.build())
    assert found.provenance is Provenance.MEASURED
    for layer in found.layers:
        assert layer.provenance is Provenance.MEASURED
        assert layer.kernel.ran is None and layer.kernel.is_seen is None
        assert layer.kernel.function == kernel_variant(layer.layer, CMSIS_NN)
        assert all(step.cycles for steps in layer.channels for step in steps.steps)
    assert found.snapping.after is not None
    assert found.snapping.after.provenance["latency_ms"] is Provenance.MEASURED
