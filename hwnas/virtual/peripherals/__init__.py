"""Peripherals that several virtual chips share, each as the manuals describe it."""

from __future__ import annotations

from hwnas.virtual.peripherals._base import Peripheral, PinLevel, RegisterFile
from hwnas.virtual.peripherals.dwt import Dwt, LockedDwt
from hwnas.virtual.peripherals.gpio import PINS, Gpio
from hwnas.virtual.peripherals.iwdg import Iwdg
from hwnas.virtual.peripherals.scs import SystemControl
from hwnas.virtual.peripherals.scs_m7 import CortexM7SystemControl
from hwnas.virtual.peripherals.scs_m33 import CortexM33SystemControl
from hwnas.virtual.peripherals.serial_port import SerialPort
from hwnas.virtual.peripherals.uart import Lpuart, Stm32Uart, Usart

__all__ = [
    "PINS",
    "CortexM7SystemControl",
    "CortexM33SystemControl",
    "Dwt",
    "Gpio",
    "Iwdg",
    "LockedDwt",
    "Lpuart",
    "Peripheral",
    "PinLevel",
    "RegisterFile",
    "SerialPort",
    "Stm32Uart",
    "SystemControl",
    "Usart",
]
