"""``hwnas explain`` and ``hwnas snap`` as a user calls them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import keras_models
import pytest
from command_line import hwnas, refused
from wire import WiredBoard

from hwnas.backend import BoardBackend
from hwnas.cli._output import results
from hwnas.cli.explain import _show_kernels
from hwnas.evaluator import Evaluator
from hwnas.explain import explain
from hwnas.models import load_network
from hwnas.network import Network, NetworkBuilder
from hwnas.opening import virtual_client
from hwnas.snapping import snap
from hwnas.table import LookupTable

BOARD = ("--board", "nucleo_l496zg")


@pytest.fixture
def model(tmp_path: Path, lenet: Network) -> Path:
    path = tmp_path / "lenet.json"
    path.write_text(lenet.to_json())
    return path


def test_an_explanation(tmp_path: Path, model: Path) -> None:
    shown = hwnas("explain", model.name, *BOARD, "--table", "t.db", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    out = shown.stdout
    title = "lenet.json (cmsis_nn) on nucleo_l496zg at 80 MHz"
    assert re.match(rf"{re.escape(title)}: \d+\.\d{{3}} ms, simulated", out)
    rows = re.findall(r"^ (\d)  (?:conv2d|dense|max_pool2d)\b", out, re.M)
    assert rows == ["1", "2", "3", "4", "5"] and "and 3 other layers that cost less" in out
    assert re.search(r"best known for conv2d, of \d[\d,]* layers .* ns/MAC, simulated$", out, re.M)
    assert "1, 2: arm_convolve_s8 (arm_convolve_wrapper_s8.c)" in out
    assert re.search(r"1 ran: .*arm_nn_mat_mult_kernel_s8_s16 x450", out)
    assert "run alone, simulated" in out
    assert re.search(r"^ 1  output 6 +5: \d+\.\d{3} \(-\d+\.\d%\) ", out, re.M)
    assert re.search(r"latency_ms .* simulated: whole network", out)
    assert re.search(r"ram_bytes .* estimated", out)
    assert "must then be trained again" in out


def test_json_is_the_librarys(tmp_path: Path, model: Path, lenet: Network) -> None:
    args = ("explain", str(model), *BOARD, "--table", "t.db", "--top", "2", "--json")
    first = hwnas(*args, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert hwnas(*args, cwd=tmp_path).stdout == first.stdout
    plain = json.loads(first.stdout)
    with Evaluator.for_board("nucleo_l496zg", table=str(tmp_path / "t.db")) as judge:
        target = judge.backend.target
        assert judge.table.get_network(target, snap(lenet).digest) is not None
        found = explain(judge, lenet, top=2)
    expected = {"model": str(model), "kernels": "cmsis_nn", **found.to_dict()}
    assert plain == json.loads(json.dumps(expected))
    assert plain["provenance"] == "simulated" and len(plain["layers"]) == 2


def test_other_kernels_and_images(tmp_path: Path, model: Path) -> None:
    done = hwnas(
        "explain", str(model), *BOARD, "--table", "t.db", "--kernels", "reference",
        "--optimization", "Os", "--no-fpu", "--top", "1", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "(reference)" in done.stdout and "1: reference_conv2d" in done.stdout
    assert "Snapping changes nothing" in done.stdout


def test_what_does_not_fit_is_told(tmp_path: Path) -> None:
    b = NetworkBuilder((180, 180, 3))
    b.conv2d(b.conv2d(b.input, 6, 3), 2, 1)
    (tmp_path / "large.json").write_text(b.build().to_json())
    shown = hwnas("explain", "large.json", *BOARD, "--table", "t.db", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "7: does not fit" in shown.stdout
    assert "note: 1 with output 7: " in shown.stdout
    assert "note: the snapped network cannot run: " in shown.stdout


def test_layers_that_cannot_change_alone(tmp_path: Path) -> None:
    b = NetworkBuilder((8, 8, 4))
    b.conv2d(b.input, 6, 3, groups=2)
    (tmp_path / "grouped.json").write_text(b.build().to_json())
    shown = hwnas("explain", "grouped.json", *BOARD, "--table", "t.db", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "none can change alone" in shown.stdout and "own_grouped_convolution" in shown.stdout


def test_a_kernel_that_was_not_seen_is_noted(
    backend: BoardBackend, capsys: pytest.CaptureFixture[str], lenet: Network
) -> None:
    """As where a compiler puts a function into its caller; none of today's does."""
    found = explain(Evaluator(backend, LookupTable.open("sqlite://")), lenet, top=1)
    (layer,) = found.layers
    assert layer.kernel.is_seen
    _show_kernels(results(), found)
    assert "note" not in capsys.readouterr().out
    unseen = replace(layer.kernel, function="arm_convolve_1x1_s8")
    assert unseen.is_seen is False
    _show_kernels(results(), replace(found, layers=(replace(layer, kernel=unseen),)))
    assert "note: arm_convolve_1x1_s8 was not seen by this name" in capsys.readouterr().out


