"""Published measurements against the virtual boards."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import networks
import pytest
from calibration_rows import FILE as CALIBRATION
from calibration_rows import calibration_rows
from command_line import hwnas, refused
from hypothesis import given, settings
from hypothesis import strategies as st

from hwnas.boards import list_boards, load_board
from hwnas.cost import layer_cost, static_cost
from hwnas.errors import BoardError, MeasurementError
from hwnas.firmware import Variant
from hwnas.kernels import KERNEL_SETS
from hwnas.network import Layer, Network
from hwnas.opening import open_backend
from hwnas.validation import PUBLISHED, PublishedRow, Split, load_rows, summarize, validate
from hwnas.validation._subjects import LatencyRatio, SingleConvolution, SweepMean, WholeNetwork
from hwnas.validation.networks import NETWORKS
from hwnas.validation.sweeps import SWEEPS, sweep_layers

PAPER = CALIBRATION.parents[1] / "paper.txt"


def rows_of(board: str, kernel_set: str = "cmsis_nn") -> list[PublishedRow]:
    return [row for row in load_rows() if (row.board, row.kernel_set) == (board, kernel_set)]


# The rows


def test_the_rows_that_come_with_hwnas() -> None:
    rows = load_rows()
    assert {row.board for row in rows} <= set(list_boards())
    assert {row.kernel_set for row in rows} == set(KERNEL_SETS)
    # The paper's slowest: floats without the FPU. MLPerf Tiny's reference: Mbed's default, -Os.
    assert {row.variant for row in rows if row.kernel_set == "float32"} == {Variant("Os", False)}
    assert {row.variant for row in rows if row.setup_name == "mlperf_tiny"} == {Variant("Os")}
    by_place = [(row.setup_name, row.place) for row in rows]
    assert by_place.count(("heim_cmsis_nn", "Table 2")) == 6
    assert by_place.count(("heim_float", "Table 2")) == 5
    assert [row.place for row in rows].count("Table 3") == 5
    assert [row.place for row in rows].count("Table 4") == 16
    for row in rows:
        clock = load_board(row.board).core.clock_hz
        assert row.clock_hz == clock or row.board == "nucleo_l552ze_q"
        assert row.setup.citation in row.source and row.place in row.source


@pytest.mark.skipif(not PAPER.exists(), reason="the paper does not lie beside the checkout")
def test_the_papers_figures_stand_in_the_paper() -> None:
    text = PAPER.read_text(encoding="utf-8")
    series = tomllib.loads(PUBLISHED.read_text(encoding="utf-8"))["series"]
    checked = 0
    for one in series:
        if one["setup"] not in ("heim_cmsis_nn", "heim_reference", "heim_float"):
            continue
        for row in one["rows"]:
            for value in (row["measured"], row.get("gain", row["measured"])):
                assert str(value) in text
                checked += 1
    assert checked > 50


def test_rows_agree_with_the_board_files() -> None:
    # The estimates of the static rung go through the same two networks.
    for row in load_rows():
        if row.place != "Table 2" or row.kernel_set != "cmsis_nn":
            continue
        published = load_board(row.board).published
        assert published is not None and isinstance(row.subject, WholeNetwork)
        point = published.smaller if row.subject.network == "LeNet" else published.larger
        assert point.cycles == pytest.approx(row.measured * row.clock_hz / 1e3, rel=1e-4)
        assert point.macs == static_cost(NETWORKS[row.subject.network]()).macs


@pytest.mark.skipif(not CALIBRATION.exists(), reason="the rows do not lie beside the checkout")
def test_what_was_fitted_on_is_marked_so() -> None:
    fitted_on = dict(calibration_rows())
    rows = rows_of("nucleo_f446re")
    assert len(rows) >= 5
    for row in rows:
        assert isinstance(row.subject, SingleConvolution)
        layer = row.subject.layer
        assert (layer in fitted_on) == (row.split is Split.FITTED)
        if layer in fitted_on:
            assert fitted_on[layer] == row.measured


def test_published_networks_have_their_published_sizes() -> None:
    macs = {name: static_cost(make()).macs for name, make in NETWORKS.items()}
    assert macs["LeNet"] == 274_656 and macs["ResNet-20"] == 40_813_184
    parameters = {
        name: static_cost(NETWORKS[name]()).parameters
        for name in ("depthwise sweep, 1x1 and 100 channels", "LeNet")
    }
    # As Keras counts them in M_01f_Depthwise-Conv.ipynb, and Appendix C's LeNet.
    assert list(parameters.values()) == [576_410, 81_194]


@pytest.mark.parametrize("sweep", SWEEPS)
def test_sweeps_split_by_what_their_layers_read(sweep: str) -> None:
    odd, even, fours, every = (
        sweep_layers(sweep, lengths) for lengths in ("odd", "even", "multiples of 4", "all")
    )
    assert sorted(map(str, odd + even)) == sorted(map(str, every))
    assert set(fours) < set(even) and len(fours) * 2 == len(even)
    assert all(layer.input_shape[-1] % 2 == 1 for layer in odd)


# Statistics

values = st.lists(
    st.tuples(st.floats(1, 1e9), st.floats(1, 1e9)), min_size=1, max_size=30, unique=True
)


@given(values, st.floats(0.01, 100))
@settings(deadline=None)  # The first example imports scipy.
def test_summaries(pairs: list[tuple[float, float]], unit: float) -> None:
    measured, simulated = (list(column) for column in zip(*pairs, strict=True))
    summary = summarize(measured, simulated)
    errors = [b / a - 1 for a, b in pairs]
    assert summary.rows == len(pairs)
    assert summary.mape == pytest.approx(sum(map(abs, errors)) / len(errors))
    assert summary.bias == pytest.approx(sum(errors) / len(errors), abs=1e-9 * summary.mape)
    assert summary.within_5 <= summary.within_10 <= 1
    same = summarize(measured, measured)
    assert (same.mape, same.bias, same.within_5) == (0, 0, 1)
    scaled = summarize([unit * a for a in measured], [unit * b for b in simulated])
    assert scaled.mape == pytest.approx(summary.mape)
    if summary.spearman is not None:
        assert -1 - 1e-9 <= summary.spearman <= 1 + 1e-9
        assert same.spearman == pytest.approx(1)


def test_ranks_of_few_or_equal_values_are_not_told() -> None:
    assert summarize([1, 2, 3, 4], [1, 2, 3, 4]).spearman is None
    assert summarize([1, 2, 3, 4, 5], [7, 7, 7, 7, 7]).spearman is None
    assert summarize([1, 2, 3, 4, 5], [5, 4, 3, 2, 1]).spearman == pytest.approx(-1)
    # Ties get the mean of their ranks: 1, 2, 3, 4.5, 4.5, 6 against 1 to 6.
    tied = summarize([1, 2, 3, 4, 5, 6], [1, 2, 3, 5, 5, 6]).spearman
    assert tied == pytest.approx(0.98561076, abs=1e-6)


# Running


class Recorded:
    """Runs nothing: cycles are given."""

    def network_cycles(self, network: Network) -> int:
        return len(network.nodes)

    def layer_cycles(self, layers: Sequence[Layer]) -> list[int]:
        return [3 * layer_cost(layer).paper_macs for layer in layers]


def test_what_becomes_of_cycles() -> None:
    bench = Recorded()
    assert WholeNetwork("LeNet").simulate(bench) == len(networks.lenet().nodes)
    ratio = len(networks.resnet20().nodes) / len(networks.lenet().nodes)
    assert LatencyRatio(("ResNet-20", "LeNet")).simulate(bench) == ratio
    assert SweepMean("dense", "odd").simulate(bench) == pytest.approx(3)


def test_a_board_against_what_was_published() -> None:
    validation = validate(rows=rows_of("disco_f469ni"))
    found = {c.row.subject.title: c for c in validation.comparisons}
    assert list(found) == ["LeNet", "ResNet-20", "ResNet-20 / LeNet"]
    with open_backend("disco_f469ni") as backend:
        record = backend.measure_network(networks.lenet())
    assert record is not None
    assert found["LeNet"].simulated == pytest.approx(record.cycles_median / 180e3)
    assert found["LeNet"].error == pytest.approx(found["LeNet"].simulated / 16.1 - 1)
    quotient = found["ResNet-20"].simulated / found["LeNet"].simulated
    assert found["ResNet-20 / LeNet"].simulated == pytest.approx(quotient)
    summary = validation.summaries["latency"]
    assert summary.rows == 2
    assert summary.mape == pytest.approx(
        sum(abs(found[name].error) for name in ("LeNet", "ResNet-20")) / 2
    )
    (target,) = validation.targets
    assert target.board == "disco_f469ni" and target.provenance == "simulated"
    json.dumps(validation.to_dict(), allow_nan=False)
    # Older kernels under another runtime and compiler: docs/timing.md says what to expect.
    assert summary.mape < 0.25


def test_rows_that_cannot_run_are_skipped_with_the_reason() -> None:
    row = rows_of("nucleo_f446re")[0]
    huge = SingleConvolution.__pydantic_validator__.validate_python(
        {"convolution": {"input": [200, 200, 64], "filters": 64, "kernel": [3, 3]}}
    )
    rows = [row, replace(row, kernel_set="mystery"), replace(row, subject=huge)]
    validation = validate(rows=rows)
    assert [c.row for c in validation.comparisons] == [row]
    reasons = {skip.row.kernel_set: skip.reason for skip in validation.skipped}
    assert set(reasons) == {"mystery", "cmsis_nn"}
    assert "kernel set mystery is not in the firmware" in reasons["mystery"]


def test_what_a_table_holds_is_not_run_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/table.db"
    rows = rows_of("nucleo_f446re")
    first = validate(rows=rows, table=url)
    told: list[str] = []
    second = validate(rows=rows, table=url, progress=told.append)
    assert first.to_dict() == second.to_dict()
    assert any("16x5x64" in text for text in told)


@pytest.mark.skipif(not CALIBRATION.exists(), reason="the rows do not lie beside the checkout")
def test_convolutions_measured_on_silicon() -> None:
    # Kernels of another version under another runtime, yet of the same make: 683 rows are within
    # 2.0 % on average (benchmarks/bench_calibration.py).
    rows = calibration_rows()[::8]
    with open_backend("nucleo_f446re") as backend:
        records = list(backend.measure_layers([layer for layer, _ in rows]))
    summary = summarize(
        [measured for _, measured in rows], [record.cycles_median for record in records]
    )
    assert summary.rows > 80
    assert summary.mape < 0.03 and abs(summary.bias) < 0.02
    assert summary.within_10 > 0.95
    assert summary.spearman is not None and summary.spearman > 0.999


# Bad input


def test_malformed_files(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    head = '[setups.x]\ncitation = "c"\nmeasured_with = "m"\n'
    series = (
        '[[series]]\nsetup = "x"\nplace = "p"\nboard = "nucleo_l496zg"\nclock_hz = 80000000\n'
        'kernel_set = "cmsis_nn"\nunit = "ms"\nsplit = "never seen"\n'
    )
    good = 'rows = [{ of = { network = "LeNet" }, measured = 30.0 }]\n'
    path.write_text(head + series + good)
    (row,) = load_rows(path)
    assert row.measured == 30 and row.split is Split.UNSEEN
    for content, words in {
        "rows =": "not TOML",
        head + series + 'optimization = "O9"\n' + good: "optimization",
        head: "series",
        head + series: "rows",
        head + series + good.replace("LeNet", "AlexNet"): "there are: LeNet",
        head + series + good.replace("30.0", "0"): "measured",
        head + series + good.replace("30.0", "nan"): "measured",
        head + series + good.replace("network", "netwrok"): "netwrok",
        head + series.replace('"x"', '"y"') + good: "setup 'y' is not described",
        head + series.replace('"ms"', '"ratio"') + good: "LeNet cannot be told in ratio",
        head + series.replace('"never seen"', '"perhaps"') + good: "split",
    }.items():
        path.write_text(content)
        with pytest.raises(MeasurementError, match=r"mine\.toml") as caught:
            load_rows(path)
        assert words in str(caught.value)
    with pytest.raises(MeasurementError, match="there is no such file"):
        load_rows(tmp_path / "none.toml")


def test_boards_without_rows() -> None:
    with pytest.raises(MeasurementError, match="no measurements of nrf52840_dk"):
        validate(["nrf52840_dk"])
    with pytest.raises(BoardError, match="did you mean nucleo_l496zg"):
        validate(["nucleo_l469zg"])


# The command


def test_the_command(tmp_path: Path) -> None:
    rows = tmp_path / "rows.toml"
    rows.write_text(
        '[setups.mine]\ncitation = "my bench"\nmeasured_with = "my kernels"\n'
        '[[series]]\nsetup = "mine"\nplace = "page 3"\nboard = "nucleo_l496zg"\n'
        'clock_hz = 40000000\nkernel_set = "cmsis_nn"\nunit = "cycles"\nsplit = "not known"\n'
        'rows = [{ of = { network = "LeNet" }, measured = 2500000 }]\n'
        '[[series]]\nsetup = "mine"\nplace = "page 4"\nboard = "nucleo_l496zg"\n'
        'clock_hz = 80000000\nkernel_set = "other"\nunit = "ms"\nsplit = "not known"\n'
        'rows = [{ of = { network = "LeNet" }, measured = 30 }]\n'
    )
    args = ("validate", "--board", "nucleo_l496zg", "--rows", str(rows))
    shown = hwnas(*args, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    for words in ("simulated", "LeNet", "40, here 80", "mine, page 3", "my bench", "my kernels",
                  "MAPE", "Spearman", "kernel set other is not in the firmware"):  # fmt: skip
        assert words in shown.stdout
    plain = json.loads(hwnas(*args, "--json", cwd=tmp_path).stdout)
    (row,) = plain["rows"]
    assert row["source"] == "my bench; page 3" and row["provenance"] == "simulated"
    assert row["error"] == pytest.approx(row["simulated"] / 2_500_000 - 1)
    assert plain["skipped"][0]["measured"] == 30
    assert plain["summaries"]["latency"]["rows"] == 1
    assert plain["targets"][0]["timing_model"]


def test_the_command_on_bad_input(tmp_path: Path) -> None:
    refused(hwnas("validate", "-b", "nrf52840_dk", cwd=tmp_path), "MeasurementError", "take one of")
    missing = hwnas("validate", "--rows", "none.toml", cwd=tmp_path)
    refused(missing, "none.toml", "there is no such file")
