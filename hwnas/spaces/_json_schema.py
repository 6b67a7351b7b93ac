"""The format of space files as JSON Schema, for editors.

It is made of the models that check the files, so the two cannot part. What needs more than one
value at a time (that names are known, that an option's values suit it) only hwnas itself checks.
"""

from __future__ import annotations

from typing import Any, Final

from hwnas.spaces._option_schema import JsonSchema
from hwnas.spaces._schema import Item, SpaceFile

SCHEMA_FILE: Final = "space.schema.json"
_DIALECT: Final = "http://json-schema.org/draft-07/schema#"
"""The newest that the YAML language server reads (github.com/redhat-developer/yaml-language-server,
"Supports JSON Schema 7 and below")."""
_NULL: Final[JsonSchema] = {"type": "null"}


def space_json_schema() -> JsonSchema:
    """The format of space files as JSON Schema, draft 7.

    Example:
        >>> space_json_schema()["required"]
        ['version', 'name', 'input', 'layers']
    """
    made: JsonSchema = _tidy(SpaceFile.model_json_schema())
    made["$defs"]["Item"] = _item(made["$defs"])
    add = made["$defs"]["Add"]
    made["$defs"]["Add"] = {"anyOf": [add, add["properties"]["inputs"]]}
    return {"$schema": _DIALECT, "title": "Search space of hwnas", **made}


def _item(definitions: JsonSchema) -> JsonSchema:
    """An entry: one operator as a mapping, or the bare name of one that needs no options."""
    item: JsonSchema = definitions["Item"]
    properties = item["properties"]
    bare = []
    for name, field in properties.items():
        if name in Item.MODIFIERS:
            continue
        # pydantic's "or null" stands for an operator that is not there.
        (field,) = (choice for choice in field["anyOf"] if choice != _NULL)
        if _needs_nothing(field, definitions):
            bare.append(name)
            field = {"anyOf": [field, _NULL]}
        properties[name] = field
    operators = [name for name in properties if name not in Item.MODIFIERS]
    item["oneOf"] = [{"required": [name]} for name in operators]
    return {"anyOf": [{"enum": bare}, item]}


def _needs_nothing(field: JsonSchema, definitions: JsonSchema) -> bool:
    if "$ref" not in field:
        return False
    model = definitions[field["$ref"].rsplit("/", 1)[1]]
    return "required" not in model


def _tidy(part: Any) -> Any:
    """What pydantic says, in the words of files and without what editors have no use for."""
    if isinstance(part, list):
        return [_tidy(each) for each in part]
    if not isinstance(part, dict):
        return part
    # A title repeats a name, a discriminator is none of JSON Schema's words.
    tidy = {
        key: _tidy(value)
        for key, value in part.items()
        if key != "discriminator" and not (key == "title" and isinstance(value, str))
    }
    if "default" in tidy:
        tidy["default"] = _as_written(tidy["default"])
    if "description" in tidy and isinstance(tidy["description"], str):
        tidy["description"] = tidy["description"].partition("\n\n")[0].replace("``", "`")
    if "patternProperties" in tidy:
        tidy["additionalProperties"] = False
    return tidy


def _as_written(default: Any) -> Any:
    """A default as it would stand in a file; pydantic shows what was read of it."""
    if not isinstance(default, dict):
        return default
    if "expressions" in default:
        return _as_written(default["expressions"][0])
    return default["value"] if "value" in default else int(default["text"])
