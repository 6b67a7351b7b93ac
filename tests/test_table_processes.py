"""Several processes on one lookup table, and processes that die in the middle."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from table_samples import TARGET, layer, record

from hwnas.table import LookupTable

WRITER = """
import sys
from table_samples import TARGET, layer, record
from hwnas.errors import TableError
from hwnas.table import LookupTable

path, mode, start, stop = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
refused = 0
with LookupTable.open(path) as table:
    print("open", flush=True)
    sys.stdin.readline()
    for i in range(start, stop):
        cycles = i + 1000 * start if mode == "disagree" else i
        try:
            table.put(TARGET, [record(layer(i), cycles), record(layer(i + 10_000), cycles)])
        except TableError as error:
            assert "conflict" in str(error), error
            refused += 1
        print(i, flush=True)
print("refused", refused, flush=True)
"""


def python(code: str, *args: object) -> subprocess.Popen[str]:
    folders = [str(Path(__file__).parent), *sys.path]
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
    )


def start(path: Path, mode: str, first: int, last: int) -> subprocess.Popen[str]:
    return python(WRITER, path, mode, first, last)


def say_go(*writers: subprocess.Popen[str]) -> None:
    """Let the writers begin together, once all of them opened the table."""
    for writer in writers:
        assert writer.stdout is not None and writer.stdout.readline() == "open\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("\n")
        writer.stdin.flush()


def refused_by(*writers: subprocess.Popen[str]) -> list[int]:
    counts = []
    for writer in writers:
        out, _ = writer.communicate(timeout=120)
        assert writer.returncode == 0
        counts.append(int(out.split()[-1]))
    return counts


def check(path: Path) -> None:
    raw = sqlite3.connect(path)
    assert raw.execute("pragma integrity_check").fetchall() == [("ok",)]
    assert raw.execute("pragma foreign_key_check").fetchall() == []
    raw.close()


def test_two_processes_make_and_fill_one_table(tmp_path: Path) -> None:
    # Both create the file; rows 50 to 99 are written by both.
    path = tmp_path / "lut.db"
    writers = (start(path, "agree", 0, 100), start(path, "agree", 50, 150))
    say_go(*writers)
    assert refused_by(*writers) == [0, 0]
    check(path)
    with LookupTable.open(path) as table:
        expected = {layer(i): record(layer(i), i) for i in range(150)}
        assert table.get(TARGET, expected) == expected
        assert table.stats().layer_rows == 300


def test_of_two_that_disagree_each_row_has_one_winner(tmp_path: Path) -> None:
    path = tmp_path / "lut.db"
    writers = (start(path, "disagree", 0, 60), start(path, "disagree", 20, 60))
    say_go(*writers)
    refused = refused_by(*writers)
    assert sum(refused) == 40, "each of the shared layers was refused to exactly one"
    check(path)
    with LookupTable.open(path) as table:
        found = table.get(TARGET, [layer(i) for i in range(60)])
        for i in range(60):
            cycles = found[layer(i)].cycles_min
            assert cycles in ({i, i + 20_000} if i >= 20 else {i})
            twin = table.get(TARGET, [layer(i + 10_000)])[layer(i + 10_000)]
            assert twin.cycles_min == cycles, "a call is stored whole or not at all"


MAKER = """
import sys
from hwnas.errors import TableError
from hwnas.table import LookupTable

for line in sys.stdin:
    try:
        LookupTable.open(line.strip()).close()
        print("made", flush=True)
    except TableError as error:
        print(error, flush=True)
"""


def test_processes_that_make_one_table_at_once_wait_for_each_other(tmp_path: Path) -> None:
    makers = [python(MAKER) for _ in range(4)]
    said = []
    for i in range(60):
        for maker in makers:
            assert maker.stdin is not None
            maker.stdin.write(f"{tmp_path / str(i)}\n")
        for maker in makers:
            assert maker.stdin is not None
            maker.stdin.flush()
        said += [maker.stdout.readline() for maker in makers if maker.stdout is not None]
    for maker in makers:
        maker.communicate(timeout=60)
    assert said == ["made\n"] * 240
    check(tmp_path / "0")


@pytest.mark.parametrize("after", [1, 25])
def test_a_killed_writer_loses_nothing_that_it_stored(tmp_path: Path, after: int) -> None:
    path = tmp_path / "lut.db"
    writer = start(path, "agree", 0, 9_000)
    say_go(writer)
    assert writer.stdout is not None
    for _ in range(after):
        done = int(writer.stdout.readline())
    writer.send_signal(signal.SIGKILL)
    assert writer.wait(timeout=60) == -signal.SIGKILL
    done = max([done, *map(int, writer.stdout.read().split())])
    assert done < 8_999, "the writer was killed in the middle"
    check(path)
    with LookupTable.open(path) as table:
        expected = {layer(i): record(layer(i), i) for i in range(done + 1)}
        assert table.get(TARGET, expected) == expected
        rows = table.stats().layer_rows
        assert rows % 2 == 0 and rows >= 2 * (done + 1)
        table.put(TARGET, [record(layer(9_500))])
