"""Wrong input to every command: one line that says what is wrong, no traceback, nothing left."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hwnas.cli import main
from hwnas.network import Network

BOARD = ("--board", "nucleo_l496zg")
SEARCH = ("search", *BOARD, "--space", "lenet", "--train", "cheap:train", "--trials", "1")
PYTHON_FILE = """
def train(model, trial):
    return 0.5
not_a_function = 3
"""


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


Call = Callable[..., Ended]


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Call:
    """The command line in this process, in a folder with files of all kinds."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cheap", raising=False)
    (tmp_path / "cheap.py").write_text(PYTHON_FILE)
    (tmp_path / "folder").mkdir()
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00" * 300)

    def run(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["hwnas", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return Ended(int(ended.value.code or 0), out, err)

    return run


def refused(ended: Ended, *words: str) -> None:
    assert ended.code == 2, ended
    assert "Traceback" not in ended.err and ended.out == ""
    text = " ".join(ended.err.split())
    if "Usage:" not in text:
        assert ended.err.startswith("error: ") and ended.err.count("\n") == 1, ended.err
    for word in words:
        assert word in text, text


def contents(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")} - {"__pycache__"}


@pytest.fixture
def lenet_json(tmp_path: Path, lenet: Network) -> str:
    (tmp_path / "lenet.json").write_text(lenet.to_json())
    return "lenet.json"


MODELS: dict[str, bytes] = {
    "zip.keras": b"PK\x05\x06" + bytes(18),
    "cut.keras": b"PK\x03\x04garbage",
    "none.tflite": bytes(50),
    "none.h5": b"\x89HDF\r\n\x1a\n",
    "bytes.json": b"\xff\xfe{",
    "deep.json": b"[" * 100_000,
    "digits.json": b'{"version":' + b"9" * 5_000 + b"}",
    "nan.json": b"NaN",
    "empty.json": b"",
    "[/red].json": b"[]",
}


@pytest.mark.parametrize("name", MODELS)
def test_models_that_are_none(call: Call, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(MODELS[name]) if "/" not in name else None
    before = contents(tmp_path)
    refused(call("measure", name, *BOARD), name, "NetworkError")
    assert contents(tmp_path) == before


def test_a_keras_file_that_expands_without_end(call: Call, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.keras", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("config.json", "[" * 1_000_000)
        bomb.writestr("metadata.json", "{}")
        bomb.writestr("model.weights.h5", "")
    refused(call("measure", "bomb.keras", *BOARD), "bomb.keras")


@pytest.mark.parametrize(
    ("board", "word"),
    [
        ("", "unknown board"),
        ("[/bold]", "unknown board '[/bold]'"),
        ("a:b:c", "unknown board 'a:b:c'"),
        ("none.toml", "no such file"),
        ("folder.toml", "no such file"),
        ("digits.toml", "64 bits"),
        ("mps2_an386", "functional only"),
    ],
)
def test_boards_that_are_none(
    call: Call, tmp_path: Path, lenet_json: str, board: str, word: str
) -> None:
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "digits.toml").write_text("a = 0x" + "f" * 5_000)
    before = contents(tmp_path)
    refused(call("measure", lenet_json, "--board", board), "BoardError", word)
    if board != "mps2_an386":
        refused(call("flash", "--board", board), "BoardError", word)
        refused(call("selftest", "--board", board), "BoardError", word)
        refused(call(*SEARCH, "--board", board), "BoardError", word)
    assert contents(tmp_path) == before


PORTS = ["/dev/none", "/dev/null", "usb:none", "socket://127.0.0.1:1", "folder", "nonsense://x"]


@pytest.mark.parametrize("port", PORTS)
def test_ports_that_are_none(call: Call, lenet_json: str, port: str) -> None:
    for command in (("measure", lenet_json, *BOARD), ("selftest", *BOARD), SEARCH):
        refused(call(*command, "--port", port), "BoardError", port)


def test_a_probe_without_a_port(call: Call, lenet_json: str) -> None:
    refused(call("measure", lenet_json, *BOARD, "--probe", "0669"), "probe 0669", "--port")


TABLES = [
    ("", "the path is empty"),
    ("folder", "is a folder"),
    ("bytes", "no SQLite database"),
    ("notes.db", "something else (notes)"),
    ("/dev/null/x.db", "/dev/null/x.db"),
    ("/proc/x.db", "/proc/x.db"),
    ("sqlite:///folder", "is a folder"),
    ("sqlite://host/x.db", "three slashes"),
    ("mysql://me:secret@host/db", "mysql is not supported"),
    ("postgresql://me:secret@host:port/db", "malformed"),
    ("postgresql://me:secret@host@host/db", "%40"),
    ("postgresql://127.0.0.1:1/db?user=me&password=secret", "password=hidden"),
    ("postgresql://me:secret@127.0.0.1:1/db", "me:***@127.0.0.1"),
    ("://secret", "malformed"),
]


@pytest.mark.parametrize(("table", "word"), TABLES)
def test_tables_that_are_none(
    call: Call, tmp_path: Path, lenet_json: str, table: str, word: str
) -> None:
    with sqlite3.connect(tmp_path / "notes.db") as notes:
        notes.execute("create table notes (text text)")
    (tmp_path / "rows.jsonl").write_text("")
    before = contents(tmp_path)
    for command in (
        ("measure", lenet_json, *BOARD),
        ("lut", "stats"),
        ("lut", "export", "out.jsonl"),
        ("lut", "import", "rows.jsonl"),
        ("lut", "show", "1"),
        ("lut", "prune", "1"),
        ("lut", "diff", "1", "2"),
        ("lut", "check", *BOARD),
        ("lut", "validate", *BOARD, "--space", "lenet"),
        ("sweep", *BOARD, "--op", "dense"),
        ("validate", *BOARD),
        SEARCH,
    ):
        ended = call(*command, "--table", table)
        refused(ended, "TableError", word)
        assert "secret" not in ended.err
    assert contents(tmp_path) == before


STORAGES = [
    ("", "malformed"),
    ("study.db", "malformed"),
    ("sqlite:///folder", "cannot be opened"),
    ("sqlite:///bytes", "no SQLite database"),
    ("sqlite:////dev/null/x.db", "/dev/null"),
    ("mysql://me:secret@host/db", "me:***@host"),
    ("postgresql://me:secret@127.0.0.1:1/db", "me:***@127.0.0.1"),
    ("postgresql://me:secret@host@host/db", "%40"),
    ("://secret", "malformed"),
]


@pytest.mark.parametrize(("storage", "word"), STORAGES)
def test_storages_that_are_none(call: Call, storage: str, word: str) -> None:
    ended = call(*SEARCH, "--table", "sqlite://", "--storage", storage)
    refused(ended, "StudyError", word)
    assert "secret" not in ended.err


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--trials", "0"), "--trials"),
        (("--trials", "-1"), "--trials"),
        (("--trials", "[/red]"), "--trials"),
        (("--max-latency-ms", "nan"), "latency_ms is nan"),
        (("--max-latency-ms", "-1"), "latency_ms is -1.0"),
        (("--max-energy-mj", "inf"), "energy_mj is inf"),
        (("--max-ram-kib", "nan"), "nan is no size"),
        (("--max-flash-kib", "0"), "0.0 is no size"),
        (("--seed", "-1"), "seed -1"),
        (("--seed", str(10**30)), f"seed {10**30}"),
        (("--objectives", "speed"), "speed"),
        (("--objectives", ","), "each once"),
        (("--plot", "front.xyz"), ".png, .pdf, .svg"),
        (("--plot", "folder"), ".png, .pdf, .svg"),
        (("--space", ""), "lenet"),
        (("--space", "[/x].yaml"), "no such file"),
        (("--space", "bytes.yaml"), "no such file"),
        (("--space", "cheap:"), "module:function"),
        (("--space", "cheap:x"), "no 'x' in cheap"),
        (("--space", "none:x:"), "'none:x:'"),
        (("--train", "cheap:not_a_function"), "cheap:not_a_function: this is int"),
        (("--train", "nowhere:train"), "nowhere"),
        (("--no-such-option",), "No such option"),
    ],
)
def test_search_options_that_are_wrong(
    call: Call, tmp_path: Path, options: tuple[str, ...], word: str
) -> None:
    before = contents(tmp_path)
    refused(call(*SEARCH, "--table", "sqlite://", "--storage", "sqlite://", *options), word)
    assert contents(tmp_path) == before


def test_rows_that_cannot_be_read_or_written(call: Call, tmp_path: Path, lenet_json: str) -> None:
    for path in ("none.jsonl", "folder", "/dev/null/rows.jsonl"):
        refused(call("lut", "import", path, "--table", "new.db"), "no such file", path)
    assert not (tmp_path / "new.db").exists()
    assert call("measure", lenet_json, *BOARD, "--table", "t.db").code == 0
    (tmp_path / "kept.jsonl").write_text("mine")
    before = contents(tmp_path)
    for path in ("none/rows.jsonl", "folder", "/proc/rows.jsonl", "/dev/null/rows.jsonl", ""):
        refused(call("lut", "export", path, "--table", "t.db"), "TableError", path)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("rack", "word"),
    [("none.toml", "no such file"), ("folder", "no such file"), ("bytes", "cannot be read"),
     ("/dev/zero", "no such file"), ("deep.toml", "nested"), ("cheap.py", "not TOML")],
)  # fmt: skip
def test_racks_that_are_none(call: Call, tmp_path: Path, rack: str, word: str) -> None:
    (tmp_path / "deep.toml").write_text("a = " + "[" * 30_000)
    refused(call("boards", "--pool", rack), "BoardError", word, rack)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ((), "nothing to sweep"),
        (("--op", "dense", "--in-channels", "x"), "'x'"),
        (("--op", "conv2d", "--size", "0"), "does not fit"),
        (("--model", "[/x].json"), "no such file"),
        (("--space", "[/x].yaml"), "no such file"),
        (("--op", "dense", "--pool", "none.toml"), "no such file"),
        (("--op", "dense", "--kernels", "[/x]"), "kernel set '[/x]'"),
    ],
)
def test_sweeps_of_nothing(call: Call, options: tuple[str, ...], word: str) -> None:
    refused(call("sweep", *BOARD, *options, "--table", "sqlite://"), word)


