"""Sums over layers against end-to-end runs, and the proxies beside them."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwnas.accuracy import ValidationRow, accuracy_of, compare, fits
from hwnas.backend import BoardBackend
from hwnas.errors import TableError
from hwnas.evaluator import Evaluator
from hwnas.network import Network, NetworkBuilder
from hwnas.snapping import snap
from hwnas.spaces import load_space, random_networks
from hwnas.table import LookupTable


def small() -> Network:
    b = NetworkBuilder((8,))
    b.dense(b.input, 4)
    return b.build()


def row(whole: int, layers: int, macs: int) -> ValidationRow:
    return ValidationRow(small(), whole, layers, macs, 2 * macs, 3)


def test_figures_are_those_worked_out_by_hand() -> None:
    table, macs, flops, parameters = fits([row(100, 100, 10), row(200, 192, 20), row(500, 504, 62)])
    assert table.errors.mape == pytest.approx((0 + 0.04 + 0.008) / 3)
    assert (table.constant, table.errors.worst) == (1, pytest.approx(0.04))
    assert macs.constant == 10 and macs.errors.mape == pytest.approx(0.24 / 3)
    assert flops.errors.mape == macs.errors.mape and flops.constant == 5
    assert parameters.errors.mape > macs.errors.mape
    with pytest.raises(TableError, match="no network to compare"):
        fits([])
    with pytest.raises(TableError, match="lenet: 3 networks are too few"):
        accuracy_of("lenet", [row(100, 100, 10), row(200, 192, 20), row(500, 504, 62)])


@settings(deadline=None)  # scipy is imported when it is needed first
@given(
    st.lists(st.tuples(st.integers(1, 9999), st.integers(1, 999)), min_size=3, max_size=20),
    st.floats(0.001, 1000),
)
def test_no_other_constant_does_better(pairs: list[tuple[int, int]], constant: float) -> None:
    rows = [row(whole, whole, macs) for whole, macs in pairs]
    macs = fits(rows)[1]
    other = sum(abs(constant * m / whole - 1) for whole, m in pairs) / len(pairs)
    assert macs.errors.mape <= other + 1e-9


def test_sums_tell_whole_networks_and_the_table_remembers_how_well(backend: BoardBackend) -> None:
    networks = [snap(n) for n in islice(random_networks(load_space("lenet"), 7), 6)]
    too_large = NetworkBuilder((200, 200, 16))
    too_large.conv2d(too_large.input, 16, 3)
    with LookupTable.open("sqlite://") as table:
        evaluator = Evaluator(backend, table)
        assert evaluator.table_cost(networks[0]).latency_error is None
        rows = list(compare(evaluator, [too_large.build(), *networks]))
        assert [found.network for found in rows] == networks
        best, *proxies = fits(rows)
        # The aim on a Cortex-M4; what is seen here is a tenth of that.
        assert best.errors.mape < 0.01
        assert best.errors.spearman is not None and best.errors.spearman > 0.999
        assert all(proxy.errors.mape > 10 * best.errors.mape for proxy in proxies)
        table.put_accuracy(backend.target, accuracy_of("lenet", rows))
        again = Evaluator(backend, table)
        assert again.table_cost(networks[0]).latency_error == best.errors.worst
        assert again.network_cost(networks[0]).latency_error == 0
        assert again.static_cost(networks[0]).latency_error is None
