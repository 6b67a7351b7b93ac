"""How many points a space has, against going through all of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from hwnas.errors import SpaceError
from hwnas.spaces import Cardinality, all_networks, list_spaces, load_space

ALWAYS = "layers:\n  - conv2d: {filters: 4, kernel_size: 1}\n"
MANY = 3_000


def counted(space: Any) -> int:
    """Points, one by one, of a space whose points all make networks."""
    return sum(1 for _ in all_networks(space))


def test_parameters_multiply_and_branches_add(declare: Any) -> None:
    space = declare(
        """
parameters:
  width: {type: width, low: 4, high: 12}
  kind: {type: choice, values: [none, conv, pool]}
  kernel: {type: choice, values: [1, 3, 5, 7]}
layers:
  - conv2d: {filters: $width, kernel_size: 1}
  - conv2d: {filters: $width, kernel_size: $kernel}
    when: {kind: conv}
  - max_pool2d:
    when: {kind: pool}
"""
    )
    assert space.cardinality == Cardinality(3 * (1 + 4 + 1), exact=True)
    assert counted(space) == 18


def test_what_a_turn_asks_of_the_whole_space_is_asked_once(declare: Any) -> None:
    space = declare(
        """
parameters:
  turns: {type: int, low: 0, high: 3}
  width: {type: int, low: 1, high: 5}
layers:
  - conv2d: {filters: 4, kernel_size: 1}
  - repeat:
      times: $turns
      parameters:
        wide: {type: bool}
      layers:
        - conv2d: {filters: $width, kernel_size: 1}
          when: {wide: true}
"""
    )
    # In n turns, 2^n - 1 ways ask for the width of 5 values, and one does not.
    assert space.cardinality.points == sum(5 * (2**n - 1) + 1 for n in range(4))
    assert counted(space) == space.cardinality.points


def test_a_condition_is_asked_only_where_those_before_it_hold(declare: Any) -> None:
    space = declare(
        """
parameters:
  first: {type: int, low: 0, high: 9}
  second: {type: choice, values: [a, b, c]}
layers:
  - conv2d: {filters: 4, kernel_size: 1}
  - relu:
    when: {first: [2, 5], second: b}
"""
    )
    assert space.cardinality.points == 8 + 2 * 3 == counted(space)


def test_a_name_may_stand_for_other_things_in_other_repeats(declare: Any) -> None:
    space = declare(
        """
layers:
  - repeat:
      times: 2
      parameters:
        p: {type: choice, values: [1, 2, 3]}
      layers:
        - conv2d: {filters: $p, kernel_size: 1}
        - relu:
          when: {p: 1}
  - repeat:
      times: 1
      layers:
        - repeat:
            times: 1
            parameters:
              p: {type: bool}
            layers:
              - relu:
              - relu:
                when: {p: true}
"""
    )
    assert space.cardinality.points == 3**2 * 2 == counted(space)


def test_what_takes_too_long_to_count_is_a_bound_and_says_so(declare: Any) -> None:
    switches = [f"s{i}" for i in range(25)]
    declared = "".join(f"  {name}: {{type: bool}}\n" for name in switches)
    read = "".join(f"  - relu:\n    when: {{{name}: true}}\n" for name in switches)
    once = declare(f"parameters:\n{declared}" + ALWAYS + read)
    assert once.cardinality == Cardinality(2**25, exact=True)
    space = declare(f"parameters:\n{declared}" + ALWAYS + read + read)
    assert space.cardinality == Cardinality(3**25, exact=False)
    assert space.cardinality.points >= 2**25
    assert str(space.cardinality) == "at most 8.47e+11"
    large = declare(
        "parameters:\n  n: {type: int, low: 0, high: 64000}\n"
        + ALWAYS
        + "  - repeat: {times: $n // 1000, layers: [relu]}\n"
    )
    assert not large.cardinality.exact


def test_the_spaces_that_ship_are_counted_exactly() -> None:
    for name in list_spaces():
        assert load_space(name).cardinality.exact
    stem = 23 * 4 * 2 * 2  # filters, rows, columns, pooling
    assert load_space("ds_cnn").cardinality.points == stem * sum((2 * 23) ** n for n in range(1, 6))
    kinds, conv2 = 22 * 2 * 2, 29 * 2
    dense = 1 + 32 + 32**2
    assert load_space("lenet").cardinality.points == kinds * (1 + conv2) * dense


def test_numbers_that_no_float_holds_are_written() -> None:
    assert str(Cardinality(10**400, exact=True)) == "1.00e+400"
    assert str(Cardinality(999_999_999, exact=True)) == "999,999,999"


Domains = dict[str, tuple[Any, ...]]
"""Values by the parameter's name."""

