"""Peripherals that several virtual chips share, each as the manuals describe it."""

from __future__ import annotations

from hwnas.virtual.peripherals._base import Peripheral, PinLevel, RegisterFile
from hwnas.virtual.peripherals.dwt import Dwt
from hwnas.virtual.peripherals.gpio import PINS, Gpio
from hwnas.virtual.peripherals.iwdg import Iwdg
from hwnas.virtual.peripherals.scs import SystemControl
from hwnas.virtual.peripherals.uart import Uart

__all__ = [
    "PINS",
    "Dwt",
    "Gpio",
    "Iwdg",
    "Peripheral",
    "PinLevel",
    "RegisterFile",
    "SystemControl",
    "Uart",
]
