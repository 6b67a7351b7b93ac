"""Search spaces: the shipped ones, the format, its errors, and users' functions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.trial import FixedTrial

from hwnas.errors import HwnasError, SpaceError
from hwnas.network import Network, NetworkBuilder, Operator
from hwnas.spaces import (
    Candidate,
    DeclaredSpace,
    FunctionError,
    FunctionSpace,
    as_space,
    list_spaces,
    load_function,
    load_space,
)
from hwnas.spaces._yaml import MAX_FILE_BYTES, parse_document

HOSTILE_TOKENS = [
    "-1", "$w", "[]", "{", "~", "1e9", "*a", "'", "::", "=", "<<", ".inf", ".nan", "1e400", "0b_",
    "0x" + "f" * 5_000, "9" * 5_000, "1" + ":30" * 5_000, "1" + ":30" * 5_000 + ".5", "2020-01-01",
    "!!float x", "? [a]", '"\\ud800"', "\u2028", "\x85", "$w * 99999 * 99999",
]  # fmt: skip
HEAD = "version: 1\nname: small\ninput: [8, 8, 1]\n"


@pytest.fixture
def declare(tmp_path: Path) -> Any:
    def write(text: str, head: str = HEAD) -> DeclaredSpace:
        path = tmp_path / "small.yaml"
        path.write_text(head + text)
        return load_space(path)

    return write


def asked(space: DeclaredSpace, **parameters: Any) -> set[str]:
    """Names that a sample asks for; a fixed trial's own record of it."""
    trial = FixedTrial(parameters)
    space.sample(trial)
    return set(trial.distributions)


# --- the spaces that ship ---------------------------------------------------------------------


def test_every_shipped_space_samples_networks_that_a_study_can_drive() -> None:
    assert {"lenet", "ds_cnn"} <= set(list_spaces())
    for name in list_spaces():
        space = load_space(name)
        assert space.name == name and space.references
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        networks = [space.sample(study.ask()) for _ in range(40)]
        assert len({network.digest for network in networks}) > 30
        for network in networks:
            assert network.input_shape == space.input_shape
            assert network.output_shape == (space.classes,)
        for trial in study.get_trials():
            assert space.sample(FixedTrial(trial.params)) == networks[trial.number]
            assert set(trial.params) <= set(space.parameters)


def test_the_lenet_reference_is_the_papers(lenet: Network) -> None:
    space = load_space("lenet")
    assert space.reference("lenet") == lenet
    assert space.sample(FixedTrial(space.reference_parameters("lenet"))) == lenet


def test_the_ds_cnn_reference_is_the_keyword_spotting_benchmark() -> None:
    b = NetworkBuilder((49, 10, 1))
    x = b.conv2d(b.input, 64, (10, 4), strides=2, activation="relu")
    for _ in range(4):
        x = b.depthwise_conv2d(x, 3, activation="relu")
        x = b.conv2d(x, 64, 1, activation="relu")
    x = b.average_pool2d(x, (24, 5))
    b.softmax(b.dense(b.flatten(x), 12))
    assert load_space("ds_cnn").reference("mlperf_tiny") == b.build()


def test_lenet_has_off_grid_widths_and_conditional_parameters() -> None:
    space = load_space("lenet")
    common = {"conv1_filters": 7, "conv1_kernel": 5, "pooling": "average", "dense_layers": 0}
    network = space.sample(FixedTrial({**common, "second_conv": False}))
    assert [layer.operator for layer in network.layers] == [
        Operator.CONV2D, Operator.AVERAGE_POOL2D, Operator.RESHAPE, Operator.DENSE,
        Operator.SOFTMAX,
    ]  # fmt: skip
    assert network.layers[0].output_shape == (28, 28, 7)
    assert asked(space, second_conv=False, **common) == {*common, "second_conv"}
    assert "conv2_filters" in asked(
        space, second_conv=True, conv2_filters=5, conv2_kernel=3, **common
    )


def test_an_unknown_reference_lists_the_known() -> None:
    with pytest.raises(SpaceError, match=r"no reference 'alexnet'; it has: lenet"):
        load_space("lenet").reference("alexnet")


