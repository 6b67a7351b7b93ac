"""Peripherals of virtual boards, each as its chip's manual describes it."""

from __future__ import annotations

from hwnas.virtual.peripherals._base import Peripheral, PinLevel
from hwnas.virtual.peripherals.rcc import ResetCause
from hwnas.virtual.peripherals.stm32l4 import Stm32L4

__all__ = ["Peripheral", "PinLevel", "ResetCause", "Stm32L4"]