_DECLARED: list[tuple[dict[str, Any], tuple[Any, ...]]] = [
    ({"type": "bool"}, (False, True)),
    ({"type": "int", "low": 0, "high": 2}, (0, 1, 2)),
    ({"type": "int", "low": 1, "high": 5, "step": 2}, (1, 3, 5)),
    ({"type": "choice", "values": [2, 1, 4]}, (2, 1, 4)),
    ({"type": "choice", "values": ["a", 0]}, ("a", 0)),
]


@st.composite
def _entry(draw: st.DrawFn, domains: Domains, depth: int = 0) -> dict[str, Any]:
    """An entry that suits its parameters and makes a network with any of their values."""
    entry: dict[str, Any] = {"relu": {}}
    numbers = [n for n, values in domains.items() if all(type(v) is int for v in values)]
    divisors = [name for name in numbers if min(domains[name]) > 0]
    kind = draw(st.sampled_from(["relu", "conv2d", "block", "repeat"][: 2 if depth == 2 else 4]))
    if kind == "conv2d" and divisors:
        kernel = f"9 // ${draw(st.sampled_from(divisors))}"
        entry = {"conv2d": {"filters": 2, "kernel_size": kernel}}
    elif kind == "block":
        entry = {"block": draw(st.lists(_entry(domains, depth + 1), min_size=1, max_size=3))}
    elif kind == "repeat":
        entry = {"repeat": draw(_repeat(domains, numbers, depth))}
    if draw(st.booleans()):
        name = draw(st.sampled_from(sorted(domains)))
        values = st.lists(st.sampled_from(domains[name]), min_size=1, max_size=2, unique=True)
        entry["when"] = {name: draw(values)}
    return entry


@st.composite
def _repeat(draw: st.DrawFn, domains: Domains, numbers: list[str], depth: int) -> dict[str, Any]:
    own = f"own{draw(st.integers(0, 10**6))}"
    declared, values = draw(st.sampled_from(_DECLARED))
    entry = _entry({**domains, own: values}, depth + 1)
    return {
        "times": draw(st.sampled_from([0, 1, 2, *(f"${name}" for name in numbers)])),
        "parameters": {own: declared},
        "layers": [
            *draw(st.lists(entry, min_size=1, max_size=2)),
            {"relu": {}, "when": {own: values[0]}},
        ],
    }


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_space_has_as_many_points_as_going_through_them_finds(
    tmp_path: Path, data: st.DataObject
) -> None:
    chosen = {name: data.draw(st.sampled_from(_DECLARED)) for name in ("p", "q", "r")}
    domains = {name: values for name, (_, values) in chosen.items()}
    entries = data.draw(st.lists(_entry(domains), min_size=1, max_size=4))
    # All are read somewhere, or the file were none.
    ends = [{"relu": {}, "when": {name: values[0]}} for name, values in domains.items()]
    file = {
        "version": 1,
        "name": "any_space",
        "input": [9, 9, 2],
        "parameters": {name: declared for name, (declared, _) in chosen.items()},
        "layers": [{"relu": {}}, *entries, *ends],
    }
    path = tmp_path / "any.yaml"
    path.write_text(json.dumps(file))
    try:
        space = load_space(path)
    except SpaceError as error:
        assert "expected another name" in str(error)
        assume(False)  # drawn twice
    assert space.cardinality.exact
    if space.cardinality.points <= MANY:
        assert counted(space) == space.cardinality.points
