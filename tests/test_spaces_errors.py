"""Space files that are wrong, damaged or hostile."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wrong_spaces import WRONG_FILES, WRONG_HEADS

from hwnas.errors import SpaceError
from hwnas.network import Network
from hwnas.spaces import load_space
from hwnas.spaces._yaml import MAX_FILE_BYTES, parse_document

HOSTILE_TOKENS = [
    "-1", "$w", "[]", "{", "~", "1e9", "*a", "'", "::", "=", "<<", ".inf", ".nan", "1e400", "0b_",
    "0x" + "f" * 5_000, "9" * 5_000, "1" + ":30" * 5_000, "1" + ":30" * 5_000 + ".5", "2020-01-01",
    "!!float x", "? [a]", '"\\ud800"', "\u2028", "\x85", "$w * 99999 * 99999",
]  # fmt: skip


def check_message(message: str, words: list[str]) -> None:
    assert re.search(r"small\.yaml(, |: )line \d+", message)
    assert "expected" in message or "not YAML" in message
    for word in words:
        assert word in message
    assert len(message) < 1_000


@pytest.mark.parametrize(("text", "words"), WRONG_FILES)
def test_a_wrong_file_names_line_key_and_what_was_expected(
    declare: Any, text: str, words: list[str]
) -> None:
    with pytest.raises(SpaceError) as raised:
        declare(text)
    check_message(str(raised.value), words)


@pytest.mark.parametrize(("head", "words"), WRONG_HEADS)
def test_a_wrong_head_is_refused(declare: Any, head: str, words: list[str]) -> None:
    with pytest.raises(SpaceError) as raised:
        declare("", head=head)
    check_message(str(raised.value), words)


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
    with pytest.raises(SpaceError, match="at most 2048 entries"):
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
