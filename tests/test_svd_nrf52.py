"""The firmware's names and the virtual registers of the nRF52840 against Nordic's description."""

from __future__ import annotations

import functools
import re
from typing import Any
from xml.etree import ElementTree

import pytest
from chip_bus import ChipBus
from svd import device

from hwnas.boards import load_board
from hwnas.resources import data_dir
from hwnas.virtual.chips.nrf52._uart import RATES

SPEC = load_board("nrf52840_dk")


def text(element: ElementTree.Element, name: str) -> str:
    return element.findtext(name) or ""


@functools.cache
def registers(peripheral: str) -> dict[str, tuple[int, ElementTree.Element]]:
    """Addresses and descriptions by name; arrays by their first member."""
    described = {text(p, "name"): p for p in device("nrf52840.svd").iter("peripheral")}
    found = described[peripheral]
    base = int(text(found, "baseAddress"), 0)
    content = found.find("registers")
    if content is None:
        content = described[found.get("derivedFrom", "")].find("registers")
    assert content is not None
    listed = {}
    for element in content:
        inner = element.findall("register") if element.tag == "cluster" else [element]
        offset = int(text(element, "addressOffset"), 0) if element.tag == "cluster" else 0
        prefix = f"{text(element, 'name')}_" if element.tag == "cluster" else ""
        for register in inner:
            name = prefix + text(register, "name")
            address = base + offset + int(text(register, "addressOffset"), 0)
            listed[name.replace("[%s]", "")] = (address, register)
    return listed


HEADERS = ("nrf52.h", "nrf52_uart.h")
PERIPHERALS = {"GPIO": "P0", "UART": "UART0"}
"""By the firmware's names, where they differ."""
ARRAYS = {"RR0": "RR"}


def defines() -> str:
    return "".join((data_dir("firmware") / "chips" / name).read_text() for name in HEADERS)


def firmware_registers() -> dict[str, int]:
    """Addresses by name; of pins and ports the first."""
    bases = {"HWNAS_UART_BASE": SPEC.serial.base}
    bases |= {n: int(v, 0) for n, v in re.findall(r"#define (\w+_BASE) (0x\w+)u", defines())}
    found = re.findall(
        r"#define (\w+)(?:\([\w, ]+\))? REGISTER\((?:(\w+_BASE)|GPIO_PORT\(port\)) \+ (0x\w+)",
        defines(),
    )
    return {name: bases[base or "GPIO_BASE"] + int(offset, 16) for name, base, offset in found}


def of_svd(name: str) -> tuple[int, ElementTree.Element]:
    peripheral, register = name.split("_", 1)
    known = registers(PERIPHERALS.get(peripheral, peripheral))
    return known[ARRAYS.get(register, register)]


def test_the_firmwares_addresses_are_those_of_the_svd() -> None:
    found = firmware_registers()
    assert len(found) == defines().count(" REGISTER(")
    assert {name: hex(address) for name, address in found.items()} == {
        name: hex(of_svd(name)[0]) for name in found
    }
    (step,) = re.findall(r"#define GPIO_STEP (0x\w+)u", defines())
    assert registers("P1")["OUT"][0] - registers("P0")["OUT"][0] == int(step, 16)


def test_the_firmwares_bits_are_those_of_the_svd() -> None:
    names = sorted(firmware_registers(), key=len, reverse=True)
    checked = []
    for name, bit in re.findall(r"#define (\w+) \(1u << (\d+)\)", defines()):
        register = next(known for known in names if name.startswith(f"{known}_"))
        field = name.removeprefix(f"{register}_")
        (found,) = (f for f in of_svd(register)[1].iter("field") if text(f, "name") == field)
        assert text(found, "lsb") == text(found, "msb") == bit, name
        checked.append(name)
    assert len(checked) == 5


def values(register: str, field: str) -> dict[str, int]:
    (found,) = (f for f in of_svd(register)[1].iter("field") if text(f, "name") == field)
    return {
        text(value, "name"): int(text(value, "value"), 0) for value in found.iter("enumeratedValue")
    }


def test_the_firmwares_values_are_those_of_the_svd() -> None:
    known = {n: int(v, 0) for n, v in re.findall(r"#define (\w+) (\w+?)u(?: |\n)", defines())}
    assert known["UART_ENABLE_ENABLED"] == values("UART_ENABLE", "ENABLE")["Enabled"]
    assert known["UART_BAUDRATE_1M"] == values("UART_BAUDRATE", "BAUDRATE")["Baud1M"]
    assert known["WDT_RR_RELOAD"] == values("WDT_RR0", "RR")["Reload"]
    # Both mean: parity excluded, no flow control.
    assert values("UART_CONFIG", "PARITY")["Excluded"] == 0
    assert values("UART_CONFIG", "HWFC")["Disabled"] == 0
    assert (values("GPIO_PIN_CNF", "INPUT")["Connect"], values("GPIO_PIN_CNF", "DIR")["Input"]) == (
        0, 0,
    )  # fmt: skip
    psel = {text(f, "name"): text(f, "lsb") for f in of_svd("UART_PSEL_TXD")[1].iter("field")}
    assert psel == {"PIN": "0", "PORT": "5", "CONNECT": "31"}


def test_the_rates_of_the_virtual_uart_are_those_of_the_svd() -> None:
    listed = {}
    for value in of_svd("UART_BAUDRATE")[1].iter("enumeratedValue"):
        said = text(value, "description").replace("1Mega", "1000000")
        actual = re.search(r"actual rate: (\d+)", said) or re.match(r"(\d+) baud", said)
        assert actual is not None
        listed[int(text(value, "value"), 0)] = int(actual[1])
    assert listed == RATES


@pytest.mark.parametrize(
    ("attribute", "peripherals"),
    [
        ("power", ("POWER", "CLOCK")),
        ("nvmc", ("NVMC",)),
        ("gpio", ("P0", "P1")),
        ("uart", ("UART0",)),
        ("wdt", ("WDT",)),
    ],
)
def test_what_is_modelled_is_in_the_svd(attribute: str, peripherals: tuple[str, ...]) -> None:
    peripheral: Any = getattr(ChipBus(SPEC).chip, attribute)
    described = {}
    for name in peripherals:
        for address, register in registers(name).values():
            count = int(text(register, "dim") or "1", 0)
            step = int(text(register, "dimIncrement") or "0", 0)
            for index in range(count):
                described[address + index * step] = text(register, "resetValue")
    for offset, value in peripheral.RESET_VALUES.items():
        stated = described[peripheral.base + offset]
        # The SVD states most reset values, but those that are zero often not.
        if stated:
            assert int(stated, 0) == value, hex(peripheral.base + offset)
