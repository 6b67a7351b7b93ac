"""The command line as a user calls it: in a process of its own, on real files."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import hwnas, refused

from hwnas.network import Network

TRAINER = """
def train(model, trial):
    return 1 - 1 / model.count_params()

def broken(model, trial):
    if trial.number == 0:
        raise RuntimeError("[/red] no")
    return train(model, trial)

def pruning(model, trial):
    if trial.number % 2:
        import optuna
        raise optuna.TrialPruned("no hope")
    return train(model, trial)

def slow(model, trial, seconds=600):
    if trial.number == 3:
        print("training", flush=True)
        import time
        time.sleep(seconds)
    return train(model, trial)

def brief(model, trial):
    return slow(model, trial, seconds=3)
"""


BOARD = ("--board", "nucleo_l496zg")
SEARCH = (
    "search", "--space", "lenet", *BOARD, "--storage", "sqlite:///s.db", "--table", "t.db",
)  # fmt: skip


@pytest.fixture
def model(tmp_path: Path, lenet: Network) -> Path:
    path = tmp_path / "lenet.json"
    path.write_text(lenet.to_json())
    return path


def test_boards(tmp_path: Path) -> None:
    shown = hwnas("boards", cwd=tmp_path)
    assert shown.returncode == 0 and "nucleo_l496zg" in shown.stdout
    assert "simulated" in shown.stdout and "none" in shown.stdout
    plain = json.loads(hwnas("boards", "--json", cwd=tmp_path).stdout)
    assert {"name": "nucleo_l496zg", "latency": "simulated"}.items() <= next(
        board for board in plain if board["name"] == "nucleo_l496zg"
    ).items()


def test_measure_and_the_table_that_it_fills(tmp_path: Path, model: Path) -> None:
    # A board that no rows ship for.
    args = ("measure", str(model), "--board", "nucleo_l4r5zi", "--table", "sqlite:///t.db")
    shown = hwnas(*args, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    for word in ("simulated", "estimated", "conv2d 3x3/1 32x32x1 -> 30x30x6", "latency_ms"):
        assert word in shown.stdout
    plain = json.loads(hwnas(*args, "--json", cwd=tmp_path).stdout)
    assert plain["macs"] == 274_656 and plain["provenance"]["latency_ms"] == "simulated"
    assert plain["latency_ms"] == pytest.approx(plain["cycles"] / 120e3)
    assert sum(layer["share"] for layer in plain["layers"]) == pytest.approx(1)

    counted = json.loads(hwnas("lut", "stats", "--table", "sqlite:///t.db", "--json", cwd=tmp_path)
                         .stdout)  # fmt: skip
    assert counted["layer_rows"] == 8 and counted["network_rows"] == 1
    out = hwnas("lut", "export", "rows.jsonl", "--table", "sqlite:///t.db", cwd=tmp_path)
    assert out.returncode == 0
    for expected in ("added", "already"):
        done = hwnas("lut", "import", "rows.jsonl", "--table", "sqlite:///new.db", cwd=tmp_path)
        assert done.returncode == 0 and expected in done.stdout
    with (tmp_path / "rows.jsonl").open("a") as rows:
        rows.write('{"half a line\n')
    refused(
        hwnas("lut", "import", "rows.jsonl", "--table", "sqlite:///new.db", cwd=tmp_path),
        "TableError",
        "1 malformed",
    )


def test_measure_a_keras_model(tmp_path: Path, lenet: Network) -> None:
    from hwnas.keras_io import to_keras

    to_keras(lenet).save(tmp_path / "lenet.keras")
    done = hwnas("measure", "lenet.keras", "-b", "nucleo_l496zg", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["macs"] == 274_656


def test_search_resumes(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(TRAINER)
    args = (
        "search", "--space", "lenet", "--board", "nucleo_l496zg", "--train", "mine:train",
        "--max-latency-ms", "30", "--max-ram-kib", "64", "--max-flash-kib", "200",
        "--storage", "sqlite:///s.db", "--table", "sqlite:///t.db",
    )  # fmt: skip
    first = hwnas(*args, "--trials", "4", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "Pareto front" in first.stdout and "simulated" in first.stdout
    second = hwnas(*args, "--trials", "9", "--json", cwd=tmp_path)
    assert second.returncode == 0, second.stderr
    plain = json.loads(second.stdout)
    assert sum(plain["stopped"].values()) + plain["failed"] == 9
    assert plain["latency"] == "simulated"
    for entry in plain["front"]:
        assert entry["latency_ms"] <= 30 and entry["ram_bytes"] <= 64 * 1024
    if plain["front"]:
        assert (tmp_path / plain["plot"]).read_bytes().startswith(b"\x89PNG")
    refused(
        hwnas(
            *args[:-4],
            "--storage",
            "sqlite:///s.db",
            "--trials",
            "9",
            "--max-energy-mj",
            "1",
            cwd=tmp_path,
        ),
        "StudyError",
        "budget",
    )


def test_a_study_is_shown_and_exported(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(TRAINER)
    limits = ("--max-latency-ms", "30", "--anchor", "lenet")
    args = (*SEARCH, *limits, "--train", "mine:train", "--trials", "8", "--json")
    found = json.loads(hwnas(*args, cwd=tmp_path).stdout)
    plain = hwnas("study", "sqlite:///s.db", "--json", "--export", "all.csv", cwd=tmp_path)
    shown = json.loads(plain.stdout)
    for name in ("front", "stopped", "seconds", "training_estimate_s", "networks_by_basis"):
        assert shown[name] == found[name]
    with (tmp_path / "all.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["trial"] for row in rows] == [str(n) for n in range(8)]
    assert rows[0]["conv2_filters"] == "16" and rows[0]["latency_ms_provenance"] == "simulated"
    front = {str(entry["trial"]): entry for entry in found["front"]}
    for row in rows:
        assert row["feasible"] == str(float(row["latency_ms"]) <= 30)
        if row["trial"] in front:
            assert float(row["latency_ms"]) == front[row["trial"]]["latency_ms"]
    text = hwnas("study", "sqlite:///s.db", cwd=tmp_path).stdout
    assert "Pareto front on nucleo_l496zg, latency simulated" in text and "s saved" in text
    for storage, words in (
        ("sqlite:///none.db", "there is no such file"),
        ("journal:///none.log", "there is no such file"),
    ):
        refused(hwnas("study", storage, cwd=tmp_path), "StudyError", words)
    refused(hwnas("study", "sqlite:///s.db", "--name", "x", cwd=tmp_path), "there is no study 'x'")
    assert not (tmp_path / "none.db").exists()


def test_a_search_over_two_boards_starts_where_another_ended(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(TRAINER)
    one = (*SEARCH, "--max-latency-ms", "200", "--train", "mine:train", "--json")
    first = json.loads(hwnas(*one, "--trials", "8", cwd=tmp_path).stdout)
    second = (
        "search", "--space", "lenet", "--board", "nucleo_f767zi", "--board", "disco_f469ni",
        "--storage", "sqlite:///two.db", "--table", "t.db", "--max-latency-ms", "200",
        "--across", "each", "--warm-start", "sqlite:///s.db", "--train", "mine:train",
        "--trials", str(len(first["front"])),
    )  # fmt: skip
    refused(hwnas(*second, "--int8", cwd=tmp_path), "built-in")
    both = hwnas(*second, cwd=tmp_path)
    assert both.returncode == 0, both.stderr
    assert "ms on nucleo_f767zi" in " ".join(both.stdout.split())
    shown = json.loads(hwnas("study", "sqlite:///two.db", "--json", cwd=tmp_path).stdout)
    assert sum(shown["stopped"].values()) == len(first["front"])


def test_search_goes_on_after_a_failed_training(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(TRAINER)
    done = hwnas(*SEARCH, "--train", "mine:broken", "--trials", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = "trial 0 failed: TrainingError: trial 0: train raised RuntimeError: [/red] no"
    assert told in done.stderr
    plain = json.loads(
        hwnas(*SEARCH, "--train", "mine:broken", "--trials", "2", "--json", cwd=tmp_path).stdout
    )
    assert len(plain["front"]) == 1 and plain["failed"] == 1 and plain["cut_off"] == 0


def test_search_tells_what_was_pruned_in_training(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(TRAINER)
    shown = hwnas(*SEARCH, "--train", "mine:pruning", "--trials", "6", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    counts = dict(re.findall(r"^ (pruned|trained|duplicate) +(\d+)\b", shown.stdout, re.M))
    assert int(counts["pruned"]) >= 2 and sum(map(int, counts.values())) == 6


def interrupted(
    *args: str, cwd: Path, when: str, again_when: str = ""
) -> subprocess.CompletedProcess[str]:
    """The command, with Ctrl-C once its output holds some text, and again once it says another."""
    out, err = cwd / "interrupted.out", cwd / "interrupted.err"
    with out.open("w") as stdout, err.open("w") as stderr:
        # Started by a shell in the background, this process may ignore the signal; a child would.
        started = subprocess.Popen(
            [sys.executable, "-c", UNDER_A_TERMINAL, *args], cwd=cwd, stdout=stdout, stderr=stderr
        )
        for text in filter(None, (when, again_when)):
            deadline = time.monotonic() + 120
            while text not in out.read_text() + err.read_text() and time.monotonic() < deadline:
                assert started.poll() is None, err.read_text()
                time.sleep(0.05)
            started.send_signal(signal.SIGINT)
        started.wait(timeout=60)
    return subprocess.CompletedProcess(args, started.returncode, out.read_text(), err.read_text())


UNDER_A_TERMINAL = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
print("started", flush=True)
from hwnas.cli import main
main()
"""