def test_an_unknown_space_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match=r"'lenett'.*ds_cnn, lenet"):
        load_space("lenett")
    for missing in (tmp_path / "none.yaml", tmp_path / f"{'x' * 5_000}.yaml"):
        with pytest.raises(SpaceError, match=f"{missing.name}: there is no such file"):
            load_space(missing)


def test_sampling_imports_neither_tensorflow_nor_optuna() -> None:
    code = (
        "import sys\n"
        "from hwnas.spaces import load_space\n"
        "load_space('lenet').reference('lenet')\n"
        "print(sorted({'tensorflow', 'keras', 'optuna'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- the format -------------------------------------------------------------------------------


def test_expressions_multiply_and_divide_from_left_to_right(declare: Any) -> None:
    space = declare(
        """
classes: 5
parameters:
  width: {type: int, low: 2, high: 8}
  kernel: {type: choice, values: [1, 3]}
  act: {type: choice, values: [relu, relu6]}
  bias: {type: bool}
layers:
  - conv2d:
      {filters: $width * 4 // 3, kernel_size: [$kernel, 1], activation: $act, use_bias: $bias}
  - flatten
  - dense: {units: $classes}
"""
    )
    network = space.sample(FixedTrial({"width": 7, "kernel": 3, "act": "relu6", "bias": False}))
    first = network.layers[0]
    assert first.output_shape == (8, 8, 9)
    assert first.kernel_size == (3, 1)
    assert first.activation == "relu6" and not first.use_bias
    assert network.output_shape == (5,)


def test_activations_as_layers_groups_and_global_maxima(declare: Any) -> None:
    space = declare(
        """
parameters:
  groups: {type: choice, values: [1, 2]}
layers:
  - conv2d: {filters: 8, kernel_size: 3}
  - hard_swish
  - conv2d: {filters: 6, kernel_size: 3, groups: $groups}
  - leaky_relu
  - tanh
  - global_max_pool2d
  - sigmoid
"""
    )
    layers = space.sample(FixedTrial({"groups": 2})).layers
    assert [str(layer.operator) for layer in layers] == [
        "conv2d", "hard_swish", "conv2d", "leaky_relu", "tanh", "global_max_pool2d", "logistic",
    ]  # fmt: skip
    assert [layer.groups for layer in layers if layer.operator == "conv2d"] == [1, 2]


def test_nested_repeats_have_parameters_of_their_own(declare: Any) -> None:
    space = declare(
        """
parameters:
  stages: {type: int, low: 1, high: 2}
layers:
  - repeat:
      times: $stages
      parameters:
        width: {type: int, low: 1, high: 9}
        depth: {type: int, low: 0, high: 2}
      layers:
        - repeat:
            times: $depth
            parameters:
              kernel: {type: choice, values: [1, 3]}
            layers:
              - conv2d: {filters: $width, kernel_size: $kernel}
        - max_pool2d
"""
    )
    assert set(space.parameters) == {
        "stages", "width_1", "width_2", "depth_1", "depth_2",
        "kernel_1_1", "kernel_1_2", "kernel_2_1", "kernel_2_2",
    }  # fmt: skip
    point = {"stages": 2, "width_1": 4, "depth_1": 2, "kernel_1_1": 1, "kernel_1_2": 3,
             "depth_2": 0}  # fmt: skip
    network = space.sample(FixedTrial(point))
    assert [layer.operator for layer in network.layers] == [
        Operator.CONV2D, Operator.CONV2D, Operator.MAX_POOL2D, Operator.MAX_POOL2D,
    ]  # fmt: skip
    assert [layer.kernel_size for layer in network.layers[:2]] == [(1, 1), (3, 3)]
    assert asked(space, **point) == set(point)


def test_residual_blocks_by_name(declare: Any) -> None:
    space = declare(
        """
parameters:
  blocks: {type: int, low: 1, high: 3}
  project: {type: bool}
layers:
  - conv2d: {filters: 4, kernel_size: 3}
    as: shortcut
  - repeat:
      times: $blocks
      layers:
        - conv2d: {filters: 4, kernel_size: 3, activation: relu}
          as: main
        - conv2d: {filters: 4, kernel_size: 1}
          from: shortcut
          when: {project: true}
          as: side
        - add: {inputs: [main, shortcut], activation: relu}
          when: {project: false}
        - add: [main, side]
          when: {project: true}
          as: joined
        - relu:
          as: shortcut
"""
    )
    plain = space.sample(FixedTrial({"blocks": 2, "project": False}))
    assert [node.inputs for node in plain.nodes] == [
        (0,), (1,), (2, 1), (3,), (4,), (5, 4), (6,),
    ]  # fmt: skip
    projected = space.sample(FixedTrial({"blocks": 1, "project": True}))
    assert [node.inputs for node in projected.nodes] == [(0,), (1,), (1,), (2, 3), (4,)]


def test_an_inactive_entry_passes_its_input_on_under_its_name(declare: Any) -> None:
    space = declare(
        """
parameters:
  deep: {type: bool}
layers:
  - conv2d: {filters: 4, kernel_size: 3}
  - conv2d: {filters: 4, kernel_size: 3}
    when: {deep: true}
    as: trunk
  - conv2d: {filters: 4, kernel_size: 1}
  - add: [previous, trunk]
"""
    )
    network = space.sample(FixedTrial({"deep": False}))
    assert [node.inputs for node in network.nodes] == [(0,), (1,), (2, 1)]


def test_conditions_take_lists_and_all_of_them_must_hold(declare: Any) -> None:
    space = declare(
        """
parameters:
  kind: {type: choice, values: [a, b, c]}
  wide: {type: bool}
layers:
  - conv2d: {filters: 4, kernel_size: 3}
  - relu:
    when: {kind: [a, b], wide: true}
"""
    )

    def count(**point: Any) -> int:
        return len(space.sample(FixedTrial(point)).nodes)

    assert count(kind="b", wide=True) == 2
    assert count(kind="b", wide=False) == 1
    assert count(kind="c") == 1


def test_an_invalid_sample_names_its_parameters(declare: Any) -> None:
    space = declare(
        """
parameters:
  kernel: {type: choice, values: [3, 9]}
layers:
  - conv2d: {filters: 2, kernel_size: $kernel, padding: valid}
"""
    )
    with pytest.raises(SpaceError, match=r"small, layers\[0\]\.conv2d: .*9x9.*with kernel=9"):
        space.sample(FixedTrial({"kernel": 9}))


def test_a_name_that_a_sample_lacks_is_told(declare: Any) -> None:
    space = declare(
        """
parameters:
  deep: {type: bool}
layers:
  - conv2d: {filters: 4, kernel_size: 3}
  - block:
      - conv2d: {filters: 4, kernel_size: 3}
        as: inner
      - relu
    when: {deep: true}
  - add: [previous, inner]
"""
    )
    assert len(space.sample(FixedTrial({"deep": True})).nodes) == 4
    with pytest.raises(SpaceError, match=r"layers\[2\]: .*'inner' is not part.*deep=False"):
        space.sample(FixedTrial({"deep": False}))


# --- wrong files ------------------------------------------------------------------------------

CONV = "  - conv2d: {filters: 4, kernel_size: 3}\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("layres: []\n", ["small.yaml", "line 4, layres: unknown key", "layers"]),
        ("classes: 3\n", ["layers: this key is missing"]),
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
         ["line 5, layers[0].conv2d.filters", "no parameter 'w'"]),
        ("layers:\n  - conv2d: {filters: __import__('os'), kernel_size: 3}\n", ["whole number"]),
        ("layers:\n  - conv2d: {filters: 2 ** 9, kernel_size: 3}\n", ["whole number"]),
        ("layers:\n  - dense: {units: 3}\n", ["none of 64 samples", "flatten it first"]),
        ("classes: 3\nlayers:\n" + CONV, ["the output is (8, 8, 4)", "per class: 3"]),
        ("layers:\n" + CONV + "  - add: [a, previous]\n", ["line 6, layers[1].add", "named 'a'"]),
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
        ("layers:\n" + CONV + "    when: {z: 1}\n", ["layers[0].when.z", "no parameter 'z'"]),
        ("layers:\n  - repeat: {times: 65, layers: [relu]}\n", ["repeat.times", "0 to 64"]),
        ("layers:\n  - repeat: {times: 2, layers: []}\n", ["repeat.layers", "at least 1"]),
        ("layers:\n  - repeat:\n      times: 64\n      layers:\n"
         "        - repeat: {times: 64, layers: [relu]}\n", ["up to 4161 entries"]),
        ("parameters:\n  w_1: {type: bool}\nlayers:\n" + CONV + "    when: {w_1: true}\n"
         "  - repeat:\n      times: 1\n      parameters: {w: {type: bool}}\n"
         "      layers:\n        - relu:\n          when: {w: true}\n", ["'w_1'", "there already"]),
        ("parameters:\n  w: {type: bool}\nlayers:\n" + CONV + "    when: {w: true}\n"
         "  - repeat:\n      times: 1\n      parameters: {w: {type: bool}}\n"
         "      layers: [relu]\n", ["repeat.parameters.w", "meaning already"]),
        ("layers:\n" + CONV + "references:\n  r: {parameters: {w: 1}}\n",
         ["line 7, references.r.parameters.w", "no such parameter"]),
        ("parameters:\n  w: {type: int, low: 1, high: 5, step: 2}\n"
         "layers:\n  - conv2d: {filters: $w, kernel_size: 3}\n"
         "references:\n  r: {parameters: {w: 2}}\n", ["2 is not 1 to 5 in steps of 2"]),
        ("parameters:\n  w: {type: int, low: 1, high: 5}\n"
         "layers:\n  - conv2d: {filters: $w, kernel_size: 3}\n"
         "references:\n  r: {parameters: {}}\n", ["references.r", "'w' is missing"]),
        ("parameters:\n  w: {type: bool}\n  v: {type: bool}\nlayers:\n" + CONV
         + "  - relu:\n    when: {w: true, v: true}\n"
         "references:\n  r: {parameters: {w: false, v: true}}\n", ["never asked", "v"]),
        ("layers: [relu\n", ["not YAML"]),
        ("layers:\n  - relu\nlayers:\n  - relu6\n", ["line 6, layers", "twice"]),
        ("x: &a [relu]\nlayers: *a\n", ["line 4", "aliases"]),
        ("layers: !!python/object/apply:os.system ['true']\n", ["line 4", "tags"]),
        ("classes: !!bool zz\nlayers: [relu]\n", ["line 4", "tags"]),
        ("classes: 0x_\nlayers: [relu]\n", ["line 4, classes"]),
        ("7: x\nlayers: [relu]\n", ["the key on line 4 must be text"]),
        ("layers: " + "[" * 40 + "]" * 40 + "\n", ["nested deeper"]),
        ("description: 2020-01-01\nlayers: [relu]\n", ["line 4, description", "'2020-01-01'"]),
        ("classes: " + "9" * 5000 + "\nlayers: [relu]\n", ["line 4, classes"]),
        ("classes: 0x" + "f" * 5000 + "\nlayers: [relu]\n", ["line 4, classes", "is beyond"]),
        ("classes: 1" + ":30" * 5000 + "\nlayers: [relu]\n", ["line 4, classes", "is beyond"]),
        ("classes: 1" + ":30" * 5000 + ".5\nlayers: [relu]\n", ["line 4, classes", "not a value"]),
        ("parameters:\n  w: {type: int, low: -1073741825, high: 4}\nlayers:\n" + CONV,
         ["line 5, parameters.w.low", "is beyond 1073741824"]),
        ('description: "\\ud800"\nlayers: [relu]\n', ["line 4", r"'\ud800' is not allowed"]),
        ('description: "\\e[2J"\nlayers: [relu]\n', ["line 4", r"'\x1b' is not allowed"]),
        ("parameters:\n  w: {type: choice, values: [" + "x" * 65 + "]}\nlayers:\n" + CONV,
         ["line 5, parameters.w.values", "text of up to 64 characters"]),
        ("layers:\n  - conv2d: {filters: $" + "w" * 65 + ", kernel_size: 3}\n",
         ["line 5, layers[0].conv2d.filters", "whole number"]),
        ("parameters:\n  " + "w" * 65 + ": {type: bool}\nlayers:\n" + CONV,
         ["line 5", "up to 64 lower-case letters"]),
    ],
)  # fmt: skip
def test_a_wrong_file_names_line_key_and_what_was_expected(
    declare: Any, text: str, words: list[str]
) -> None:
    with pytest.raises(SpaceError) as raised:
        declare(text)
    for word in words:
        assert word in str(raised.value)
    assert len(str(raised.value)) < 1_000


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("name: small\ninput: [8, 8, 1]\nlayers: [relu]\n", ["version: this key is missing"]),
        ("version: 2\nname: s\ninput: [8]\nlayers: [relu]\n", ["line 1, version", "1", "found 2"]),
        ("version: 1\nname: Big Space\ninput: [8]\nlayers: [relu]\n", ["line 2, name"]),
        ("version: 1\nname: s\ninput: [8, 0, 1]\nlayers: [relu]\n", ["line 3, input[1]"]),
        ("version: 1\nname: s\ninput: ['8']\nlayers: [relu]\n", ["input[0]", "found '8'"]),
        ("- just\n- a list\n", ["small.yaml"]),
        ("", ["empty"]),
        ("# nothing\n", ["empty"]),
        ("a: 1\n---\nb: 2\n", ["not YAML"]),
        ("a: \x00\n", ["not YAML"]),
    ],
)
def test_a_wrong_head_is_refused(declare: Any, head: str, words: list[str]) -> None:
    with pytest.raises(SpaceError) as raised:
        declare("", head=head)
    for word in words:
        assert word in str(raised.value)