def test_validations_of_nothing(call: Call) -> None:
    refused(call("validate", "--rows", "folder"), "no such file")
    refused(call("validate", "--board", "[/x]"), "unknown board '[/x]'")
    validate = ("lut", "validate", *BOARD, "--table", "sqlite://")
    refused(call(*validate, "--space", "lenet", "--space", "[/x]"), "no space '[/x]'")
    refused(call(*validate, "--space", "lenet", "--plot", "a.xyz"), "a.xyz")


def test_a_search_in_which_every_trial_fails(call: Call, tmp_path: Path) -> None:
    (tmp_path / "cheap.py").write_text("def train(model, trial):\n    raise SystemExit('[/red]')\n")
    ended = call(*SEARCH, "--table", "sqlite://", "--storage", "sqlite://", "--json")
    assert ended.code == 2 and "all of the 1 trials failed" in ended.err
    plain = json.loads(ended.out)
    assert plain["failed"] == 1 and plain["front"] == []


def test_a_picture_that_cannot_be_written_leaves_the_results(call: Call, tmp_path: Path) -> None:
    ended = call(*SEARCH, "--table", "t.db", "--storage", "sqlite:///s.db", "--plot", "/proc/x.png")
    assert ended.code == 2 and "Pareto front" in ended.out and "/proc/x.png" in ended.err
    again = call(*SEARCH, "--table", "t.db", "--storage", "sqlite:///s.db", "--plot", "ok.png")
    assert again.code == 0 and (tmp_path / "ok.png").exists()