@pytest.mark.parametrize(
    ("train", "again_when", "kept", "cut_off"),
    [("brief", "", 4, 0), ("slow", "Ctrl-C again ends at once", 3, 1)],
)
def test_an_interrupted_search_says_what_is_kept_and_resumes(
    tmp_path: Path, train: str, again_when: str, kept: int, cut_off: int
) -> None:
    """One Ctrl-C lets the trial in flight come to its end, a second one cuts it off."""
    (tmp_path / "mine.py").write_text(TRAINER)
    args = (*SEARCH, "--train", f"mine:{train}", "--trials", "6", "--seed", "3")
    stopped = interrupted(*args, cwd=tmp_path, when="training", again_when=again_when)
    assert stopped.returncode == 130, stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert stopped.stderr.splitlines()[-1] == (
        f"interrupted: {kept} trials of study lenet-nucleo_l496zg are in s.db and the layers that "
        "were run are in t.db; the same command goes on"
    )
    plain = json.loads(hwnas(*args, "--json", cwd=tmp_path).stdout)
    assert sum(plain["stopped"].values()) == 6
    assert (plain["failed"], plain["cut_off"]) == (0, cut_off)


def test_commands_that_keep_nothing_say_so(tmp_path: Path) -> None:
    stopped = interrupted("selftest", "--board", "nucleo_l496zg", cwd=tmp_path, when="passed")
    assert stopped.returncode == 130, stopped.stderr
    assert stopped.stderr.splitlines()[-1] == (
        "interrupted: nothing was stored; the same command starts anew"
    )


