"""Search spaces: the shipped ones, and the format."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networks
import optuna
import pytest
from optuna.trial import FixedTrial

from hwnas.errors import SpaceError
from hwnas.network import Network, NetworkBuilder, Operator
from hwnas.spaces import DeclaredSpace, list_spaces, load_space, random_networks
from hwnas.validation.networks import mobilenet_v1


def asked(space: DeclaredSpace, **parameters: Any) -> set[str]:
    """Names that a sample asks for; a fixed trial's own record of it."""
    trial = FixedTrial(parameters)
    space.sample(trial)
    return set(trial.distributions)


# --- the spaces that ship ---------------------------------------------------------------------


def test_every_shipped_space_samples_networks_that_a_study_can_drive() -> None:
    for name in list_spaces():
        space = load_space(name)
        assert space.name == name and space.description
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        networks = [space.sample(study.ask()) for _ in range(40)]
        assert len({network.digest for network in networks}) > 30
        for network in networks:
            assert network.input_shape == space.input_shape
            assert space.classes is None or network.output_shape == (space.classes,)
        for trial in study.get_trials():
            assert space.sample(FixedTrial(trial.params)) == networks[trial.number]
            assert set(trial.params) <= set(space.parameters)


REFERENCES: dict[str, dict[str, Callable[[], Network] | None]] = {
    "autoencoder": {"mlperf_tiny": networks.autoencoder},
    "ds_cnn": {"mlperf_tiny": None},  # below
    "lenet": {"lenet": networks.lenet},
    "mcunet": {"mobilenet_v2_035": networks.mobilenet_v2},
    "mobilenet_v1": {"mlperf_tiny": mobilenet_v1},
    "mobilenet_v2": {"mobilenet_v2_035": networks.mobilenet_v2},
    "resnet_cifar": {"resnet8": networks.resnet8, "resnet20": networks.resnet20},
    "tcn": {},
}


def test_the_references_are_the_networks_that_are_known() -> None:
    assert sorted(REFERENCES) == list_spaces()
    for name, known in REFERENCES.items():
        space = load_space(name)
        assert space.references == tuple(known)
        for reference, make in known.items():
            if make is not None:
                assert space.reference(reference) == make()
            point = space.reference_parameters(reference)
            assert space.sample(FixedTrial(point)) == space.reference(reference)


def test_the_ds_cnn_reference_is_the_keyword_spotting_benchmark() -> None:
    b = NetworkBuilder((49, 10, 1))
    x = b.conv2d(b.input, 64, (10, 4), strides=2, activation="relu")
    for _ in range(4):
        x = b.depthwise_conv2d(x, 3, activation="relu")
        x = b.conv2d(x, 64, 1, activation="relu")
    x = b.average_pool2d(x, (24, 5))
    b.softmax(b.dense(b.flatten(x), 12))
    assert load_space("ds_cnn").reference("mlperf_tiny") == b.build()


WIDTH_OPTIONS = {Operator.CONV2D, Operator.DEPTHWISE_CONV2D, Operator.DENSE}


def widths(space: DeclaredSpace, samples: int = 60) -> set[int]:
    """Output channels of hidden layers that have weights, over random networks."""
    found = set[int]()
    for network in itertools.islice(random_networks(space, seed=1), samples):
        weighted = [layer for layer in network.layers if layer.operator in WIDTH_OPTIONS]
        found |= {layer.output_shape[-1] for layer in weighted[:-1]}
    return found


def test_widths_are_multiples_of_4_by_construction_and_any_number_off_the_grid() -> None:
    for name in set(list_spaces()) - {"lenet"}:
        assert {width % 4 for width in widths(load_space(name))} == {0}
        free = load_space(name, off_grid=True)
        assert free.name == f"{name}_off_grid"
        assert {width % 4 for width in widths(free)} == {0, 1, 2, 3}
        for reference in free.references:
            assert free.reference(reference) == load_space(name).reference(reference)


def test_off_the_grid_the_ends_of_a_width_stay() -> None:
    on, off = load_space("ds_cnn"), load_space("ds_cnn", off_grid=True)
    assert str(on.parameters["filters_1"]) == "8 to 96 in steps of 4"
    assert str(off.parameters["filters_1"]) == "8 to 96 in steps of 1"
    assert str(off.parameters["blocks"]) == str(on.parameters["blocks"])


def test_a_space_without_widths_cannot_leave_the_grid() -> None:
    with pytest.raises(SpaceError, match=r"lenet\.yaml, line 11, parameters: .* of type width"):
        load_space("lenet", off_grid=True)


def test_the_optional_stages_of_the_mobile_spaces() -> None:
    space = load_space("mcunet")
    point = space.reference_parameters("mobilenet_v2_035")
    for name in [name for name in point if re.fullmatch(r"\w+6|stage6_\w+|head_filters", name)]:
        del point[name]
    point |= {"stage6": False, "head": False, "expansion1": 1}
    assert asked(space, **point) == set(point)
    network = space.sample(FixedTrial(point))
    whole = space.reference("mobilenet_v2_035")
    # The last stage, the head and the expansion of the first stage's first block are gone.
    assert len(network.nodes) == len(whole.nodes) - 3 - 1 - 1
    assert network.layers[-3].input_shape == (3, 3, 56)


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
    with pytest.raises(SpaceError, match=r"'lenett'.*ds_cnn, lenet, "):
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


def test_channels_are_those_that_the_entry_reads(declare: Any) -> None:
    space = declare(
        """
parameters:
  first: {type: width, low: 4, high: 12}
  expansion: {type: choice, values: [2, 3]}
layers:
  - conv2d: {filters: $first, kernel_size: 3}
    as: narrow
  - conv2d: {filters: $channels * $expansion, kernel_size: 1}
    as: wide
  - conv2d: {filters: $channels * 5, kernel_size: 1}
    from: narrow
  - conv2d: {filters: $channels // 20 * $expansion * 4, kernel_size: 1, groups: $channels // 10}
  - add: [previous, wide]
  - flatten
  - dense: {units: $channels // 64}
"""
    )
    network = space.sample(FixedTrial({"first": 8, "expansion": 3}))
    assert [layer.output_shape[-1] for layer in network.layers] == [8, 24, 40, 24, 24, 1536, 24]
    assert network.nodes[2].inputs == (1,) and network.layers[3].groups == 4


def test_channels_that_make_no_layer_are_told_when_they_are_sampled(declare: Any) -> None:
    space = declare(
        """
parameters:
  first: {type: width, low: 4, high: 12}
layers:
  - conv2d: {filters: $first, kernel_size: 3}
  - conv2d: {filters: $channels // 8, kernel_size: 1}
"""
    )
    assert space.sample(FixedTrial({"first": 8})).output_shape == (8, 8, 1)
    with pytest.raises(SpaceError, match=r"layers\[1\]\.conv2d: .*1 to 65535.*with first=4"):
        space.sample(FixedTrial({"first": 4}))


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
