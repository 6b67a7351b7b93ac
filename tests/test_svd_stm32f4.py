"""The firmware's names and the virtual registers of the STM32F4 against ST's description.

It is that of a close relative, the STM32F429.
"""

from __future__ import annotations

import re

from chip_bus import ChipBus
from svd import device

from hwnas.boards import load_board
from hwnas.resources import data_dir

FIRST_PORT = 0x4002_0000
NEWER = {"RCC_PLLCFGR_R", "FLASH_ACR_LATENCY"}
"""What the STM32F446 and STM32F469 have and the STM32F429 has not."""
OTHER_NAMES = {"PINRSTF": "PADRSTF", "IWDGRSTF": "WDGRSTF"}
"""What the SVD calls otherwise than the manuals."""


def described() -> tuple[dict[str, int], dict[str, tuple[int, int]]]:
    """Addresses of registers, and (bit, width) of their fields, by name."""
    addresses, fields = {}, {}
    for peripheral in device("STM32F429x.svd").iter("peripheral"):
        name = peripheral.findtext("name", "")
        base = int(peripheral.findtext("baseAddress", ""), 0)
        addresses[f"{name}_BASE"] = base
        for register in peripheral.iter("register"):
            full = f"{name}_{register.findtext('name')}"
            addresses[full] = base + int(register.findtext("addressOffset", ""), 0)
            for field in register.iter("field"):
                fields[f"{full}_{field.findtext('name')}"] = (
                    int(field.findtext("bitOffset", "")),
                    int(field.findtext("bitWidth", "")),
                )
    return addresses, fields


def mask(fields: dict[str, tuple[int, int]], name: str) -> int:
    """Bits of a field; the description splits some of them (PLLN0, PLLN1, ...)."""
    found = fields.get(name)
    parts = [found] if found else [
        place for other, place in fields.items() if re.fullmatch(rf"{re.escape(name)}\d", other)
    ]  # fmt: skip
    assert parts, f"{name} is not in the SVD"
    return sum(((1 << width) - 1) << bit for bit, width in parts)


REGISTERS = ("stm32.h", "stm32f4_f7.h", "stm32f4.h")


def defines(*headers: str) -> dict[str, str]:
    text = "".join((data_dir("firmware") / "chips" / header).read_text() for header in headers)
    return dict(re.findall(r"^#define (\w+(?:\(\w+\))?) (.+?)(?:\s*/\*.*)?$", text, re.MULTILINE))


def number(text: str) -> int:
    """The value of a C constant such as ``(0x3u << 2)``."""
    value = eval(re.sub(r"\b(0x[0-9A-Fa-f]+|\d+)u\b", r"\1", text), {"__builtins__": {}})
    assert isinstance(value, int)
    return value


def test_the_addresses_of_the_firmware_are_those_of_the_svd() -> None:
    addresses, _ = described()
    found = defines(*REGISTERS)
    bases = {name: number(text) for name, text in found.items() if name.endswith("_BASE")}
    assert bases.pop("GPIO_BASE") == addresses["GPIOA_BASE"]
    assert bases == {name: addresses[name] for name in bases}
    registers = {
        name: bases[base] + number(offset)
        for name, text in found.items()
        for base, offset in re.findall(r"REGISTER\((\w+) \+ (\w+)\)", text)
    }
    assert len(registers) == 13
    assert registers == {name: addresses[name] for name in registers}
    ports = [addresses[f"GPIO{letter}_BASE"] for letter in "ABCDEFGHIJK"]
    assert ports == [FIRST_PORT + 0x400 * index for index in range(11)]


def test_the_bits_of_the_firmware_are_those_of_the_svd() -> None:
    _, fields = described()
    checked = set()
    for name, text in defines(*REGISTERS).items():
        register = re.match(r"(FLASH_ACR|PWR_CSR|PWR_CR|RCC_\w+?)_(\w+)", name)
        if register is None or text.startswith("REGISTER") or name.endswith("_BASE"):
            continue
        owner, field = register.groups()
        if f"{owner}_{field}".startswith(tuple(NEWER)):
            continue
        value, whole = bits_of(owner, field, name, text)
        place = mask(fields, f"{owner}_{whole}")
        # A bit or a whole field is the field itself; a setting lies within it.
        assert (value == place) if whole == field else (value & ~place == 0), name
        checked.add(name)
    assert len(checked) >= 30


def bits_of(owner: str, field: str, name: str, text: str) -> tuple[int, str]:
    """Value of a define, and the SVD's name of the field that it belongs to."""
    field = OTHER_NAMES.get(field, field)
    macro = re.fullmatch(r"(\w+)\((\w+)\)", name)
    if macro is not None:
        # Its least and greatest argument fill the field.
        parameter = macro[2]
        field = f"PLL{field.split('(')[0]}"
        most = {"PLLM": 63, "PLLN": 511, "PLLP": 8, "PLLQ": 15}[field]
        return number(re.sub(rf"\(?\b{parameter}\b\)?", str(most), text).replace("/", "//")), field
    for whole in ("SWS", "SW", "PPRE1", "PPRE2", "VOS"):
        if field.startswith(f"{whole}_"):
            return number(text), whole
    if field == "SRC_HSI":
        return number(text), "PLLSRC"
    return number(text), field


def test_the_usarts_registers_are_those_of_the_svd() -> None:
    addresses, fields = described()
    found = defines("stm32_usart.h")
    base = addresses["USART6_BASE"]
    for name, text in found.items():
        place = name.replace("USART_", "USART6_")
        offset = re.fullmatch(r"REGISTER\(HWNAS_UART_BASE \+ (\w+)\)", text)
        if offset is not None:
            assert base + number(offset[1]) == addresses[place], name
        else:
            assert number(text) == mask(fields, place), name
    assert len(found) == 11
    for board, uart in (("disco_f469ni", "USART3"), ("nucleo_f446re", "USART2")):
        assert load_board(board).serial.base == addresses[f"{uart}_BASE"]


def test_the_virtual_registers_start_as_those_of_the_svd() -> None:
    chip = ChipBus(load_board("disco_f469ni")).chip
    models = {"RCC": chip.rcc, "FLASH": chip.flash, "PWR": chip.pwr, "IWDG": chip.iwdg}
    mine, theirs = {}, {}
    for peripheral in device("STM32F429x.svd").iter("peripheral"):
        name = peripheral.findtext("name", "")
        for register in peripheral.iter("register") if name in models else ():
            offset = int(register.findtext("addressOffset", ""), 0)
            if offset in models[name].RESET_VALUES:
                mine[name, offset] = models[name].RESET_VALUES[offset]
                theirs[name, offset] = int(register.findtext("resetValue", ""), 0)
    assert len(mine) > 20
    assert mine == theirs