WHILE_IMPORTING = """
import importlib.abc, signal, sys
from hwnas.cli import main

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "hwnas.cli.search":
            signal.raise_signal(signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Finder())
main()
"""


def test_an_interrupt_while_the_program_loads_shows_no_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WHILE_IMPORTING, "boards"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "interrupted: nothing was begun\n"


def test_names_are_shown_as_they_are(tmp_path: Path, lenet: Network) -> None:
    name = "[bold]a[ :warning: \x1b[2J [/]"
    seen = name.replace("\x1b", "\\x1b")
    named = replace(lenet, nodes=(replace(lenet.nodes[0], name=name), *lenet.nodes[1:]))
    (tmp_path / "model.json").write_text(named.to_json())
    file = name.replace("/", "")
    shown = hwnas("measure", "model.json", *BOARD, "--table", file, cwd=tmp_path)
    assert shown.returncode == 0 and f" {seen} " in shown.stdout, shown.stderr
    stats = hwnas("lut", "stats", "--table", file, cwd=tmp_path)
    assert stats.returncode == 0 and seen.replace("/", "") in stats.stdout
    (tmp_path / "rack.toml").write_text(
        f"[[boards]]\nname = {json.dumps(name)}\nboard = {json.dumps(name)}\n"
    )
    rack = hwnas("boards", "--pool", "rack.toml", cwd=tmp_path)
    assert rack.returncode == 0 and f" {seen} " in rack.stdout, rack.stderr
    refused(hwnas("measure", f"{name}.json", *BOARD, cwd=tmp_path), seen, "no such file")