def test_many_errors_are_told_at_once(declare: Any) -> None:
    with pytest.raises(SpaceError) as raised:
        declare("layers:\n" + "  - conv2d: {}\n" * 6)
    assert str(raised.value).count("missing") == 5 and "and 7 more" in str(raised.value)


def test_a_large_file_and_one_that_is_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("#" * (MAX_FILE_BYTES + 1))
    with pytest.raises(SpaceError, match="at most 65536 bytes"):
        load_space(path)
    path.write_bytes(b"name: \xff\xfe\xfa")
    with pytest.raises(SpaceError, match="cannot be read"):
        load_space(path)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damaged_files_only_ever_raise_space_errors(tmp_path: Path, data: st.DataObject) -> None:
    text = (Path(__file__).parent.parent / "search_spaces" / "lenet.yaml").read_text()
    lines = text.splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        i = data.draw(st.integers(0, len(lines) - 1))
        kind = data.draw(st.sampled_from(["drop", "double", "token", "indent", "cut"]))
        if kind == "drop":
            lines[i] = ""
        elif kind == "double":
            lines.insert(i, lines[i])
        elif kind == "token":
            token = data.draw(st.sampled_from(HOSTILE_TOKENS))
            head, _, _ = lines[i].rpartition(" ")
            lines[i] = f"{head} {token}"
        elif kind == "indent":
            lines[i] = "  " + lines[i]
        else:
            lines[i] = lines[i][: data.draw(st.integers(0, len(lines[i])))]
    path = tmp_path / "damaged.yaml"
    path.write_text("\n".join(lines))
    try:
        space = load_space(path)
    except SpaceError as error:
        assert "damaged.yaml" in str(error)
    else:
        assert space.name


