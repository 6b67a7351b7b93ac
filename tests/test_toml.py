"""Board files and racks that anyone may have written: what is wrong is said, whatever it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hwnas.boards
from hwnas._toml import MAX_FILE_BYTES
from hwnas.boards import BoardSpec, list_boards, load_board
from hwnas.device.rack import RackEntry, read_rack
from hwnas.errors import BoardError

HOME = Path(hwnas.boards.__file__).parent
RACK = '[[boards]]\nname = "left"\nboard = "nucleo_l496zg"\nport = "usb:0669"\nprobe = "0669"\n'
READERS: list[Callable[[Path], Any]] = [load_board, read_rack]
PATIENT = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
VALUES = st.sampled_from(
    [
        "-1", "0", "1.5", "inf", "-nan", "1e308", "true", '""', '"\\u001b[2J"', '"x\\u0000y"', "[]",
        "{}", "[[1]]", "2020-01-01", "25:00:00", "9" * 400, "9" * 5_000, "0x" + "f" * 5_000,
        "-0x1", "18446744073709551616", "[" * 500 + "]" * 500, '"' + "x" * 5_000 + '"', "\ufeff",
    ]
)  # fmt: skip


def read(path: Path, reader: Callable[[Path], Any]) -> Any:
    """What a reader makes of a file, or ``None`` where it says what is wrong with it."""
    try:
        return reader(path)
    except BoardError as error:
        text = str(error)
        assert path.name in text and len(text) < 2_000
        assert text.isprintable()
        return None


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a = " + b"[" * 30_000, "nested too deeply"),
        (b"[a" + b".a" * 30_000 + b"]", "nested too deeply"),
        (b"a = " + b"9" * 5_000, "an integer has more than 64 bits"),
        (b"a = 0x" + b"f" * 5_000, "an integer has more than 64 bits"),
        (b"a = [{b = -0xf" + b"0" * 20 + b"}]", "is not TOML"),
        (b"name = '\xff'", "cannot be read"),
        (b"#" * (MAX_FILE_BYTES + 1), "at most 65536 bytes"),
        (b"a = 1\r", "is not TOML"),
    ],
)
def test_damage_that_python_stumbles_over_is_told(
    content: bytes, message: str, reader: Callable[[Path], Any], tmp_path: Path
) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(BoardError) as raised:
        reader(path)
    assert f"{path}" in str(raised.value) and message in str(raised.value)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file_is_not_read(reader: Callable[[Path], Any], tmp_path: Path) -> None:
    (tmp_path / "endless.toml").symlink_to("/dev/zero")
    for name in ("endless.toml", "none.toml", f"{'x' * 5_000}.toml", "a\0.toml"):
        with pytest.raises(BoardError, match="there is no such file"):
            reader(tmp_path / name)


def test_five_of_many_mistakes_are_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("".join(f"{'k' * 500}{i} = 1\n" for i in range(60)))
    with pytest.raises(BoardError, match="and 63 more") as raised:
        load_board(path)
    assert len(str(raised.value)) < 1_000


@PATIENT
@given(data=st.data())
def test_a_damaged_board_file_is_a_board_or_a_board_error(
    tmp_path: Path, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(list_boards()))
    lines = (HOME / f"{name}.toml").read_text().splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        i = data.draw(st.sampled_from([i for i, line in enumerate(lines) if line]))
        key, equals, _ = lines[i].partition(" = ")
        match data.draw(st.sampled_from(["value", "value", "value", "cut", "drop", "double"])):
            case "value" if equals:
                lines[i] = f"{key} = {data.draw(VALUES)}"
            case "cut":
                lines[i] = lines[i][: data.draw(st.integers(0, len(lines[i])))]
            case "drop":
                lines[i] = ""
            case _:
                lines.insert(i, lines[i])
    path = tmp_path / "damaged.toml"
    path.write_text("\n".join(lines))
    spec = read(path, load_board)
    if spec is not None:
        assert isinstance(spec, BoardSpec)
        if spec.published is not None:
            assert all(spec.estimate.cycles(macs) >= 0 for macs in (0, 1, 10**6, 10**15))


@PATIENT
@given(key=st.sampled_from(["name", "board", "port", "probe", "more"]), value=VALUES)
def test_a_damaged_rack_is_a_rack_or_a_board_error(tmp_path: Path, key: str, value: str) -> None:
    lines = [line for line in RACK.splitlines() if not line.startswith(key)]
    path = tmp_path / "damaged.toml"
    path.write_text("\n".join([*lines, f"{key} = {value}"]))
    rack = read(path, read_rack)
    assert rack is None or all(isinstance(entry, RackEntry) for entry in rack)


@pytest.mark.parametrize("reader", READERS)
@PATIENT
@given(
    content=st.binary(max_size=60)
    | st.text(max_size=60).map(lambda s: s.encode("utf-8", "replace"))
)
def test_any_bytes_are_told_to_be_wrong(
    reader: Callable[[Path], Any], content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "any.toml"
    path.write_bytes(content)
    assert read(path, reader) is None


def test_what_stands_in_a_file_is_shown_as_it_can_be(tmp_path: Path) -> None:
    path = tmp_path / "rack.toml"
    path.write_text(RACK + f'"\\u001b[2J" = {2**63 - 1}\n')
    with pytest.raises(BoardError) as raised:
        read_rack(path)
    assert r"boards.0.\x1b[2J: Unexpected keyword argument (given: 9223372036854775807)" in str(
        raised.value
    )