def test_a_name_that_no_encoding_has(tmp_path: Path, lenet: Network) -> None:
    """As file systems have them; Python keeps the byte as half of a character."""
    name = os.fsdecode(b"\xff.json")
    (tmp_path / name).write_text(lenet.to_json())
    shown = hwnas("measure", name, *BOARD, "--table", "sqlite://", cwd=tmp_path)
    assert shown.returncode == 0 and "\\udcff.json" in shown.stdout, shown.stderr


def test_bad_input_is_one_paragraph_and_exit_code_2(tmp_path: Path, model: Path) -> None:
    board = ("--board", "nucleo_l496zg")
    refused(hwnas("measure", str(model), "-b", "nucleo_l469zg", cwd=tmp_path),
            "BoardError", "nucleo_l496zg")  # fmt: skip
    refused(hwnas("measure", "nowhere.keras", *board, cwd=tmp_path), "nowhere.keras")
    (tmp_path / "bad.keras").write_bytes(b"no zip")
    refused(hwnas("measure", "bad.keras", *board, cwd=tmp_path), "bad.keras")
    (tmp_path / "bad.json").write_text('{"version": 99}')
    refused(hwnas("measure", "bad.json", *board, cwd=tmp_path), "NetworkError", "99")
    (tmp_path / "space.yaml").write_text("version: 1\nname: x\nlayres: []\n")
    refused(
        hwnas("search", "--space", "space.yaml", *board, "--trials", "1", cwd=tmp_path),
        "SpaceError", "space.yaml", "layres",
    )  # fmt: skip
    with sqlite3.connect(tmp_path / "foreign.db") as foreign:
        foreign.execute("create table people (name text)")
    refused(
        hwnas("measure", str(model), *board, "--table", "sqlite:///foreign.db", cwd=tmp_path),
        "TableError", "foreign.db",
    )  # fmt: skip
    refused(hwnas("lut", "stats", "--table", "sqlite:///none.db", cwd=tmp_path), "none.db")
    assert not (tmp_path / "none.db").exists()


def test_an_unsupported_keras_layer_is_named(tmp_path: Path) -> None:
    import keras

    keras.Sequential(
        [keras.Input((8, 8, 2)), keras.layers.Conv2DTranspose(4, 3, name="upscale")]
    ).save(tmp_path / "up.keras")
    refused(hwnas("measure", "up.keras", "-b", "nucleo_l496zg", cwd=tmp_path),
            "UnsupportedLayerError", "upscale")  # fmt: skip


def test_a_model_too_large_for_the_board(tmp_path: Path) -> None:
    from hwnas.network import NetworkBuilder

    b = NetworkBuilder((224, 224, 3))
    b.conv2d(b.input, 32, 3)
    (tmp_path / "big.json").write_text(b.build().to_json())
    refused(hwnas("measure", "big.json", "-b", "nucleo_l496zg", cwd=tmp_path),
            "BudgetError", "bytes of RAM")  # fmt: skip


def test_without_the_data_set_the_search_says_where_it_looked(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    done = subprocess.run(
        [
            sys.executable, "-c",
            "import sys, hwnas.datasets as d; d.SEARCH_PATHS = (); d.load_fashion_mnist()",
        ],
        env={**os.environ, "HWNAS_DATA_DIR": str(empty), "HOME": str(empty)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "DatasetError" in done.stderr and "dataset-fashion-mnist" in done.stderr


def test_a_space_that_the_built_in_trainer_cannot_train_is_refused_at_once(tmp_path: Path) -> None:
    done = hwnas("search", "--space", "ds_cnn", "--board", "nucleo_l496zg", "--trials", "2",
                 cwd=tmp_path)  # fmt: skip
    refused(done, "DatasetError", "bring a training function of your own")