@settings(max_examples=300, deadline=None)
@given(text=st.text("ab01:-.[]{}$*&!#'\"|>?%@,_ex+ \n\t", max_size=40))
def test_any_text_is_a_document_or_a_space_error(text: str) -> None:
    try:
        document = parse_document(text, "x.yaml")
    except SpaceError as error:
        assert "x.yaml" in str(error)
    else:
        assert isinstance(document.data, (dict, list, str, int, float, bool, type(None)))


def test_what_is_repeated_never_is_counted_as_well(declare: Any) -> None:
    text = "relu"
    for times in (0, *[64] * 9):
        text = f"{{repeat: {{times: {times}, layers: [{text}]}}}}"
    with pytest.raises(SpaceError, match="entries; at most 2048"):
        declare(f"layers: [{text}]\n")


_HOSTILE = st.sampled_from(
    [-1, 0, 2**30, 2**31, 10**400, 1e308, -0.5, float("inf"), None, "", True, [], [1, 2], "$none",
     "$w * $w * $w * $w", "0 // $w", "previous", {}]
)  # fmt: skip


def mostly(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Now and then something else."""
    return st.integers(0, 19).flatmap(lambda roll: _HOSTILE if roll == 7 else good)


_SMALL = mostly(st.integers(1, 5) | st.sampled_from(["$w", "$w // 2", "$w * 2"]))
_NAMED = mostly(st.sampled_from(["a", "b"]))


def _layer(name: str, **options: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({name: st.fixed_dictionaries(options)})


def _entries(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Entries of a list of layers, some of them wrong."""
    layers = st.lists(inner, min_size=1, max_size=3)
    repeat = st.fixed_dictionaries({"times": mostly(st.integers(0, 64)), "layers": layers})
    modifiers = {
        "when": mostly(st.fixed_dictionaries({"w": mostly(st.integers(1, 6))})),
        "as": _NAMED,
        "from": mostly(st.sampled_from(["input", "previous", "a"])),
    }
    return st.one_of(
        _layer("conv2d", filters=_SMALL, kernel_size=_SMALL, strides=_SMALL),
        _layer("max_pool2d", pool_size=_SMALL),
        _layer("dense", units=_SMALL),
        _layer("reshape", output_shape=mostly(st.lists(_SMALL, min_size=1, max_size=3))),
        _layer("add", inputs=mostly(st.lists(_NAMED, min_size=2, max_size=2))),
        st.fixed_dictionaries({"repeat": repeat}, optional=modifiers),
        st.fixed_dictionaries({"block": layers}, optional=modifiers),
        st.just("flatten"),
    )


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    layers=st.lists(st.recursive(st.just("relu"), _entries, max_leaves=8), min_size=1, max_size=4),
    low=mostly(st.integers(1, 6)),
    shape=mostly(st.lists(mostly(st.integers(1, 20)), min_size=3, max_size=3)),
)
def test_hostile_spaces_only_ever_raise_space_errors(
    tmp_path: Path, layers: list[Any], low: Any, shape: Any
) -> None:
    path = tmp_path / "hostile.yaml"
    reader = {"relu": {}, "when": {"w": 6}}
    space_file = {
        "version": 1,
        "name": "h",
        "input": shape,
        "parameters": {"w": {"type": "int", "low": low, "high": 6}},
        "layers": [reader, *layers],
    }
    path.write_text(json.dumps(space_file))
    try:
        space = load_space(path)
    except SpaceError as error:
        assert "hostile.yaml" in str(error) and len(str(error)) < 2_000
        return
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(5):
        try:
            assert isinstance(space.sample(study.ask()), Network)
        except SpaceError as error:
            assert "space h, " in str(error)