def test_output_that_cannot_be_written() -> None:
    with open("/dev/full", "w") as full:
        for options in ((), ("--json",)):
            done = subprocess.run(
                [sys.executable, "-m", "hwnas.cli", "boards", *options],
                stdout=full, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert done.returncode == 2
            assert done.stderr == "error: [Errno 28] No space left on device\n"


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_output_that_nobody_reads(options: tuple[str, ...]) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "hwnas.cli", "boards", *options],
            stdout=write, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.skipif(os.geteuid() == 0 and not os.path.exists("/usr/bin/setpriv"), reason="root")
def test_folders_that_may_only_be_read(tmp_path: Path, lenet_json: str) -> None:
    """As a user meets them; root may write everywhere, but for capabilities that it gives up."""
    drop = "-dac_override,-dac_read_search"
    user = ["/usr/bin/setpriv", "--bounding-set", drop, "--inh-caps", drop]
    (tmp_path / "cheap.py").write_text(PYTHON_FILE)
    tmp_path.chmod(0o555)
    commands = {
        ("measure", lenet_json, *BOARD, "--table", "t.db"): "TableError: t.db",
        (
            *SEARCH,
            "--table",
            "sqlite://",
            "--storage",
            "sqlite:///s.db",
        ): "s.db: cannot be opened: ",
    }
    try:
        for command, words in commands.items():
            done = subprocess.run(
                [*(user if os.geteuid() == 0 else []), sys.executable, "-m", "hwnas.cli", *command],
                cwd=tmp_path, capture_output=True, text=True,
            )  # fmt: skip
            assert done.returncode == 2 and words in done.stderr, done.stderr
            assert done.stderr.count("\n") == 1
    finally:
        tmp_path.chmod(0o755)
