"""The JSON Schema for editors, against the code that checks space files."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import yaml
from space_files import HEAD
from wrong_spaces import WRONG_FILES, WRONG_HEADS

from hwnas.errors import SpaceError
from hwnas.resources import data_dir
from hwnas.spaces import list_spaces, space_json_schema
from hwnas.spaces._json_schema import SCHEMA_FILE
from hwnas.spaces._validation import validate
from hwnas.spaces._yaml import Document, parse_document

SHIPPED = data_dir("search_spaces") / SCHEMA_FILE
VALIDATOR = jsonschema.Draft7Validator(space_json_schema())

BEYOND = (
    "high to be low plus a multiple of step",
    "1 and true count as one",
    "found 1.0",  # a whole number to JSON
)
"""What no schema can say."""


def test_the_schema_that_ships_is_the_one_of_the_code() -> None:
    """A failure here calls for ``hwnas spaces --schema > search_spaces/space.schema.json``."""
    assert json.loads(SHIPPED.read_text()) == space_json_schema()


def test_it_is_a_schema_that_every_shipped_space_follows_and_names() -> None:
    jsonschema.Draft7Validator.check_schema(space_json_schema())
    for name in list_spaces():
        text = (data_dir("search_spaces") / f"{name}.yaml").read_text()
        VALIDATOR.validate(yaml.safe_load(text))
        assert text.startswith(f"# yaml-language-server: $schema={SCHEMA_FILE}\n")


def judged(document: Document) -> str:
    """What the code says to a file's form; nothing where it is right."""
    try:
        validate(document)
    except SpaceError as error:
        return str(error)
    return ""


def test_what_the_code_refuses_the_schema_refuses_and_nothing_else() -> None:
    told = 0
    for text in [*(HEAD + rest for rest, _ in WRONG_FILES), *(head for head, _ in WRONG_HEADS)]:
        try:
            document = parse_document(text, "x.yaml")
        except SpaceError:
            continue  # no plain data
        refusal = judged(document)
        if not any(words in refusal for words in BEYOND):
            assert VALIDATOR.is_valid(document.data) == (not refusal), text
            told += bool(refusal)
    assert told > 30


@pytest.mark.parametrize(
    ("entry", "right"),
    [
        ("flatten", True),
        ({"flatten": None}, True),
        ({"max_pool2d": None}, True),
        ("max_pool2d", True),
        ("conv2d", False),
        ({"conv2d": None}, False),
        ({"relu": {}, "when": {"w": [1, "a"]}, "from": "input", "as": "b"}, True),
        ({"relu": {}, "when": {"w": 1}}, True),
        ({"relu": {}, "when": {"W": 1}}, False),
        ({"relu": {}, "when": {"w": []}}, False),
        ({"add": ["a", "b"]}, True),
        ({"add": {"inputs": ["a", "b"], "activation": "$act"}}, True),
        ({"add": ["a"]}, False),
        ({"relu": {}, "relu6": {}}, False),
        ({"when": {"w": 1}}, False),
        ({"block": ["relu", {"block": ["relu6"]}]}, True),
        ({"block": []}, False),
        ({"repeat": {"times": "$n * 2", "layers": ["relu"]}}, True),
        ({"repeat": {"times": 65, "layers": ["relu"]}}, False),
        (
            {"conv2d": {"filters": "$a // 2 * $b", "kernel_size": ["$k", 3], "use_bias": False}},
            True,
        ),
        ({"conv2d": {"filters": "$a + 1", "kernel_size": 3}}, False),
        ({"conv2d": {"filters": "$a*2*2*2*2", "kernel_size": 3}}, False),
        ({"reshape": {"output_shape": [1, "$channels"]}}, True),
        ({"reshape": {"output_shape": 4}}, False),
    ],
)
def test_entries_in_all_their_forms(entry: Any, right: bool) -> None:
    data = {"version": 1, "name": "s", "input": [8], "layers": [entry]}
    assert VALIDATOR.is_valid(data) == right
    assert (not judged(Document("x.yaml", data, {}))) == right


def test_editors_see_descriptions_and_defaults_as_files_write_them() -> None:
    conv = space_json_schema()["$defs"]["Conv2D"]
    defaults = {name: field["default"] for name, field in conv["properties"].items()
                if "default" in field}  # fmt: skip
    assert defaults == {
        "strides": 1, "padding": "same", "dilation": 1, "groups": 1, "activation": "none",
        "use_bias": True,
    }  # fmt: skip
    assert conv["description"] == "A 2-D convolution."
