"""The identity of what a cost was obtained on."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from table_samples import SILICON, SLOW, TARGET

from hwnas.errors import TableError
from hwnas.target import Provenance, TargetIdentity

CHANGED = {
    "clock_hz": 48_000_000,
    "cache": "cold",
    "provenance": Provenance.ESTIMATED,
    "measured_code_sha256": "a" * 64,
    "pool_sha256": "b" * 64,
}


def test_the_canonical_form_is_pinned() -> None:
    # A change here empties every table that people have: raise the schema version instead.
    assert json.loads(TARGET.canonical()) == TARGET.to_dict()
    assert TARGET.digest == ("8a2669f8f872f7021384025850996bd7418412e08dbc1ffb190e61251c71b253")


@pytest.mark.parametrize("name", [f.name for f in fields(TargetIdentity)])
def test_every_field_is_part_of_the_digest_and_of_the_differences(name: str) -> None:
    value = CHANGED.get(name, "another")
    other = replace(TARGET, **{name: value})
    assert other.digest != TARGET.digest
    assert TARGET.differences(other) == {name: (getattr(TARGET, name), value)}


def test_no_differences_from_an_equal_identity() -> None:
    twin = TargetIdentity.from_dict(json.loads(TARGET.canonical()))
    assert twin == TARGET and twin.digest == TARGET.digest
    assert TARGET.differences(twin) == {}


@pytest.mark.parametrize(
    ("changes", "culprit"),
    [
        ({"board": ""}, "board"),
        ({"board": "  "}, "board"),
        ({"core": None}, "core"),
        ({"compiler_flags": "-O3\n"}, "compiler_flags"),
        ({"kernel_version": "\ud800"}, "kernel_version"),
        ({"compiler": "x" * 5000}, "compiler"),
        ({"clock_hz": 0}, "clock_hz"),
        ({"clock_hz": True}, "clock_hz"),
        ({"clock_hz": 8e7}, "clock_hz"),
        ({"clock_hz": 10**12}, "clock_hz"),
        ({"pool_sha256": "1" * 63}, "pool_sha256"),
        ({"measured_code_sha256": "A" * 64}, "measured_code_sha256"),
        ({"cache": "hot"}, "hot"),
        ({"provenance": "simulated"}, "provenance"),
        ({"timing_model": ""}, "timing_model"),
        ({"provenance": Provenance.MEASURED}, "timing_model"),
    ],
)
def test_a_malformed_identity_names_the_culprit(changes: dict[str, object], culprit: str) -> None:
    with pytest.raises(TableError, match=culprit):
        replace(TARGET, **changes)


def test_plain_data_must_have_exactly_the_fields() -> None:
    data = TARGET.to_dict()
    for bad, culprit in [
        ({**data, "colour": "red"}, "colour"),
        ({**data, "colour": "red", 7: "seven", None: 1}, "unknown fields .*colour"),
        ({k: v for k, v in data.items() if k != "core"}, "core"),
        ({**data, "provenance": "guessed"}, "guessed"),
        ({**data, "provenance": ["simulated"]}, "provenance"),
        ([], "list"),
    ]:
        with pytest.raises(TableError, match=culprit):
            TargetIdentity.from_dict(bad)  # type: ignore[arg-type]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from([f.name for f in fields(TargetIdentity)]), _JSON)
def test_hostile_plain_data_gives_an_identity_or_a_table_error(name: str, value: object) -> None:
    try:
        made = TargetIdentity.from_dict({**TARGET.to_dict(), name: value})
    except TableError:
        return
    assert TargetIdentity.from_dict(json.loads(made.canonical())) == made


def test_the_description_says_how_costs_are_obtained() -> None:
    assert TARGET.describe().endswith("simulated by cortex-m4/1")
    assert SILICON.describe().endswith("measured")
    assert "16 MHz" in SLOW.describe() and "cortex-m4" in SLOW.describe()
