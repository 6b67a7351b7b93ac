from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwnas.budget import Budget
from hwnas.errors import BudgetError


@pytest.mark.parametrize("limit", [0, -1.0, math.inf, math.nan, "40"])
def test_a_limit_must_be_a_finite_number_above_zero(limit: Any) -> None:
    with pytest.raises(BudgetError, match="latency_ms"):
        Budget(latency_ms=limit)


def test_only_known_values_with_a_limit_are_checked() -> None:
    budget = Budget(latency_ms=40, ram_bytes=1000)
    values = {"latency_ms": 50.0, "energy_mj": 3.0, "ram_bytes": None}
    assert budget.violations(values) == {"latency_ms": 0.25}


@given(st.integers(1, 10**7), st.integers(1, 10**7))
def test_a_board_tightens_the_budget_and_never_widens_it(limit: int, board: int) -> None:
    tight = Budget(ram_bytes=limit).within(ram_bytes=board, flash_bytes=board)
    assert tight.ram_bytes == min(limit, board)
    assert tight.flash_bytes == board
