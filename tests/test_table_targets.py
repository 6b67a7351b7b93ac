"""Targets of a table: named, compared, shown, deleted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from table_samples import SILICON, SLOW, TARGET, layer, network, network_record, record

from hwnas.errors import TableError
from hwnas.network import Operator, relu
from hwnas.table import (
    Accuracy,
    LayerRecord,
    LookupTable,
    diff_targets,
    same_cost,
    select_target,
)
from hwnas.target import Provenance, TargetIdentity


@pytest.fixture
def table() -> Iterator[LookupTable]:
    with LookupTable.open("sqlite://") as opened:
        yield opened


def of(target: TargetIdentity, number: int, cycles: int) -> LayerRecord:
    return LayerRecord(layer(number), 1, cycles, cycles, cycles, None, target.provenance)


def test_a_target_is_named_by_digits_or_conditions() -> None:
    targets = [TARGET, SLOW, SILICON]
    for target in targets:
        assert select_target(targets, target.digest) is target
        assert select_target(targets, target.digest[:12].upper()) is target
    assert select_target(targets, "provenance=measured") is SILICON
    condition = f"provenance=simulated,clock_hz={SLOW.clock_hz}"
    assert select_target([TARGET, SLOW], condition) is SLOW
    for text, reason in (
        ("", "means none"),
        ("zz", "means none"),
        ("board=nowhere", "means none"),
        ("core=cortex", "means several"),
        ("colour=red", "there is no field 'colour'"),
    ):
        with pytest.raises(TableError, match=reason):
            select_target(targets, text)
    with pytest.raises(TableError, match="the table is empty"):
        select_target([], "1")


def test_two_targets_are_compared_over_their_common_layers(table: LookupTable) -> None:
    table.put(TARGET, [of(TARGET, n, 100 * n) for n in (1, 2, 3, 4)])
    table.put(SLOW, [of(SLOW, 1, 200), of(SLOW, 2, 400), of(SLOW, 3, 900), of(SLOW, 9, 5)])
    other = relu((9,))
    for target, cycles in ((TARGET, 50), (SLOW, 25)):
        table.put(target, [LayerRecord(other, 1, cycles, cycles, cycles, None, target.provenance)])
    found = diff_targets(table, TARGET, SLOW)
    by_name = {row.operator: row for row in found.operators}
    assert sum(row.count for row in found.operators) == 4
    assert (by_name["dense"].count, by_name["dense"].median) == (3, 2.0)
    assert (by_name["relu"].least, by_name["relu"].most) == (0.5, 0.5)
    oddest = found.ratios[0]
    assert (oddest.layer, oddest.value) == (layer(3), 3.0)
    assert found.to_dict()["differences"].keys() == TARGET.differences(SLOW).keys()
    with pytest.raises(TableError, match="no layer in common"):
        diff_targets(table, TARGET, SILICON)


def test_the_rows_of_one_operator(table: LookupTable) -> None:
    assert table.records(TARGET, Operator.DENSE) == []
    table.put(TARGET, [record(layer(1)), record(relu((4,))), record(layer(2))])
    table.put(SLOW, [of(SLOW, 3, 7)])
    found = {row.layer for row in table.records(TARGET, Operator.DENSE)}
    assert found == {layer(1), layer(2)}
    assert [row.layer for row in table.records(TARGET, Operator.RELU)] == [relu((4,))]
    assert len(table.records(TARGET)) == 3 and table.records(TARGET, Operator.SOFTMAX) == []


def test_a_removed_target_leaves_nothing_of_its_own(table: LookupTable) -> None:
    table.put(TARGET, [record(layer(1)), record(layer(2))])
    table.put(SLOW, [of(SLOW, 2, 7)])
    table.put_network(TARGET, network_record(network(), 500, TARGET))
    table.put_failure(TARGET, layer(3), "too large")
    table.put_failure(SLOW, layer(4), "too large")
    table.put_accuracy(TARGET, Accuracy("lenet", 9, 0.1, 0.1, 0.1, 0.9))
    assert table.remove(TARGET) == 3
    assert table.targets() == [SLOW]
    assert (
        table.get(TARGET, [layer(1)]) == {} and table.get_network(TARGET, network().digest) is None
    )
    assert [row.layer for row in table.records(SLOW)] == [layer(2)]
    assert table.failures(SLOW, [layer(4)]) and not table.failures(TARGET, [layer(3)])
    assert table.accuracies(TARGET) == []
    table.put(TARGET, [record(layer(1))])
    assert table.stats().layer_rows == 2


def test_measurements_agree_within_their_spread_and_simulations_to_the_cycle() -> None:
    def row(low: int, middle: int, high: int, how: Provenance, energy: float | None) -> LayerRecord:
        return LayerRecord(layer(1), 3, low, middle, high, energy, how)

    measured = row(10_000, 10_010, 10_040, Provenance.MEASURED, 5.0)
    assert same_cost(measured, row(10_030, 10_050, 10_050, Provenance.MEASURED, 5.1))
    assert not same_cost(measured, row(10_060, 10_060, 10_060, Provenance.MEASURED, 5.0))
    assert not same_cost(measured, replace(measured, energy_uj=6.0))
    assert not same_cost(measured, replace(measured, energy_uj=None))
    simulated = row(10_000, 10_000, 10_000, Provenance.SIMULATED, None)
    assert same_cost(simulated, replace(simulated, n=9))
    assert not same_cost(simulated, row(10_001, 10_001, 10_001, Provenance.SIMULATED, None))
