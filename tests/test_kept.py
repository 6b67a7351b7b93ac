"""What was worked out about an image's code: shared by boards, kept between processes."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from numba import config
from small_plan import every_operator

from hwnas.boards import load_board
from hwnas.device import BoardClient
from hwnas.firmware import find_image
from hwnas.resources import CACHE_VARIABLE
from hwnas.virtual import VirtualBoard, _compiled, code, kept
from hwnas.virtual.code import BlockPrices, Code
from hwnas.virtual.timing import BlockCost, CortexM4

BASE = 0x0800_0000
NOP = bytes.fromhex("00bf")
BOARDS = ["nucleo_l496zg", "nucleo_f767zi"]


def prices(file: Path | None) -> BlockPrices:
    return BlockPrices(BASE, NOP * 8, CortexM4(), file)


def test_prices_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "new" / "prices.json"
    made = prices(file)
    cost = made.of(BASE, 4)
    made.save()
    monkeypatch.setattr(Code, "decode", lambda *_: pytest.fail("was decoded again"))
    assert prices(file).of(BASE, 4) == cost


@pytest.mark.parametrize("damage", ["", "x", "{}", "0\n[[1, 2, 3, 4]]", "more"])
def test_a_damaged_file_counts_for_nothing(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "prices.json"
    made = prices(file)
    cost = made.of(BASE, 4)
    made.save()
    file.write_text(file.read_text() + damage if damage == "more" else damage)
    assert prices(file).of(BASE, 4) == cost


def test_a_file_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    made = prices(tmp_path / "file" / "prices.json")
    made.of(BASE, 4)
    made.save()


def test_nothing_is_written_that_is_not_new(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    prices(file).save()
    assert not file.exists()


@pytest.fixture(scope="module")
def elves() -> dict[str, bytes]:
    """The boards' firmware."""
    return {board: find_image(load_board(board)).elf for board in BOARDS}


@pytest.fixture
def nothing_known(
    elves: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Boards begin without prices and programs; the folder where they keep them."""

    def forget() -> None:
        for made in (code.block_prices, code.edge_prices, code.access_programs):
            made.cache_clear()

    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    forget()
    yield tmp_path / "cache" / "timing"
    forget()


@pytest.mark.parametrize("board", BOARDS)
def test_a_closed_board_keeps_what_it_worked_out(
    board: str, elves: dict[str, bytes], nothing_known: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with VirtualBoard(load_board(board), elves[board]) as opened:
        opened.read(10)
        cycles = opened.cycles
    files = sorted(nothing_known.glob("*.json"))
    kinds = {file.name.split("-")[0] for file in files}
    edges = {"blocks"} if board == "nucleo_f767zi" else set()
    assert kinds == {"prices", "programs"} | edges
    assert all(json.loads(file.read_text().partition("\n")[2]) for file in files)
    for made in (code.block_prices, code.edge_prices, code.access_programs):
        made.cache_clear()
    monkeypatch.setattr(Code, "decode", lambda *_: pytest.fail("was decoded again"))
    with VirtualBoard(load_board(board), elves[board]) as opened:
        opened.read(10)
        assert opened.cycles == cycles


def test_whatever_source_changes_no_old_price_is_found(tmp_path: Path) -> None:
    home = tmp_path / "virtual"
    shutil.copytree(Path(kept.__file__).parent, home, ignore=shutil.ignore_patterns("__pycache__"))
    assert kept.sources(home) == kept.sources()
    for source in home.rglob("*.py"):
        before = kept.sources(home)
        kept.sources.cache_clear()
        source.write_text(source.read_text() + "\n")
        assert kept.sources(home) != before, source


# Boards that share it


class Busy(BlockPrices):
    """Prices to which another thread adds one while they are written."""

    def row(self, key: Any, item: Any) -> list[Any]:
        self.of(BASE + 2 * len(self._items), 2)
        return super().row(key, item)


def test_prices_may_be_added_while_they_are_written(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    made = Busy(BASE, NOP * 8, CortexM4(), file)
    for _ in range(2):
        made.of(BASE, 4)
        made.save()
    again = prices(file)
    assert (again._saved, again.of(BASE, 4)) == (2, BlockCost(2, 2))


IT_BLOCKS = bytes.fromhex("01bf" + "0031" * 4) * 400
"""``itttt eq`` and ``addeq r1, #0`` four times, again and again."""


def conditions(made: Code) -> list[list[int]]:
    """Of the instructions of many blocks; decoding takes the longer, the larger the block."""
    blocks = [(10 * first, 10 * count) for first in range(0, 340, 8) for count in (1, 5, 20, 60)]
    return [
        [instruction.cc for instruction in made.decode(BASE + first, size)]
        for first, size in blocks
    ]


def test_threads_that_decode_do_not_disturb_each_other() -> None:
    """Capstone lets other threads run while it decodes, and keeps the IT state in the decoder."""
    made = Code(BASE, IT_BLOCKS)
    expected = conditions(made)
    with ThreadPoolExecutor(2) as threads:
        for _ in range(3):
            assert all(found == expected for found in threads.map(conditions, [made, made]))


@pytest.mark.parametrize("board", BOARDS)
def test_boards_in_two_threads_take_the_cycles_of_one(
    board: str, elves: dict[str, bytes], nothing_known: Path
) -> None:
    case = every_operator()

    def run() -> list[int]:
        with VirtualBoard(load_board(board), elves[board]) as opened:
            client = BoardClient(opened)
            client.load(case.plan)
            cycles: list[int] = client.run(step_count=case.step_count).layer_cycles[0].tolist()
            return cycles

    with ThreadPoolExecutor(2) as threads:
        together = [threads.submit(run) for _ in range(2)]
    assert [one.result() for one in together] == [run()] * 2


def test_threads_that_compile_leave_numba_as_it_was() -> None:
    """Boards of two kinds have two modules of hooks, imported where the first one boots."""
    before = config.CACHE_DIR
    entered, left = threading.Event(), threading.Event()

    def second() -> None:
        with _compiled._cache():
            entered.set()
            left.wait(0.2)

    with ThreadPoolExecutor(1) as threads:
        with _compiled._cache():
            threads.submit(second)
            entered.wait(0.2)
        left.set()
    assert before == config.CACHE_DIR
