"""Board files: what they must say, and what the loader answers when they do not."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest

import hwnas.boards
from hwnas.boards import CycleEstimate, Pin, ReferencePoint, list_boards, load_board
from hwnas.errors import BoardError

HOME = Path(hwnas.boards.__file__).parent
FILES = sorted(HOME.glob("*.toml"))
SILICON = "nucleo_l496zg"


def content(name: str) -> dict[str, Any]:
    return tomllib.loads((HOME / f"{name}.toml").read_text(encoding="utf-8"))


def toml(value: Any) -> str:
    """A value as TOML; tables inline, so that order does not matter."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else repr(value)


def write(folder: Path, data: dict[str, Any]) -> Path:
    path = folder / "mine.toml"
    path.write_text("".join(f"{key} = {toml(item)}\n" for key, item in data.items()))
    return path


def changed(key: str, value: Any = None, name: str = SILICON) -> dict[str, Any]:
    """A board file's content with one value set, or removed where it is None."""
    data = copy.deepcopy(content(name))
    *path, last = key.split(".")
    section = data
    for part in path:
        section = section[part]
    if value is None:
        del section[last]
    else:
        section[last] = value
    return data


def sections(data: dict[str, Any], prefix: str = "") -> list[str]:
    """Tables that stand under a header of their own; pins and caches belong to theirs."""
    found = []
    for key, value in data.items():
        if isinstance(value, dict) and not {"port", "line_bytes"} & set(value):
            found += [f"{prefix}{key}", *sections(value, f"{prefix}{key}.")]
    return found


FACTS = [
    f"{path.stem}:{section}"
    for path in FILES
    for section in sections(content(path.stem))
    # These two only group others.
    if section not in ("timing", "published")
]


def test_all_board_files_load_under_their_own_name() -> None:
    assert list_boards() == [path.stem for path in FILES]
    assert {"mps2_an386", "nucleo_l496zg"} <= set(list_boards())
    for name in list_boards():
        assert load_board(name).name == name
        assert load_board(HOME / f"{name}.toml") == load_board(name)


def test_what_the_silicon_board_is() -> None:
    spec = load_board(SILICON)
    assert (spec.kind, spec.core.name, spec.core.clock_hz) == ("silicon", "cortex-m4", 80_000_000)
    assert (spec.flash.base, spec.flash.size_bytes) == (0x0800_0000, 1 << 20)
    assert (spec.ram.base, spec.ram.size_bytes) == (0x2000_0000, 320 << 10)
    assert spec.timing is not None and spec.markers is not None and spec.power is not None
    assert spec.timing.memory.line == spec.flash.wait_states


@pytest.mark.parametrize("name", ["mps2_an386", "mps2_an500"])
def test_a_qemu_machine_has_no_time(name: str) -> None:
    spec = load_board(name)
    assert (spec.kind, spec.timing, spec.power, spec.markers) == ("qemu", None, None, None)
    with pytest.raises(BoardError, match=rf"{name}: cycles cannot .* names no published"):
        _ = spec.estimate


def test_pins_are_written_as_the_chips_maker_does() -> None:
    st, nordic = load_board(SILICON), load_board("nrf52840_dk")
    assert str(st.serial.tx) == "PG7"
    assert (str(nordic.serial.tx), str(nordic.serial.rx)) == ("P0.06", "P0.08")
    assert nordic.markers is not None and str(nordic.markers.inference) == "P1.01"
    assert [pin.port_number for pin in (Pin("A", 0), Pin("K", 0), Pin("0", 0), Pin("1", 0))] == [
        0, 10, 0, 1,
    ]  # fmt: skip


@pytest.mark.parametrize("fact", FACTS)
def test_every_section_states_a_source_and_must(fact: str, tmp_path: Path) -> None:
    name, section = fact.split(":")
    with pytest.raises(BoardError, match=rf"mine\.toml: {section}\.source: Field required"):
        load_board(write(tmp_path, changed(f"{section}.source", None, name)))
    with pytest.raises(BoardError, match=rf"{section}\.source: String should have at least 1"):
        load_board(write(tmp_path, changed(f"{section}.source", "", name)))


