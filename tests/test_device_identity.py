"""A board must be the one that the manifest names."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from scripted_board import hello_payload

from hwnas.device import BoardInfo, check_identity
from hwnas.errors import BoardMismatchError


@dataclass(frozen=True)
class Manifest:
    board: str = "scripted"
    clock_hz: int = 80_000_000
    measured_code_sha256: str = "11" * 32
    pool_sha256: str = "33" * 32


INFO = BoardInfo.from_payload(hello_payload())


def test_the_expected_board_passes() -> None:
    check_identity(INFO, Manifest())


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (replace(Manifest(), board="other"), "name is scripted, not other"),
        (replace(Manifest(), clock_hz=4_000_000), "clock_hz is 80000000, not 4000000"),
        (replace(Manifest(), measured_code_sha256="44" * 32), r"code_sha256 is 1{12}.*, not 4{12}"),
        (replace(Manifest(), pool_sha256="55" * 32), r"pool_sha256 is 3{12}.*, not 5{12}"),
    ],
)
def test_each_difference_is_named(manifest: Manifest, words: str) -> None:
    with pytest.raises(BoardMismatchError, match=words):
        check_identity(INFO, manifest)


def test_all_differences_are_named_at_once() -> None:
    with pytest.raises(BoardMismatchError) as caught:
        check_identity(INFO, Manifest("other", 1, "", ""))
    named = ["name", "clock_hz", "measured_code_sha256", "pool_sha256"]
    assert [word for word in named if word not in str(caught.value)] == []
