"""Which memory a block of code accesses, told from the registers that it is entered with.

Hooks on accesses to memory cost most of an emulator's speed. But nearly all addresses of a block
follow from registers and memory at its entry: base registers that the block increments, pointers
that it loads from the stack. So a block is walked through once, symbolically, and becomes a small
program that a hook on blocks runs whenever the block is entered.
"""

from __future__ import annotations

from hwnas.virtual.accesses._walk import Access, Walk, may_matter_to_flash, walk

__all__ = ["Access", "Walk", "may_matter_to_flash", "walk"]
