"""Walks through a block of code, and notes which memory it accesses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from capstone import arm

from hwnas.virtual.accesses._values import (
    Loaded,
    Operator,
    Register,
    Value,
    computed,
    constant,
)
from hwnas.virtual.timing._instructions import (
    LOADS,
    is_conditional,
    memory_of,
    registers_of,
    root_of,
)

WORD_BYTES: Final = 4
_SIZES: Final = {
    "ldr": 4, "ldrb": 1, "ldrsb": 1, "ldrh": 2, "ldrsh": 2,
    "str": 4, "strb": 1, "strh": 2, "tbb": 1, "tbh": 2,
}  # fmt: skip
_SIGNED: Final = frozenset({"ldrsb", "ldrsh"})
_MANY_LOADS: Final = ("ldm", "pop", "vldm", "vpop")
_MANY_STORES: Final = ("stm", "push", "vstm", "vpush")
_ON_STACK: Final = frozenset({"push", "pop", "vpush", "vpop"})
_SHIFTS: Final = {
    arm.ARM_SFT_LSL: Operator.SHIFT_LEFT,
    arm.ARM_SFT_LSR: Operator.SHIFT_RIGHT,
    arm.ARM_SFT_ASR: Operator.SHIFT_RIGHT_SIGNED,
    arm.ARM_SFT_LSL_REG: Operator.SHIFT_LEFT,
    arm.ARM_SFT_LSR_REG: Operator.SHIFT_RIGHT,
    arm.ARM_SFT_ASR_REG: Operator.SHIFT_RIGHT_SIGNED,
}
_REGISTER_SHIFTS: Final = frozenset({arm.ARM_SFT_LSL_REG, arm.ARM_SFT_LSR_REG, arm.ARM_SFT_ASR_REG})
_OPERATORS: Final[dict[str, Operator]] = {
    "mul": Operator.MULTIPLY,
    "and": Operator.AND,
    "orr": Operator.OR,
    "eor": Operator.EXCLUSIVE_OR,
    "lsl": Operator.SHIFT_LEFT,
    "lsr": Operator.SHIFT_RIGHT,
    "asr": Operator.SHIFT_RIGHT_SIGNED,
}


@dataclass(frozen=True, slots=True)
class Access:
    """An access to memory.

    Attributes:
        address: Where; ``None`` where that cannot be told.
        size: In bytes.
        is_write: Whether it is a store.
        is_second_load: Whether its instruction and the one before load a single value each.
    """

    address: Value | None
    size: int
    is_write: bool
    is_second_load: bool


@dataclass(frozen=True, slots=True)
class Walk:
    """What a block does, as far as it can be told when it is entered.

    Attributes:
        accesses: To memory, in their order.
        registers: What registers hold at its end; ``None`` for what cannot be told, nothing for
            those that are left alone.
    """

    accesses: tuple[Access, ...]
    registers: dict[int, Value | None]


def walk(instructions: Sequence[Any]) -> Walk:
    """Walks through a block.

    Args:
        instructions: Of the block, decoded by capstone with details.
    """
    walker = _Walker()
    for instruction in instructions:
        walker.step(instruction)
    return Walk(tuple(walker.accesses), walker.registers)


def may_matter_to_flash(access: Access) -> bool:
    """Whether it can be a read from flash, or an unaligned one.

    The stack lies in RAM, and is aligned.
    """
    if access.is_write:
        return False
    if access.address is None or access.address.is_constant:
        return True
    sources = [source for source, _ in access.address.terms]
    on_stack = sources == [Register(arm.ARM_REG_SP)]
    return not (on_stack and access.address.constant % access.size == 0)


class _Walker:
    def __init__(self) -> None:
        self.accesses: list[Access] = []
        self.registers: dict[int, Value | None] = {}
        self._stored: dict[Value, Value | None] = {}
        self._condition: int | None = None
        # What registers hold where a condition is met, by condition and register.
        self._under: dict[tuple[int, int], Value | None] = {}
        self._single_load = False
        self._after_load = False
        self._pc = 0

    def step(self, instruction: Any) -> None:
        """Executes an instruction."""
        self._condition = instruction.cc if is_conditional(instruction) else None
        self._after_load = self._single_load
        self._pc = instruction.address + 4
        root = root_of(instruction)
        self._single_load = root in LOADS or root == "vldr"
        if root in _SIZES or root in ("ldrd", "strd", "vldr", "vstr"):
            self._access(root, instruction)
        elif root.startswith(_MANY_LOADS + _MANY_STORES):
            self._many(root, instruction)
        else:
            self._compute(root, instruction)
        if arm.ARM_REG_CPSR in instruction.regs_access()[1]:
            self._under.clear()

    def _compute(self, root: str, instruction: Any) -> None:
        known: Value | None = None
        targets = [x.reg for x in instruction.operands[:1] if x.type == arm.ARM_OP_REG]
        name = root[:-1] if instruction.update_flags and root.endswith("s") else root
        if targets and name in _RULES:
            known = _RULES[name](self, instruction.operands)
        for number in instruction.regs_access()[1]:
            self._set(number, known if number in targets else None)

    def _access(self, root: str, instruction: Any) -> None:
        memory = memory_of(instruction)
        at = self._address(instruction)
        registers = registers_of(instruction)
        if root in ("vldr", "vstr"):
            size = 8 if instruction.reg_name(registers[0]).startswith("d") else WORD_BYTES
            self._note(at, size, root == "vstr")
            return
        written: list[tuple[int, Value | None]] = []
        for i, number in enumerate(registers or [arm.ARM_REG_INVALID]):
            size = _SIZES.get(root, WORD_BYTES)
            place = _sum(at, constant(WORD_BYTES * i))
            self._note(place, size, root.startswith("st"))
            if root.startswith("st"):
                self._store(place, size, self._get(number))
            elif number != arm.ARM_REG_INVALID:
                written.append((number, self._load(place, size, root in _SIGNED)))
        if instruction.writeback:
            after = sum(x.imm for x in instruction.operands if x.type == arm.ARM_OP_IMM)
            self._set(memory.base, _sum(at, constant(after)))
        for number, value in written:
            self._set(number, value)

    def _many(self, root: str, instruction: Any) -> None:
        registers = registers_of(instruction)
        on_stack = root in _ON_STACK
        base = arm.ARM_REG_SP if on_stack else registers.pop(0)
        size = WORD_BYTES
        if root.startswith("v") and instruction.reg_name(registers[0]).startswith("d"):
            size = 8
        is_store = root.startswith(_MANY_STORES)
        start = self._get(base)
        total = constant(size * len(registers))
        down = root.endswith("db") or root in ("push", "vpush")
        at = _sum(start, total.times(-1)) if down else start
        end = at if down else _sum(start, total)
        written: list[tuple[int, Value | None]] = []
        for i, number in enumerate(registers):
            place = _sum(at, constant(size * i))
            self._note(place, size, is_store)
            if root.startswith("v"):
                continue
            if is_store:
                self._store(place, size, self._get(number))
            else:
                written.append((number, self._load(place, size, False)))
        if on_stack or instruction.writeback:
            self._set(base, end)
        for number, value in written:
            self._set(number, value)

    def _address(self, instruction: Any) -> Value | None:
        """Of a load or store; where the base is incremented behind it, that of before."""
        operand = next(x for x in instruction.operands if x.type == arm.ARM_OP_MEM)
        memory = operand.mem
        at = self._get(memory.base)
        if memory.base == arm.ARM_REG_PC and memory.index == arm.ARM_REG_INVALID:
            at = constant(self.aligned_pc)
        if memory.index != arm.ARM_REG_INVALID:
            at = _sum(at, _shifted(self._get(memory.index), operand))
        return _sum(at, constant(memory.disp))

    def _note(self, at: Value | None, size: int, is_write: bool) -> None:
        second = self._after_load and self._single_load
        self.accesses.append(Access(at, size, is_write, second))

    def _store(self, at: Value | None, size: int, value: Value | None) -> None:
        if at is not None:
            whole = size == WORD_BYTES and self._condition is None
            self._stored[at] = value if whole else None

    def _load(self, at: Value | None, size: int, signed: bool) -> Value | None:
        """A store through another register to the same place is overlooked: it is rare."""
        if at is None:
            return None
        if at in self._stored:
            return self._stored[at] if size == WORD_BYTES else None
        return Value.of(Loaded(at, size, signed))

    def operand(self, operand: Any) -> Value | None:
        """The value of a register, shifted or not, or of a constant."""
        if operand.type == arm.ARM_OP_IMM:
            return constant(operand.imm)
        if operand.type != arm.ARM_OP_REG:
            return None
        value = self._get(operand.reg)
        if operand.shift.type in _REGISTER_SHIFTS:
            return computed(_SHIFTS[operand.shift.type], value, self._get(operand.shift.value))
        return _shifted(value, operand)

    @property
    def aligned_pc(self) -> int:
        """What PC-relative addresses count from."""
        return self._pc & ~3

    def _get(self, number: int) -> Value | None:
        if self._condition is not None and (self._condition, number) in self._under:
            return self._under[self._condition, number]
        if number in self.registers:
            return self.registers[number]
        if number == arm.ARM_REG_PC:
            return constant(self._pc)
        return Value.of(Register(number))

    def _set(self, number: int, value: Value | None) -> None:
        if self._condition is not None:
            self.registers[number], self._under[self._condition, number] = None, value
            return
        self.registers[number] = value
        self._under = {key: held for key, held in self._under.items() if key[1] != number}


def _sum(left: Value | None, right: Value | None, factor: int = 1) -> Value | None:
    return None if left is None or right is None else left.plus(right, factor)


def _shifted(value: Value | None, operand: Any) -> Value | None:
    if not operand.shift.type:
        return value
    if operand.shift.type not in _SHIFTS:
        return None
    return computed(_SHIFTS[operand.shift.type], value, constant(operand.shift.value))


_Rule = Callable[[_Walker, Sequence[Any]], Value | None]
"""What an instruction computes, from its operands."""


def _sources(walker: _Walker, operands: Sequence[Any]) -> tuple[Value | None, Value | None]:
    """Both operands; with only one given beside the target, the target is the first."""
    left, right = operands[-2:] if len(operands) > 2 else operands
    return walker.operand(left), walker.operand(right)


def _by(operator: Operator) -> _Rule:
    return lambda walker, operands: computed(operator, *_sources(walker, operands))


def _add(walker: _Walker, operands: Sequence[Any]) -> Value | None:
    return _sum(*_sources(walker, operands))


def _subtract(walker: _Walker, operands: Sequence[Any]) -> Value | None:
    return _sum(*_sources(walker, operands), -1)


def _subtract_from(walker: _Walker, operands: Sequence[Any]) -> Value | None:
    left, right = _sources(walker, operands)
    return _sum(right, left, -1)


def _move(walker: _Walker, operands: Sequence[Any]) -> Value | None:
    return walker.operand(operands[1])


def _move_not(walker: _Walker, operands: Sequence[Any]) -> Value | None:
    return _not(walker.operand(operands[1]))


def _move_top(walker: _Walker, operands: Sequence[Any]) -> Value | None:
    low = computed(Operator.AND, walker.operand(operands[0]), constant(0xFFFF))
    return _sum(low, constant(operands[1].imm << 16))


def _clear(walker: _Walker, operands: Sequence[Any]) -> Value | None:
    left, right = _sources(walker, operands)
    return computed(Operator.AND, left, _not(right))


def _multiply_add(factor: int) -> _Rule:
    def rule(walker: _Walker, operands: Sequence[Any]) -> Value | None:
        left, right, added = (walker.operand(operand) for operand in operands[1:])
        return _sum(added, computed(Operator.MULTIPLY, left, right), factor)

    return rule


def _multiply_halves(walker: _Walker, operands: Sequence[Any]) -> Value | None:
    """What compilers make of small indices: the product of both lower halves, and a sum."""
    left, right, *added = (walker.operand(operand) for operand in operands[1:])
    halves = (_field(value, 0, 16, signed=True) for value in (left, right))
    product = computed(Operator.MULTIPLY, *halves)
    return _sum(added[0], product) if added else product


def _extend(bits: int, *, signed: bool) -> _Rule:
    def rule(walker: _Walker, operands: Sequence[Any]) -> Value | None:
        return _field(walker.operand(operands[-1]), 0, bits, signed=signed)

    return rule


def _extract(*, signed: bool) -> _Rule:
    def rule(walker: _Walker, operands: Sequence[Any]) -> Value | None:
        return _field(walker.operand(operands[1]), operands[2].imm, operands[3].imm, signed=signed)

    return rule


def _field(value: Value | None, first: int, bits: int, *, signed: bool) -> Value | None:
    up = computed(Operator.SHIFT_LEFT, value, constant(32 - bits - first))
    back = Operator.SHIFT_RIGHT_SIGNED if signed else Operator.SHIFT_RIGHT
    return computed(back, up, constant(32 - bits))


def _not(value: Value | None) -> Value | None:
    return _sum(constant(-1), value, -1)


def _address_of(walker: _Walker, operands: Sequence[Any]) -> Value | None:
    return constant(walker.aligned_pc + operands[1].imm)


_RULES: Final[dict[str, _Rule]] = {
    **{name: _by(operator) for name, operator in _OPERATORS.items()},
    "mov": _move, "movw": _move, "movt": _move_top, "mvn": _move_not, "adr": _address_of,
    "add": _add, "addw": _add, "sub": _subtract, "subw": _subtract, "rsb": _subtract_from,
    "bic": _clear, "mla": _multiply_add(1), "mls": _multiply_add(-1),
    "smulbb": _multiply_halves, "smlabb": _multiply_halves,
    "uxtb": _extend(8, signed=False), "uxth": _extend(16, signed=False),
    "sxtb": _extend(8, signed=True), "sxth": _extend(16, signed=True),
    "ubfx": _extract(signed=False), "sbfx": _extract(signed=True),
}  # fmt: skip
