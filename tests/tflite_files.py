"""TFLite files that no converter makes any more, or never made: changed, and packed again."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema


def changed(flat: bytes, change: Callable[[Any], object]) -> bytes:
    """A file whose objects (``ModelT``) were changed."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(flat, 0))
    change(model)
    builder = flatbuffers.Builder(len(flat))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def operators(model: Any, kind: str) -> Iterator[Any]:
    """The operators of one kind in the model's first graph."""
    number = getattr(schema.BuiltinOperator, kind)
    for operator in model.subgraphs[0].operators:
        code = model.operatorCodes[operator.opcodeIndex]
        if max(code.builtinCode, code.deprecatedBuiltinCode) == number:
            yield operator


def tensor(model: Any, number: int) -> Any:
    """A tensor of the model's first graph."""
    return model.subgraphs[0].tensors[number]


def mutated(flat: bytes, seed: int) -> bytes:
    """A file with a few bytes or words changed, or cut off."""
    chance = random.Random(seed)
    data = bytearray(flat)
    for _ in range(chance.randint(1, 6)):
        # Tables and their offsets lie at the ends of the file, weights in between.
        span = min(len(data), chance.choice((64, 2_000, len(data))))
        at = chance.randrange(span)
        at = at if chance.random() < 0.5 else len(data) - 1 - at
        match chance.randrange(4):
            case 0:
                data[at] = chance.randrange(256)
            case 1:
                data[at] ^= 1 << chance.randrange(8)
            case 2 if at + 4 <= len(data):
                word = chance.choice(
                    (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, chance.getrandbits(32))
                )
                struct.pack_into("<I", data, at, word)
            case _ if chance.random() < 0.2 and at > 8:
                del data[at:]
    return bytes(data)
