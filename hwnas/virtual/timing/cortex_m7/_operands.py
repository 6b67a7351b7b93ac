"""What each instruction asks of a Cortex-M7's pipeline: unit, operands, and time of its results.

The sources in brackets are those that the package names. Stages are counted in cycles from the
issue of an instruction: an operand that is read late may be there a cycle after the issue.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final

from capstone import arm

from hwnas.virtual.timing._instructions import is_conditional, memory_of, registers_of, root_of

FLAGS: Final = -1
"""Stands for the condition flags among registers."""
DIVISION_CYCLES: Final = 7
"""[LLVM] SDIV and UDIV; that it varies with the operands is not modelled."""

_EARLY, _LATE = 0, 1
_ACCUMULATOR: Final = 2
"""[jnk0le] What a multiplication adds to: so chains of accumulations run one a cycle."""
_FACTOR_STAGE: Final = _LATE

_WRITTEN_BACK: Final = 1
_ARITHMETIC: Final = 2
_SATURATED: Final = 3
_PRODUCT: Final = 3
_WORD: Final = 2
_PART_OF_WORD: Final = 3

_LOADS: Final = frozenset({"ldr", "ldrb", "ldrh", "ldrsb", "ldrsh", "ldrex", "pld"})
_STORES: Final = frozenset({"str", "strb", "strh", "strex"})
_MANY: Final = ("ldm", "stm", "push", "pop", "vldm", "vstm", "vpush", "vpop")
_MANY_LOADS: Final = ("ld", "pop", "vld", "vpop")
_ON_STACK: Final = frozenset({"push", "pop", "vpush", "vpop"})
_WHOLE_LIST: Final = _ON_STACK | {"ldrd", "strd"}
"""All of their register operands are transferred: none of them is the base."""
_BRANCHES: Final = frozenset({"b", "bl", "blx", "bx", "cbz", "cbnz"})
_MULTIPLICATIONS: Final = (
    "mul", "mla", "mls", "smul", "smla", "smls", "smm", "smuad", "smusd", "umul", "umla", "umaal",
)  # fmt: skip
_LONG_SUMS: Final = ("smlal", "smlsl", "umlal", "umaal")
_SUMS: Final = ("mla", "mls", "smla", "smls", "smmla", "smmls")
_FIELDS: Final = (
    "sxt", "uxt", "sbfx", "ubfx", "bfi", "bfc", "pkh", "rev", "rbit", "clz", "sadd", "uadd", "ssub",
    "usub", "qadd", "qsub", "uqadd", "uqsub", "shadd", "uhadd", "shsub", "uhsub", "sel", "ssat",
    "usat", "sasx", "uasx", "ssax", "usax", "qasx", "qsax", "usad", "qdadd", "qdsub",
)  # fmt: skip
_EARLY_FIELDS: Final = ("sbfx", "ubfx", "rev", "rbit", "ssat", "usat", "qdadd", "qdsub")
_EARLY_LAST_OPERAND: Final = ("sxta", "uxta", "pkh")
_HALF_KNOWN: Final = (*_EARLY_LAST_OPERAND, "ssat", "usat")
"""Of these, capstone 5 does not tell that the last operand is read."""
_REVERSALS: Final = ("rev", "rbit")
_SATURATIONS: Final = ("ssat", "usat", "qadd", "qsub", "uqadd", "uqsub", "qd", "usad")
_UNSHIFTED_FIELDS: Final = (
    "clz", "sadd", "uadd", "ssub", "usub", "sel", "qadd", "qsub", "uqadd", "uqsub",
)  # fmt: skip
_EXTENSIONS: Final = frozenset({"sxtb", "uxtb", "sxth", "uxth", "sxtb16", "uxtb16"})
_SHIFTS: Final = frozenset({"lsl", "lsr", "asr", "ror"})
_EARLY_SUMS: Final = frozenset({"add", "sub", "mov", "movw", "movt", "addw", "subw", "adr"})
_PLAIN_IMMEDIATES: Final = frozenset({"movw", "movt", "addw", "subw"})
_WITH_CARRY: Final = frozenset({"adc", "sbc", "rrx"})


class Unit(Enum):
    """What executes an instruction."""

    ALU = auto()
    LOAD = auto()
    STORE = auto()
    MULTIPLIER = auto()
    FIELD = auto()
    """DSP and bit fields."""
    MANY = auto()
    """Loads and stores of several registers."""
    DIVIDER = auto()
    BRANCH = auto()
    TABLE_BRANCH = auto()
    FLOAT = auto()
    FLOAT_MOVE = auto()
    NONE = auto()
    """IT and NOP, which take a slot and nothing else."""


class Shift(Enum):
    """How an instruction occupies the shifter, for which neighbours compete."""

    NONE = auto()
    INLINE = auto()
    """A shifted operand, or a constant that is a shifted byte."""
    PLAIN = auto()
    """The instruction is a shift."""
    FIELD = auto()
    """Within a DSP or bit-field instruction."""


class Early(Enum):
    """[jnk0le] Which slot may execute an instruction early, with its result a cycle sooner."""

    NEVER = auto()
    FIRST_SLOT = auto()
    BOTH_SLOTS = auto()


@dataclass(frozen=True, slots=True)
class Read:
    """An operand.

    Attributes:
        register: capstone's number, or :data:`FLAGS`.
        stage: When it is read.
        is_factor: Whether it is multiplied, for which a loaded word is a cycle late.
    """

    register: int
    stage: int
    is_factor: bool = False


@dataclass(frozen=True, slots=True)
class Write:
    """A result.

    Attributes:
        register: capstone's number.
        latency: After how many cycles it can be read early.
        is_loaded_word: Whether it is a word from memory.
    """

    register: int
    latency: int
    is_loaded_word: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """A word of memory as code names it.

    Attributes:
        base: The register.
        word: Words from there.
    """

    base: int
    word: int


@dataclass(frozen=True, slots=True)
class Operation:
    """An instruction as the pipeline sees it.

    Attributes:
        address: Of the instruction.
        size: In bytes.
        unit: What executes it.
        reads: Its operands.
        writes: Its results.
        cycles: How long it issues.
        alone: Whether nothing issues beside it.
        shift: Its use of the shifter.
        early: Whether it may be executed early.
        sets_flags: Whether it sets the condition flags.
        place: The word that it loads or stores, where a register and a constant name it.
        accesses: Number of words that it loads or stores.
    """

    address: int
    size: int
    unit: Unit
    reads: tuple[Read, ...]
    writes: tuple[Write, ...]
    cycles: int
    alone: bool
    shift: Shift
    early: Early
    sets_flags: bool
    place: Place | None
    accesses: int

    @property
    def end(self) -> int:
        """Address after the instruction."""
        return self.address + self.size


def operation(instruction: Any) -> Operation:
    """The operation of an instruction.

    Args:
        instruction: Decoded by capstone with details.
    """
    return _Operands(instruction).operation()


@dataclass
class _Operands:
    """An instruction, taken apart."""

    instruction: Any
    root: str = field(init=False)
    registers: list[int] = field(init=False)
    read: list[int] = field(init=False)
    written: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.root = root_of(self.instruction)
        self.registers = registers_of(self.instruction)
        apart = (arm.ARM_REG_CPSR, arm.ARM_REG_PC)
        read, written = self.instruction.regs_access()
        if self.root.startswith(_HALF_KNOWN):
            read = [*read, self.registers[-1]]
        self.read = [x for x in read if x not in apart]
        self.written = [x for x in written if x not in apart]

    def operation(self) -> Operation:
        root = self.root
        if root.startswith("it") or root == "nop":
            return self._made(Unit.NONE)
        if root in ("tbb", "tbh"):
            # [jnk0le] two cycles, alone.
            return self._made(
                Unit.TABLE_BRANCH, _reads(self.read, _EARLY), cycles=2, alone=True, accesses=1
            )
        if root in _BRANCHES:
            return self._branch()
        if root in _LOADS:
            return self._load()
        if root in _STORES:
            return self._store()
        if root in ("ldrd", "strd") or root.startswith(_MANY):
            return self._many()
        if root in ("sdiv", "udiv"):
            reads, writes = _reads(self.read, _LATE), _writes(self.written, _ARITHMETIC)
            return self._made(Unit.DIVIDER, reads, writes, cycles=DIVISION_CYCLES, alone=True)
        if root.startswith("v"):
            return self._float()
        if root.startswith(_MULTIPLICATIONS):
            return self._multiplication()
        if root.startswith(_FIELDS):
            return self._field()
        return self._arithmetic()

    def _branch(self) -> Operation:
        """A branch never waits for flags: it is predicted."""
        link = self.root in ("bl", "blx")
        writes = _writes([arm.ARM_REG_LR] if link else [], 2)
        return self._made(Unit.BRANCH, _reads(self.read, _LATE), writes)

    def _load(self) -> Operation:
        """[jnk0le] A word is there for late operands a cycle later, part of one after two."""
        is_word = self.root in ("ldr", "ldrex")
        target = self.registers[0] if self.registers else arm.ARM_REG_INVALID
        writes = [
            Write(x, _WORD if is_word else _PART_OF_WORD, is_word)
            if x == target
            else Write(x, _WRITTEN_BACK)
            for x in self.written
        ]
        unit = Unit.BRANCH if self._writes_pc() else Unit.LOAD
        return self._made(unit, self._address(), writes, place=self._place(), accesses=1)

    def _store(self) -> Operation:
        """[jnk0le] Stored data never wait."""
        return self._made(
            Unit.STORE,
            self._address(),
            _writes(self.written, _WRITTEN_BACK),
            place=self._place(),
            accesses=1,
        )

    def _many(self) -> Operation:
        """[jnk0le] Two registers a cycle, alone."""
        listed = self.registers[self.root not in _WHOLE_LIST :]
        count = len(listed) * (2 if self._is_double(listed[-1]) else 1)
        base = self._many_base()
        loaded = listed if self.root.startswith(_MANY_LOADS) else []
        writes = [Write(x, _WORD, True) for x in loaded if x != arm.ARM_REG_PC]
        if base not in loaded and (base in self.written or self.root in _ON_STACK):
            writes.append(Write(base, _WRITTEN_BACK))
        return self._made(
            Unit.MANY,
            _reads([base] if base != arm.ARM_REG_PC else [], _EARLY),
            writes,
            cycles=(count + 1) // 2,
            alone=True,
            accesses=count,
        )

    def _many_base(self) -> int:
        if self.root in _ON_STACK:
            return int(arm.ARM_REG_SP)
        memory = memory_of(self.instruction)
        return int(memory.base) if memory is not None else self.registers[0]

    def _float(self) -> Operation:
        """[jnk0le] single precision; [LLVM] double precision, coarse and not validated."""
        root = self.root
        double = ".f64" in self.instruction.mnemonic
        reads = _reads(self.read, _LATE)
        if root in ("vldr", "vstr"):
            return self._float_access()
        if root == "vmov":
            writes = _writes(self.written, 3)
            return self._made(Unit.FLOAT_MOVE, reads, writes, alone=len(self.registers) >= 3)
        if root in ("vmrs", "vmsr"):
            writes = _writes(self.written, 2)
            return self._made(Unit.FLOAT_MOVE, reads, writes, alone=True, sets_flags=True)
        if root in ("vdiv", "vsqrt"):
            cycles = 30 if double else {"vdiv": 16, "vsqrt": 14}[root]
            return self._made(Unit.FLOAT, reads, _writes(self.written, 2), cycles=cycles)
        if root.startswith(("vfma", "vfms", "vfnm")):
            return self._float_sum(added_at=3, latency=6, double=double)
        if root.startswith(("vmla", "vmls", "vnml")):
            return self._float_sum(added_at=4, latency=7, double=double)
        cycles = (5 if root == "vmul" else 2) if double else 1
        return self._made(Unit.FLOAT, reads, _writes(self.written, 4), cycles=cycles)

    def _float_access(self) -> Operation:
        load = self.root == "vldr"
        writes = [Write(x, _WORD, True) for x in self.written] if load else []
        return self._made(
            Unit.LOAD if load else Unit.STORE,
            self._address(),
            writes,
            alone=self._is_double(self.registers[0]),
            place=self._place() if load else None,
            accesses=1,
        )

    def _float_sum(self, *, added_at: int, latency: int, double: bool) -> Operation:
        reads = [Read(x, added_at if x in self.registers[:1] else _LATE) for x in self.read]
        cycles = 7 if double else 1
        return self._made(Unit.FLOAT, reads, _writes(self.written, latency), cycles=cycles)

    def _multiplication(self) -> Operation:
        factors, sums = self._factors()
        reads = [Read(x, _FACTOR_STAGE, True) for x in sorted(factors)]
        reads += [Read(x, _ACCUMULATOR) for x in sorted(sums - factors)]
        return self._made(Unit.MULTIPLIER, reads, _writes(self.written, _PRODUCT))

    def _factors(self) -> tuple[set[int], set[int]]:
        """What is multiplied, and what the products are added to."""
        registers = self.registers
        if self.root.startswith(_LONG_SUMS):
            return set(registers[2:4]), set(registers[:2])
        if self.root.startswith(_SUMS):
            return set(registers[1:3]), set(registers[3:])
        if self.root in ("smull", "umull"):
            return set(registers[2:4]), set()
        return set(registers[1:]), set()

    def _field(self) -> Operation:
        """[jnk0le] DSP and bit fields: the first slot only; some operands are read early."""
        root = self.root
        early: set[int] = set()
        if root.startswith(_EARLY_FIELDS):
            early = set(self.read)
        elif root.startswith(_EARLY_LAST_OPERAND):
            early = set(self.registers[-1:]) | set(self.registers[1:2] if root == "pkhtb" else [])
        elif root == "bfi":
            early = set(self.registers[1:])
        latency = _ARITHMETIC
        if root.startswith(_REVERSALS):
            latency = _WRITTEN_BACK
        elif root.startswith(_SATURATIONS):
            latency = _SATURATED
        return self._made(
            Unit.FIELD,
            [Read(x, _EARLY if x in early else _LATE) for x in self.read],
            _writes(self.written, latency),
            shift=Shift.FIELD if self._field_shifts() else Shift.NONE,
        )

    def _field_shifts(self) -> bool:
        if self.root in _EXTENSIONS:
            return bool(self._shifted())
        return not self.root.startswith(_UNSHIFTED_FIELDS)

    def _arithmetic(self) -> Operation:
        """[jnk0le] Executed late, where most operands may come late, or early, if all are there."""
        name = self.root.removesuffix("s")
        shifted = self._shifted()
        reads = [Read(x, _EARLY if x in shifted else _LATE) for x in self.read]
        shift, early = self._shift_of(name, bool(shifted))
        if name in _WITH_CARRY:
            reads.append(Read(FLAGS, _LATE))
        return self._made(
            Unit.BRANCH if self._writes_pc() else Unit.ALU,
            reads,
            _writes(self.written, _ARITHMETIC),
            shift=shift,
            early=early,
        )

    def _shift_of(self, name: str, shifted: bool) -> tuple[Shift, Early]:
        if shifted or self._has_shifted_constant(name):
            return Shift.INLINE, Early.NEVER
        if name in _SHIFTS:
            return Shift.PLAIN, Early.BOTH_SLOTS
        return Shift.NONE, Early.FIRST_SLOT if name in _EARLY_SUMS else Early.NEVER

    def _has_shifted_constant(self, name: str) -> bool:
        if self.instruction.size != 4 or name in _PLAIN_IMMEDIATES:
            return False
        constants = [x.imm for x in self.instruction.operands if x.type == arm.ARM_OP_IMM]
        return bool(constants) and _is_shifted_byte(constants[-1] & 0xFFFF_FFFF)

    def _shifted(self) -> set[int]:
        """Registers whose shifted value is an operand."""
        return {x.reg for x in self.instruction.operands if x.shift.type}

    def _address(self) -> tuple[Read, ...]:
        memory = memory_of(self.instruction)
        none = (arm.ARM_REG_INVALID, arm.ARM_REG_PC)
        return _reads([x for x in (memory.base, memory.index) if x not in none], _EARLY)

    def _place(self) -> Place | None:
        memory = memory_of(self.instruction)
        if memory.base == arm.ARM_REG_PC or memory.index != arm.ARM_REG_INVALID:
            return None
        return Place(memory.base, memory.disp >> 2)

    def _writes_pc(self) -> bool:
        return any(
            x.type == arm.ARM_OP_REG and x.reg == arm.ARM_REG_PC and x.access & 2
            for x in self.instruction.operands
        )

    def _is_double(self, register: int) -> bool:
        return bool(self.instruction.reg_name(register).startswith("d"))

    def _made(
        self,
        unit: Unit,
        reads: Iterable[Read] = (),
        writes: Sequence[Write] = (),
        *,
        cycles: int = 1,
        alone: bool = False,
        shift: Shift = Shift.NONE,
        early: Early = Early.NEVER,
        sets_flags: bool = False,
        place: Place | None = None,
        accesses: int = 0,
    ) -> Operation:
        reads = (*reads, *self._condition(unit, writes))
        sets_flags |= bool(self.instruction.update_flags)
        return Operation(
            self.instruction.address, self.instruction.size, unit, reads, tuple(writes), cycles,
            alone, shift, early, sets_flags, place, accesses,
        )  # fmt: skip

    def _condition(self, unit: Unit, writes: Sequence[Write]) -> Iterable[Read]:
        """[jnk0le] Under a condition, flags are read late, and arithmetic reads its old target."""
        if not is_conditional(self.instruction) or unit in (Unit.BRANCH, Unit.NONE):
            return
        yield Read(FLAGS, _LATE)
        if unit is Unit.ALU:
            for write in writes:
                yield Read(write.register, _LATE)


def _reads(registers: Iterable[int], stage: int) -> tuple[Read, ...]:
    return tuple(Read(x, stage) for x in registers)


def _writes(registers: Iterable[int], latency: int) -> tuple[Write, ...]:
    return tuple(Write(x, latency) for x in registers)


def _is_shifted_byte(value: int) -> bool:
    """Whether a constant is encoded as a byte to be shifted, not as one or as a pattern of one."""
    low, next_up = value & 0xFF, value >> 8 & 0xFF
    patterns = (low | low << 16, next_up << 8 | next_up << 24, low * 0x0101_0101)
    return value > 0xFF and value not in patterns
