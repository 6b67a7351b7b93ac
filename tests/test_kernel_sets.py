"""Kernel sets and variants of the firmware: what a run is filed under, and what it takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwnas.errors import FirmwareBuildError, NetworkError, PlanError, TableError
from hwnas.evaluator import Evaluator
from hwnas.firmware import Optimization, Variant
from hwnas.hardware_cost import HardwareCost
from hwnas.kernels import CMSIS_NN, FLOAT32, KERNEL_SETS, REFERENCE
from hwnas.network import DType, Network, NetworkBuilder
from hwnas.opening import open_backend
from hwnas.snapping import snap
from hwnas.table import LookupTable
from hwnas.target import TargetIdentity

BOARD = "nucleo_l496zg"


def two_layers() -> Network:
    b = NetworkBuilder((64,))
    b.dense(b.dense(b.input, 33, activation="relu"), 10)
    return b.build()


def judged(kernel_set: str, variant: Variant | None = None) -> tuple[int, int, TargetIdentity]:
    with Evaluator.for_board(
        BOARD, kernel_set=kernel_set, variant=variant or Variant()
    ) as evaluator:
        cost = evaluator.evaluate(two_layers()).cost
        return cost.cycles, cost.flash_bytes, evaluator.backend.target


def test_each_set_is_a_target_of_its_own_and_runs_in_its_type() -> None:
    found = {name: judged(name) for name in KERNEL_SETS}
    cycles = {name: figures[0] for name, figures in found.items()}
    assert cycles["cmsis_nn"] < min(cycles["reference"], cycles["float32"])
    targets = [figures[2] for figures in found.values()]
    assert [target.kernel_set for target in targets] == list(KERNEL_SETS)
    assert len({target.measured_code_sha256 for target in targets}) == 3


def test_a_candidate_described_in_int8_is_judged_and_stored_as_floats(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/table.db"
    network = two_layers()
    found: dict[str, HardwareCost] = {}
    for name in ("cmsis_nn", "float32"):
        with Evaluator.for_board(BOARD, kernel_set=name, table=url) as evaluator:
            found[name] = evaluator.evaluate(network).cost
            target = evaluator.backend.target
        # What is in the table needs no board.
        with LookupTable.open(url) as table:
            rows = table.require(target, [row.layer for row in found[name].layers])
            assert sum(row.cycles_median for row in rows.values()) == sum(
                row.cycles for row in found[name].layers
            )
    assert {row.layer.dtype for row in found["cmsis_nn"].layers} == {DType.INT8}
    assert {row.layer.dtype for row in found["float32"].layers} == {DType.FLOAT32}
    with LookupTable.open(url) as table, pytest.raises(TableError, match="missing"):
        table.require(target, [row.layer for row in found["cmsis_nn"].layers])


def test_floats_take_four_bytes_each_and_no_multipliers() -> None:
    network = two_layers()
    with open_backend(BOARD, kernel_set="float32") as backend:
        evaluator = Evaluator(backend, LookupTable.open("sqlite://"))
        cost = evaluator.static_cost(network)
        weights = 64 * 33 + 33 * 10 + 33 + 10
        assert cost.parameters == weights
        code = backend.image.manifest.code_bytes("float32")
        aligned = sum(-(-4 * n // 32) * 32 for n in (64 * 33, 33, 33 * 10, 10))
        assert cost.flash_bytes == code + aligned + 48 + 7 * 24 + 2 * 96


def test_how_the_firmware_is_compiled_is_part_of_the_target() -> None:
    plain, small = judged("cmsis_nn"), judged("cmsis_nn", Variant("Os"))
    assert plain[0] < small[0] and plain[1] > small[1]
    assert plain[2].compiler_flags.endswith(" -O3") and small[2].compiler_flags.endswith(" -Os")
    software = judged("float32", Variant(fpu=False))
    assert "-mfloat-abi=soft" in software[2].compiler_flags
    assert software[0] > 3 * judged("float32")[0]


def test_what_is_no_set_or_no_optimization_is_refused() -> None:
    with pytest.raises(PlanError, match=r"kernel set 'xnnpack'.*cmsis_nn, reference, float32"):
        open_backend(BOARD, kernel_set="xnnpack")
    with pytest.raises(FirmwareBuildError, match="optimization 'O9' is none of Os, O3, Ofast"):
        Variant("O9")
    assert Variant(Optimization.SIZE) == Variant("Os")


def test_only_cmsis_nn_likes_multiples_of_four() -> None:
    network = two_layers()
    assert snap(network, rule=CMSIS_NN.snapping).layers[0].output_shape == (32,)
    for kernels in (REFERENCE, FLOAT32):
        assert snap(network, rule=kernels.snapping) is network


def test_a_network_in_another_type_loses_its_conversions() -> None:
    b = NetworkBuilder((8, 8, 2))
    x = b.conv2d(b.quantize(b.input), 4, 3, name="first")
    b.dequantize(b.add(x, b.relu(x)))
    network = b.build()
    floats = network.as_dtype(DType.FLOAT32)
    assert floats.dtype is DType.FLOAT32
    assert [(str(n.layer.operator), n.inputs) for n in floats.nodes] == [
        ("conv2d", (0,)),
        ("relu", (1,)),
        ("add", (1, 2)),
    ]
    assert floats.nodes[0].name == "first"
    assert floats.as_dtype(DType.FLOAT32) is floats
    assert floats.as_dtype(DType.INT8).as_dtype(DType.FLOAT32) == floats
    b = NetworkBuilder((4,))
    b.dequantize(b.quantize(b.input))
    with pytest.raises(NetworkError, match="1 to 512 layers, not 0"):
        b.build().as_dtype(DType.FLOAT32)