def test_lines_are_counted_from_one() -> None:
    document = parse_document("a:\n  - b: 1\n  - c: 2\n", "x")
    assert document.data == {"a": [{"b": 1}, {"c": 2}]}
    assert document.lines[("a", 1, "c")] == 3
    assert document.place(("a", 1, "c", "d")) == ", line 3, a[1].c.d"


# --- functions --------------------------------------------------------------------------------


def one_layer(trial: Any) -> Network:
    b = NetworkBuilder((8, 8, 1))
    b.conv2d(b.input, trial.suggest_int("filters", 1, 8), trial.suggest_int("kernel", 1, 9),
             padding="valid")  # fmt: skip
    return b.build()


def test_a_function_is_a_space() -> None:
    space = as_space(one_layer)
    assert isinstance(space, FunctionSpace) and space.name.endswith("test_spaces.one_layer")
    network = space.sample(FixedTrial({"filters": 2, "kernel": 3}))
    assert network.output_shape == (6, 6, 2)
    assert space.candidate(FixedTrial({"filters": 2, "kernel": 3})) == Candidate(network, None)
    assert space.input_shape is None and space.classes is None
    with pytest.raises(SpaceError, match="has no reference 'x'; it has: none"):
        space.reference("x")


def test_a_functions_invalid_network_names_the_parameters() -> None:
    with pytest.raises(SpaceError, match=r"one_layer: .*9x9.*filters=2, kernel=9"):
        as_space(one_layer).sample(FixedTrial({"filters": 2, "kernel": 9}))