def test_on_a_physical_board_nothing_is_called_simulated(
    tmp_path: Path, backend: BoardBackend
) -> None:
    b = NetworkBuilder((8, 8, 3))
    b.conv2d(b.conv2d(b.input, 7, 3), 2, 1)
    (tmp_path / "small.json").write_text(b.build().to_json())
    board = virtual_client(backend.spec, backend.image).transport
    with WiredBoard(board, backend.spec.core.clock_hz) as wired:
        shown = hwnas(
            "explain", "small.json", *BOARD, "--table", "t.db", "--port", wired.port, cwd=tmp_path
        )
    assert shown.returncode == 0, shown.stderr
    assert "simulated" not in shown.stdout and shown.stdout.count("measured") >= 4
    assert "a physical board cannot be watched" in shown.stdout
    assert " ran: " not in shown.stdout and "arm_convolve_1x1_s8_fast" in shown.stdout


def test_bad_input_is_one_line(tmp_path: Path, model: Path) -> None:
    refused(hwnas("explain", "nowhere.json", *BOARD, cwd=tmp_path), "NetworkError", "nowhere.json")
    refused(hwnas("explain", str(model), "-b", "nobody", cwd=tmp_path), "BoardError", "nobody")
    refused(hwnas("explain", str(model), *BOARD, "--top", "0", cwd=tmp_path), "--top")
    refused(hwnas("snap", str(model), "--multiple", "0", cwd=tmp_path), "--multiple")
    refused(hwnas("snap", "nowhere.keras", cwd=tmp_path), "NetworkError", "nowhere.keras")
    refused(hwnas("snap", str(model), "-o", "a.h5", cwd=tmp_path), "NetworkError", "a.h5")


def test_snapping_a_network(tmp_path: Path, model: Path, lenet: Network) -> None:
    shown = hwnas("snap", str(model), cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "conv2d 3x3/1 32x32x1 -> 30x30x6" in shown.stdout
    assert "conv2d 3x3/1 32x32x1 -> 30x30x8" in shown.stdout
    assert re.search(r"^ parameters +81,194 +81,502 *$", shown.stdout, re.M)
    assert "it has no weights: what is made of it must be trained" in shown.stdout
    assert load_network(tmp_path / "lenet-snapped.json") == snap(lenet)
    refused(hwnas("snap", str(model), cwd=tmp_path), "NetworkError", "is there already", "force")
    assert hwnas("snap", str(model), "--force", cwd=tmp_path).returncode == 0


def test_snapping_a_keras_model(tmp_path: Path) -> None:
    keras_models.lenet().save(tmp_path / "lenet.keras")
    shown = hwnas("snap", "lenet.keras", "-o", "new.keras", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "wrote new.keras; its weights are new: it must be trained again" in shown.stdout
    assert "note" not in shown.stdout
    again = hwnas("snap", "new.keras", cwd=tmp_path)
    assert again.returncode == 0 and "nothing was written" in again.stdout
    plain = json.loads(hwnas("snap", "new.keras", "--json", cwd=tmp_path).stdout)
    assert (plain["written"], plain["must_be_trained"], plain["changes"]) == (None, False, [])
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["lenet.keras", "new.keras"]


def test_snapping_says_what_was_lost(tmp_path: Path) -> None:
    keras_models.activations_behind_reshapes().save(tmp_path / "m.keras")
    shown = hwnas("snap", "m.keras", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "without what only training knows" in shown.stdout
    plain = json.loads(hwnas("snap", "m.keras", "--force", "--json", cwd=tmp_path).stdout)
    assert plain["is_rebuilt"] and plain["must_be_trained"]
    assert plain["written"] == "m-snapped.keras" and plain["changes"]