def test_a_board_file_of_ones_own(tmp_path: Path) -> None:
    path = write(tmp_path, changed("title", "mine"))
    for given in (path, str(path)):
        assert load_board(given).title == "mine"
    assert load_board(write(tmp_path, content(SILICON))) == load_board(SILICON)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("nucleo_l496", "did you mean nucleo_l496zg? "),
        ("NUCLEO-L496ZG", "did you mean nucleo_l496zg? "),
        ("mps2-an386", "did you mean mps2_an386? "),
        ("arduino", ""),
        ("", ""),
    ],
)
def test_an_unknown_board_gets_a_suggestion(name: str, hint: str) -> None:
    with pytest.raises(BoardError) as unknown:
        load_board(name)
    assert str(unknown.value) == (
        f"unknown board {name!r}: {hint}Known boards: {', '.join(list_boards())}; or give the path "
        "of a .toml file"
    )


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "folder.toml").mkdir()
    for none in ("none.toml", "folder.toml"):
        with pytest.raises(BoardError, match=rf"{none}: there is no such file"):
            load_board(tmp_path / none)
    (tmp_path / "bytes.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(BoardError, match=r"bytes\.toml: cannot be read"):
        load_board(tmp_path / "bytes.toml")
    (tmp_path / "broken.toml").write_text('name = "x"\n[core\n')
    with pytest.raises(BoardError, match=r"broken\.toml is not TOML: .*line 2"):
        load_board(tmp_path / "broken.toml")


WRONG = [
    ("core.clock_hz", "80 MHz", "core.clock_hz: Input should be a valid integer"),
    ("core.clock_hz", 0, "core.clock_hz: Input should be greater than 0"),
    ("core.clock_hz", 8e7, "core.clock_hz: Input should be a valid integer (given: 80000000.0)"),
    ("core.fpu", "half", "core.fpu: Input should be 'none', 'single' or 'double' (given: 'half')"),
    ("core.cores", 2, "core.cores: Unexpected keyword argument (given: 2)"),
    ("core.external_clock_hz", 0, "core.external_clock_hz: Input should be greater than 0"),
    (
        "core.data_cache",
        {"lines": 6, "line_bytes": 32, "ways": 4},
        "core.data_cache: Value error, 6 lines are no multiple of 4 ways",
    ),
    ("wifi", True, "wifi: Unexpected keyword argument"),
    ("name", "Nucleo L4", "name: String should match pattern"),
    ("kind", "fpga", "kind: Input should be 'silicon' or 'qemu'"),
    ("core", None, "core: Field required"),
    ("flash.base", 1 << 32, "flash.base: Input should be less than 4294967296"),
    ("flash.base", -1024, "flash.base: Input should be greater than or equal to 0"),
    ("flash.base", 0x0800_0100, "flash.base: Input should be a multiple of 1024"),
    ("ram.size_bytes", 1000, "ram.size_bytes: Input should be a multiple of 1024"),
    ("ram.base", 0xFFFF_FC00, "file: Value error, the memory at 0xfffffc00 ends beyond 32-bit"),
    ("flash.wait_states", 16, "flash.wait_states: Input should be less than or equal to 15"),
    ("flash.data_cache.lines", 0, "flash.data_cache.lines: Input should be greater than 0"),
    ("flash.data_cache.line_bytes", 24, "flash.data_cache.line_bytes: Input should be 4, 8, 16"),
    ("serial.tx.port", "g", "serial.tx.port: String should match pattern"),
    ("serial.tx.port", "10", "serial.tx.port: String should match pattern"),
    ("serial.tx.port", 1, "serial.tx.port: Input should be a valid string"),
    ("serial.tx.number", 32, "serial.tx.number: Input should be less than or equal to 31"),
    ("markers.layer", None, "markers.layer: Field required"),
    ("timing.memory.fread", -1.0, "timing.memory.fread: Input should be greater than or equal"),
    ("timing.memory.fread", "2.75", "timing.memory.fread: Input should be a valid number"),
    ("timing.memory.fitted", None, "timing.memory.fitted: Field required"),
    ("power.active_mw", 0, "power.active_mw: Input should be greater than 0"),
    ("power.active_mw", True, "power.active_mw: Input should be a valid number"),
    ("published.smaller.macs", 1 << 31, "published: Value error, the smaller network must have"),
    ("published.larger.cycles", 1, "published: Value error, the smaller network must have fewer"),
    (
        "published.smaller.macs",
        40_813_183,
        "published: Value error, cycles would grow with the MACs to the power of 1.68e+08",
    ),
    ("timing.memory.line", 1e300, "timing.memory.line: Input should be less than or equal to"),
    ("power.active_mw", 1e300, "power.active_mw: Input should be less than or equal to"),
    ("name", "x" * 65, "name: String should match pattern"),
]


@pytest.mark.parametrize(("key", "value", "message"), WRONG)
def test_a_wrong_value_is_named_by_its_key(
    key: str, value: Any, message: str, tmp_path: Path
) -> None:
    with pytest.raises(BoardError) as wrong:
        load_board(write(tmp_path, changed(key, value)))
    assert f"mine.toml: {message}" in str(wrong.value)


def test_all_wrong_values_are_named_at_once(tmp_path: Path) -> None:
    data = changed("core.clock_hz", 0)
    data["ram"]["base"] = "low"
    with pytest.raises(BoardError, match=r"core\.clock_hz: .*; ram\.base: "):
        load_board(write(tmp_path, data))


@pytest.mark.parametrize(
    ("base", "overlap"),
    [
        (0x0800_0000, True),
        (0x0800_0000 + (1 << 20) - 1024, True),
        (0x0800_0000 + (1 << 20), False),
        (0x0800_0000 - (320 << 10) + 1024, True),
        (0x0800_0000 - (320 << 10), False),
    ],
)
def test_memories_must_not_overlap(base: int, overlap: bool, tmp_path: Path) -> None:
    path = write(tmp_path, changed("ram.base", base))
    if overlap:
        with pytest.raises(BoardError, match="flash and ram overlap"):
            load_board(path)
    else:
        assert load_board(path).ram.base == base


@pytest.mark.parametrize("section", ["timing", "power"])
def test_a_qemu_machine_must_not_claim_time_or_power(section: str, tmp_path: Path) -> None:
    data = content("mps2_an386") | {section: content(SILICON)[section]}
    with pytest.raises(BoardError, match="a qemu machine is functional only"):
        load_board(write(tmp_path, data))


def test_the_estimate_goes_through_both_published_networks() -> None:
    estimate = load_board(SILICON).estimate
    for point in (estimate.smaller, estimate.larger):
        assert estimate.cycles(point.macs) == point.cycles
    cycles = [estimate.cycles(macs) for macs in (0, 1, 1000, 274_656, 10**6, 40_813_184, 10**9)]
    assert cycles == sorted(cycles)
    assert cycles[0] == cycles[1] > 0


def test_the_estimate_is_a_power_law() -> None:
    def point(macs: int, cycles: int) -> ReferencePoint:
        return ReferencePoint("a network", macs, cycles, "a paper")

    # From 100 to 10,000 MACs, cycles rise tenfold: with the square root.
    estimate = CycleEstimate(point(100, 1000), point(10_000, 10_000))
    assert [estimate.cycles(macs) for macs in (1, 400, 1_000_000)] == [100, 2000, 100_000]