def test_a_function_that_returns_something_else_is_told() -> None:
    with pytest.raises(FunctionError, match=r"returned dict; a hwnas\.Network or a keras\.Model"):
        as_space(lambda trial: {}).sample(FixedTrial({}))


def test_a_function_that_raises_is_told_with_the_parameters() -> None:
    def broken(trial: Any) -> Network:
        return trial.suggest_int("filters", 1, 8) + "3"

    with pytest.raises(FunctionError, match=r"broken: .*TypeError: unsupported.*; with filters=2"):
        as_space(broken).sample(FixedTrial({"filters": 2}))


def test_a_function_may_prune_its_trial() -> None:
    def picky(trial: Any) -> Network:
        raise optuna.TrialPruned("not today")

    with pytest.raises(optuna.TrialPruned, match="not today"):
        as_space(picky).sample(FixedTrial({}))


def test_a_keras_model_whose_shapes_do_not_fit_is_an_invalid_sample() -> None:
    import keras

    def build(trial: Any) -> Any:
        pool = keras.layers.AveragePooling2D(trial.suggest_int("pool", 1, 9))
        return keras.Sequential([keras.Input((8, 8, 1)), pool])

    space = as_space(build)
    assert space.sample(FixedTrial({"pool": 4})).output_shape == (2, 2, 1)
    with pytest.raises(SpaceError, match=r"build: .*negative.*; with pool=9$") as raised:
        space.sample(FixedTrial({"pool": 9}))
    assert str(raised.value).isprintable()


