"""Space files that are wrong, each with what the message about it has to say."""

from __future__ import annotations

from space_files import CONV

WRONG_FILES: list[tuple[str, list[str]]] = [
    ("layres: []\n", ["small.yaml", "line 4, layres: unknown key", "layers"]),
    ("classes: 3\n", ["line 1, layers: expected this key"]),
    ("layers: []\n", ["line 4, layers", "at least 1 entries"]),
    ("layers:\n  - conv3d: {}\n", ["line 5, layers[0].conv3d: unknown key", "conv2d"]),
    ("layers:\n  - {}\n", ["line 5", "expected one operator", "none"]),
    ("layers:\n  - {relu: , relu6: }\n", ["expected one operator", "relu, relu6"]),
    ("layers:\n  - 7\n", ["line 5, layers[0]"]),
    ("layers:\n  - conv2d: {kernel_size: 3}\n", ["layers[0].conv2d.filters", "missing"]),
    ("layers:\n  - conv2d:\n      filters: wide\n      kernel_size: 3\n",
     ["line 6, layers[0].conv2d.filters", "whole number from 1 to 65535", "'wide'"]),
    ("layers:\n  - conv2d: {filters: 0, kernel_size: 3}\n", ["conv2d.filters", "found 0"]),
    ("layers:\n  - conv2d: {filters: true, kernel_size: 3}\n", ["found True"]),
    ("layers:\n  - conv2d: {filters: 1.5, kernel_size: 3}\n", ["found 1.5"]),
    ("layers:\n  - conv2d: {filters: 4, kernel_size: [3, 3, 3]}\n", ["a pair"]),
    ("layers:\n  - conv2d: {filters: 4, kernel_size: 3, padding: full}\n",
     ["conv2d.padding", "same, valid", "'full'"]),
    ("layers:\n  - conv2d: {filters: 4, kernel_size: 3, use_bias: 1}\n", ["use_bias", "true"]),
    ("layers:\n  - conv2d: {filters: 4, kernel_size: 3, bias: true}\n",
     ["conv2d.bias: unknown key", "use_bias"]),
    ("layers:\n  - conv2d: {filters: $w, kernel_size: 3}\n",
     ["line 5, layers[0].conv2d.filters", "known here: channels", "'w'"]),
    ("layers:\n  - conv2d: {filters: __import__('os'), kernel_size: 3}\n", ["whole number"]),
    ("layers:\n  - conv2d: {filters: 2 ** 9, kernel_size: 3}\n", ["whole number"]),
    ("layers:\n  - dense: {units: 3}\n", ["none of 64 samples", "flatten it first"]),
    ("classes: 3\nlayers:\n" + CONV, ["the output is (8, 8, 4)", "per class: 3"]),
    ("layers:\n" + CONV + "  - add: [a, previous]\n",
     ["line 6, layers[1].add", "input, previous", "'a'"]),
    ("layers:\n" + CONV + "  - relu:\n    from: later\n", ["layers[1].from", "'later'"]),
    ("layers:\n" + CONV + "    as: input\n", ["line 6, layers[0].as", "already"]),
    ("parameters:\n  w: {type: int, low: 1, high: 4}\nlayers:\n" + CONV,
     ["line 5, parameters.w", "never used"]),
    ("parameters:\n  w: {type: int, low: 1, high: 4, step: 2}\nlayers:\n" + CONV,
     ["line 5, parameters.w", "multiple of step", "1, 4, 2"]),
    ("parameters:\n  w: {type: int, low: 4, high: 1}\nlayers:\n" + CONV, ["parameters.w"]),
    ("parameters:\n  w: {type: float, low: 0}\nlayers:\n" + CONV, ["line 5, parameters.w"]),
    ("parameters:\n  w: {type: choice, values: []}\nlayers:\n" + CONV,
     ["parameters.w.values", "1 to 256 values"]),
    ("parameters:\n  w: {type: choice, values: [1, true]}\nlayers:\n" + CONV,
     ["stands twice"]),
    ("parameters:\n  w: {type: choice, values: [1.0]}\nlayers:\n" + CONV, ["found 1.0"]),
    ("parameters:\n  W: {type: bool}\nlayers:\n" + CONV, ["line 5", "W"]),
    ("classes: 4\nparameters:\n  classes: {type: bool}\nlayers:\n" + CONV,
     ["line 6, parameters.classes", "already"]),
    ("parameters:\n  w: {type: int, low: 1, high: 4}\n"
     "layers:\n  - conv2d: {filters: $w // 2, kernel_size: 3}\n",
     ["expected 1 to 65535", "can be 0 to 2"]),
    ("parameters:\n  w: {type: int, low: 0, high: 4}\n"
     "layers:\n  - conv2d: {filters: 8 // $w, kernel_size: 3}\n", ["divide by 0"]),
    ("parameters:\n  w: {type: int, low: 1, high: 9000}\n"
     "layers:\n  - conv2d: {filters: $w * $w, kernel_size: 3}\n", ["81000000"]),
    ("parameters:\n  w: {type: choice, values: [a, b]}\n"
     "layers:\n  - conv2d: {filters: $w, kernel_size: 3}\n", ["$w is one of a, b"]),
    ("parameters:\n  w: {type: choice, values: [relu, tanh]}\n"
     "layers:\n  - conv2d: {filters: 4, kernel_size: 3, activation: $w}\n",
     ["none, relu, relu6", "$w is one of relu, tanh"]),
    ("parameters:\n  w: {type: bool}\nlayers:\n" + CONV + "    when: {w: 1}\n",
     ["line 8, layers[0].when.w", "never 1", "false, true"]),
    ("layers:\n" + CONV + "    when: {z: 1}\n", ["layers[0].when.z", "known here", "'z'"]),
    ("layers:\n  - repeat: {times: 65, layers: [relu]}\n", ["repeat.times", "0 to 64"]),
    ("layers:\n  - repeat: {times: 2, layers: []}\n", ["repeat.layers", "at least 1"]),
    ("layers:\n  - repeat:\n      times: 64\n      layers:\n"
     "        - repeat: {times: 64, layers: [relu]}\n", ["at most 2048 entries", "up to 4161"]),
    ("parameters:\n  w_1: {type: bool}\nlayers:\n" + CONV + "    when: {w_1: true}\n"
     "  - repeat:\n      times: 1\n      parameters: {w: {type: bool}}\n"
     "      layers:\n        - relu:\n          when: {w: true}\n", ["'w_1'", "there already"]),
    ("parameters:\n  w: {type: bool}\nlayers:\n" + CONV + "    when: {w: true}\n"
     "  - repeat:\n      times: 1\n      parameters: {w: {type: bool}}\n"
     "      layers: [relu]\n", ["repeat.parameters.w", "meaning already"]),
    ("layers:\n" + CONV + "references:\n  r: {parameters: {w: 1}}\n",
     ["line 7, references.r.parameters.w", "one of none", "no such parameter"]),
    ("parameters:\n  w: {type: int, low: 1, high: 5, step: 2}\n"
     "layers:\n  - conv2d: {filters: $w, kernel_size: 3}\n"
     "references:\n  r: {parameters: {w: 2}}\n", ["expected 1 to 5 in steps of 2; found 2"]),
    ("parameters:\n  w: {type: int, low: 1, high: 5}\n"
     "layers:\n  - conv2d: {filters: $w, kernel_size: 3}\n"
     "references:\n  r: {parameters: {}}\n", ["references.r", "'w', which is missing"]),
    ("parameters:\n  w: {type: bool}\n  v: {type: bool}\nlayers:\n" + CONV
     + "  - relu:\n    when: {w: true, v: true}\n"
     "references:\n  r: {parameters: {w: false, v: true}}\n", ["never asked", "v"]),
    ("parameters:\n  w: {type: width, low: 6, high: 8}\nlayers:\n" + CONV,
     ["line 5, parameters.w.low", "a multiple of 4", "found 6"]),
    ("parameters:\n  w: {type: width, low: 4, high: 8, step: 2}\nlayers:\n" + CONV,
     ["line 5, parameters.w.step", "a multiple of 4", "found 2"]),
    ("parameters:\n  w: {type: width, low: 0, high: 8}\nlayers:\n" + CONV,
     ["line 5, parameters.w.low", "4 or more", "found 0"]),
    ("parameters:\n  channels: {type: bool}\nlayers:\n" + CONV,
     ["line 5, parameters.channels", "another name"]),
    ("layers:\n  - repeat: {times: $channels, layers: [relu]}\n",
     ["line 5, layers[0].repeat.times", "only a sample tells"]),
    ("layers:\n" + CONV + "    when: {channels: 8}\n",
     ["line 6, layers[0].when.channels", "only a sample tells"]),
    ("layers:\n  - conv2d: {filters: $channels * 99999, kernel_size: 3}\n",
     ["line 5, layers[0].conv2d.filters", "expected 1 to 65535", "99999 to"]),
    ("layers:\n  - conv2d: {filters: 4, kernel_size: 3, activation: $channels}\n",
     ["line 5, layers[0].conv2d.activation", "only a sample tells"]),
    ("parameters:\n  w: {type: choice, values: [a, b]}\n"
     "layers:\n  - conv2d: {filters: $channels * $w, kernel_size: 3}\n", ["one of a, b"]),
    ("layers:\n  - repeat:\n      times: 64\n      parameters: {"
     + ", ".join(f"w{i}: {{type: bool}}" for i in range(17)) + "}\n      layers:\n"
     + "".join(f"        - relu:\n          when: {{w{i}: true}}\n" for i in range(17)),
     ["line 4, layers", "at most 1024 parameters"]),
    ("layers: [relu\n", ["not YAML"]),
    ("layers:\n  - relu\nlayers:\n  - relu6\n", ["line 6, layers", "twice"]),
    ("x: &a [relu]\nlayers: *a\n", ["line 4", "aliases"]),
    ("layers: !!python/object/apply:os.system ['true']\n", ["line 4", "tags"]),
    ("classes: !!bool zz\nlayers: [relu]\n", ["line 4", "tags"]),
    ("classes: 0x_\nlayers: [relu]\n", ["line 4, classes"]),
    ("7: x\nlayers: [relu]\n", ["line 4: expected text as a key"]),
    ("layers: " + "[" * 40 + "]" * 40 + "\n", ["nested deeper"]),
    ("description: 2020-01-01\nlayers: [relu]\n", ["line 4, description", "'2020-01-01'"]),
    ("classes: " + "9" * 5000 + "\nlayers: [relu]\n", ["line 4, classes"]),
    ("classes: 0x" + "f" * 5000 + "\nlayers: [relu]\n", ["line 4, classes", "to 1073741824"]),
    ("classes: 1" + ":30" * 5000 + "\nlayers: [relu]\n", ["line 4, classes", "to 1073741824"]),
    ("classes: 1" + ":30" * 5000 + ".5\nlayers: [relu]\n",
     ["line 4, classes", "expected a value"]),
    ("parameters:\n  w: {type: int, low: -1073741825, high: 4}\nlayers:\n" + CONV,
     ["line 5, parameters.w.low", "to 1073741824; found -1073741825"]),
    ('description: "\\ud800"\nlayers: [relu]\n', ["line 4", "printable", r"'\ud800'"]),
    ('description: "\\e[2J"\nlayers: [relu]\n', ["line 4", "printable", r"'\x1b'"]),
    ("parameters:\n  w: {type: choice, values: [" + "x" * 65 + "]}\nlayers:\n" + CONV,
     ["line 5, parameters.w.values", "text of up to 64 characters"]),
    ("layers:\n  - conv2d: {filters: $" + "w" * 65 + ", kernel_size: 3}\n",
     ["line 5, layers[0].conv2d.filters", "whole number"]),
    ("parameters:\n  " + "w" * 65 + ": {type: bool}\nlayers:\n" + CONV,
     ["line 5", "up to 64 lower-case letters"]),
]  # fmt: skip
"""What follows the head of a file, which has three lines."""

WRONG_HEADS: list[tuple[str, list[str]]] = [
    ("name: small\ninput: [8, 8, 1]\nlayers: [relu]\n", ["line 1, version: expected this key"]),
    ("version: 2\nname: s\ninput: [8]\nlayers: [relu]\n", ["line 1, version", "1", "found 2"]),
    ("version: 1\nname: Big Space\ninput: [8]\nlayers: [relu]\n", ["line 2, name"]),
    ("version: 1\nname: s\ninput: [8, 0, 1]\nlayers: [relu]\n", ["line 3, input[1]"]),
    ("version: 1\nname: s\ninput: ['8']\nlayers: [relu]\n", ["input[0]", "found '8'"]),
    ("- just\n- a list\n", ["small.yaml"]),
    ("", ["line 1", "empty"]),
    ("# nothing\n", ["line 1", "empty"]),
    ("a: 1\n---\nb: 2\n", ["not YAML"]),
    ("a: b\nc: \x00\n", ["line 2: not YAML"]),
]
"""Whole files."""