def test_as_space_takes_spaces_names_and_files(tmp_path: Path) -> None:
    space = load_space("lenet")
    assert as_space(space) is space
    assert as_space("lenet").name == "lenet"
    path = tmp_path / "own.yaml"
    path.write_text(HEAD + "layers:\n" + CONV)
    assert as_space(path).name == as_space(str(path)).name == "small"
    with pytest.raises(SpaceError, match="int is no search space"):
        as_space(7)  # type: ignore[arg-type]


def test_a_keras_model_comes_with_its_network() -> None:
    import keras

    def build(trial: Any) -> Any:
        return keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                keras.layers.Conv2D(trial.suggest_int("filters", 1, 8), 3, padding="same"),
            ]
        )

    space = as_space(build)
    candidate = space.candidate(FixedTrial({"filters": 3}))
    assert isinstance(candidate.model, keras.Model)
    assert candidate.network.output_shape == (8, 8, 3)


def test_functions_are_found_in_the_working_directory(tmp_path: Path) -> None:
    package = tmp_path / "nets"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "late.py").write_text("VALUE = 5\n")
    (package / "mine.py").write_text(
        "def build(trial):\n    from nets.late import VALUE\n    return VALUE\n"
    )
    code = "from hwnas.spaces import load_function; print(load_function('nets.mine:build')(None))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "5", done.stderr


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("nothing", "expected module:function"),
        ("os:path; print", "expected module:function"),
        ("no_such_module_here:f", "ModuleNotFoundError"),
        ("a_script_that_exits:f", "SystemExit"),
        ("os.path:nothing", "no 'nothing' in os.path"),
        ("os.path:sep", "is str, not a function"),
    ],
)
def test_functions_that_are_not_there_are_told(
    spec: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a_script_that_exits.py").write_text("raise SystemExit(0)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(FunctionError, match=words) as raised:
        load_function(spec)
    assert isinstance(raised.value, HwnasError)


def test_the_example_of_the_documentation_is_a_space(tmp_path: Path) -> None:
    text = (Path(__file__).parent.parent / "docs" / "search-spaces.md").read_text()
    path = tmp_path / "tiny.yaml"
    path.write_text(text.split("```yaml\n")[1].split("```")[0])
    assert load_space(path).reference("smallest").output_shape == (10,)
