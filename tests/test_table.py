"""The lookup table: look-ups, storing, and what it says when rows are missing."""

from __future__ import annotations

import io
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from table_samples import (
    SILICON,
    SLOW,
    TARGET,
    WHEN,
    layer,
    network,
    network_record,
    record,
)

from hwnas.errors import TableError
from hwnas.network import Layer, Network, conv2d, reshape
from hwnas.table import Accuracy, LayerRecord, LookupTable, NetworkRecord
from hwnas.target import Provenance, TargetIdentity

FLATTEN = reshape((2, 2, 4), (16,))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lut.db"


@pytest.fixture
def table(path: Path) -> Iterator[LookupTable]:
    with LookupTable.open(path) as opened:
        yield opened


def test_rows_come_back_as_they_were_put(table: LookupTable, path: Path) -> None:
    rows = [
        record(layer(1)),
        record(layer(2), energy_uj=0.1 + 0.2),
        record(layer(3), cycles=2**63 - 3, n=2**40),
        record(
            layer(4),
            created_at=datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=5))),
        ),
    ]
    table.put(TARGET, rows)
    expected = {row.layer: row for row in rows}
    assert table.get(TARGET, expected) == expected
    with LookupTable.open(path) as other:
        assert other.get(TARGET, expected) == expected


def test_a_look_up_leaves_out_what_is_not_there(table: LookupTable) -> None:
    table.put(TARGET, [record(layer(1))])
    assert table.get(TARGET, [layer(2), FLATTEN]) == {}
    assert table.get(SLOW, [layer(1)]) == {}
    assert set(table.get(TARGET, [layer(1), layer(2), layer(1)])) == {layer(1)}
    assert table.get(TARGET, []) == {}


def test_more_layers_than_one_query_takes(table: LookupTable, path: Path) -> None:
    rows = [record(layer(i), cycles=i) for i in range(2500)]
    table.put(TARGET, rows)
    with LookupTable.open(path) as other:
        found = other.get(TARGET, [layer(i) for i in range(2600)])
    assert found == {row.layer: row for row in rows}


def test_a_warm_look_up_does_not_read_the_database(table: LookupTable, path: Path) -> None:
    table.put(TARGET, [record(layer(1), 100)])
    assert table.get(TARGET, [layer(1)])[layer(1)].cycles_min == 100
    with LookupTable.open(path) as other:
        other.put(TARGET, [record(layer(1), 200)], replace=True)
        other.put(TARGET, [record(layer(2), 300)])
        assert other.get(TARGET, [layer(1)])[layer(1)].cycles_min == 200
    found = table.get(TARGET, [layer(1), layer(2)])
    assert [found[layer(i)].cycles_min for i in (1, 2)] == [100, 300]
    table.refresh()
    assert table.get(TARGET, [layer(1)])[layer(1)].cycles_min == 200


def test_the_rows_in_memory_are_bounded(
    table: LookupTable, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hwnas.table._store.CACHED_ROWS", 2)
    table.put(TARGET, [record(layer(i), i) for i in range(9)])
    assert set(table.get(TARGET, [layer(0), layer(1)])) == {layer(0), layer(1)}
    with LookupTable.open(path) as other:
        other.put(TARGET, [record(layer(0), 50)], replace=True)
    assert table.get(TARGET, [layer(0)])[layer(0)].cycles_min == 0
    assert set(table.get(TARGET, [layer(2)])) == {layer(2)}
    assert table.get(TARGET, [layer(0)])[layer(0)].cycles_min == 50, "read anew"
    assert len(table.get(TARGET, map(layer, range(9)))) == 9


def test_putting_the_same_cost_again_changes_nothing(table: LookupTable) -> None:
    first = record(layer(1))
    table.put(TARGET, [first])
    table.put(TARGET, [replace(first, n=9, created_at=WHEN + timedelta(days=1))])
    assert table.get(TARGET, [layer(1)]) == {layer(1): first}


@pytest.mark.parametrize(
    "other",
    [
        record(layer(1), 2000),
        record(layer(1), cycles_max=9999),
        record(layer(1), energy_uj=1.5),
    ],
)
def test_another_cost_is_refused_and_nothing_of_the_call_is_kept(
    table: LookupTable, other: LayerRecord
) -> None:
    first = record(layer(1))
    table.put(TARGET, [first])
    with pytest.raises(TableError, match=r"dense 1 -> 2.*1000/1001/1002"):
        table.put(TARGET, [record(layer(2)), other])
    table.refresh()
    assert table.get(TARGET, [layer(1), layer(2)]) == {layer(1): first}
    assert table.stats().layer_rows == 1


def test_two_costs_of_one_layer_in_one_call_are_refused(table: LookupTable) -> None:
    with pytest.raises(TableError, match="conflict"):
        table.put(TARGET, [record(layer(1), 10), record(layer(1), 20)])
    assert table.stats().layer_rows == 0


def test_replacing_overwrites_also_what_is_in_memory(table: LookupTable, path: Path) -> None:
    table.put(TARGET, [record(layer(1), 100)])
    table.get(TARGET, [layer(1)])
    new = record(layer(1), 200, energy_uj=3.0)
    table.put(TARGET, [record(layer(1), 150), new], replace=True)
    assert table.get(TARGET, [layer(1)]) == {layer(1): new}
    with LookupTable.open(path) as other:
        assert other.get(TARGET, [layer(1)]) == {layer(1): new}


def test_provenances_never_mix(table: LookupTable) -> None:
    with pytest.raises(TableError, match="measured, its target simulated"):
        table.put(TARGET, [record(layer(1), provenance=Provenance.MEASURED)])
    with pytest.raises(TableError, match="never mix"):
        table.put_network(SILICON, network_record(network()))
    with pytest.raises(TableError, match="never mix"):
        table.get_or_measure(TARGET, [layer(1)], lambda _: [record(layer(1), target=SILICON)])
    assert table.stats().rows == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"n": 0},
        {"n": True},
        {"n": 2**63},
        {"cycles_min": -1},
        {"cycles_min": 1002},
        {"cycles_median": 1e3},
        {"cycles_max": 1000},
        {"cycles_max": 2**63},
        {"energy_uj": -0.5},
        {"energy_uj": float("nan")},
        {"energy_uj": float("inf")},
        {"energy_uj": 10**400},
        {"energy_uj": True},
        {"energy_uj": "1"},
        {"provenance": "simulated"},
        {"created_at": datetime(2026, 1, 1)},
        {"created_at": "2026-01-01"},
        {"created_at": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5)))},
    ],
)
def test_a_row_out_of_range_cannot_be_made(changes: dict[str, object]) -> None:
    with pytest.raises(TableError, match=next(iter(changes)).split("_")[0]):
        record(layer(1), **changes)


def test_a_row_is_about_a_layer_that_costs_something() -> None:
    with pytest.raises(TableError, match="reshape"):
        record(FLATTEN)
    with pytest.raises(TableError, match="no layer"):
        record("conv2d")  # type: ignore[arg-type]
    with pytest.raises(TableError, match="no network"):
        NetworkRecord(layer(1), 1, 1, 1, 1, None, Provenance.SIMULATED)  # type: ignore[arg-type]


def test_whole_microjoules_are_kept_as_floats() -> None:
    energy = record(layer(1), energy_uj=2).energy_uj
    assert isinstance(energy, float) and energy == 2


# --- networks --------------------------------------------------------------------------------


def test_networks_have_rows_of_their_own(table: LookupTable, path: Path) -> None:
    first = network_record(network(name="stem"))
    table.put_network(TARGET, first)
    table.put_network(TARGET, replace(first, network=network(name="other name")))
    table.put_network(SLOW, network_record(network(), 7, SLOW))
    with LookupTable.open(path) as other:
        for _ in range(2):
            found = other.get_network(TARGET, network().digest)
            assert found == first
            assert {node.name for node in found.network.nodes} == {""}
        assert other.get_network(TARGET, network(11).digest) is None
        assert other.get_network(SILICON, network().digest) is None
        with pytest.raises(TableError, match="network"):
            other.put_network(TARGET, network_record(network(), 4))
        other.put_network(TARGET, network_record(network(), 4), replace=True)
        found = other.get_network(TARGET, network().digest)
        assert found is not None and found.cycles_min == 4
    stats = table.stats()
    assert (stats.layer_rows, stats.network_rows) == (0, 2)


# --- get or measure --------------------------------------------------------------------------


class Meter:
    """Measures from its layers' numbers, and notes what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[Layer, ...]] = []

    def __call__(self, layers: Sequence[Layer]) -> Iterable[LayerRecord]:
        self.asked.append(tuple(layers))
        for each in reversed(layers):
            yield record(each, each.output_shape[0])


def test_only_what_is_missing_is_measured_once_each(table: LookupTable, path: Path) -> None:
    table.put(TARGET, [record(layer(1), 1)])
    meter = Meter()
    wanted = [layer(3), layer(1), FLATTEN, layer(2), layer(3)]
    found = table.get_or_measure(TARGET, wanted, meter)
    assert meter.asked == [(layer(3), layer(2))]
    assert {each.output_shape[0]: row.cycles_min for each, row in found.items()} == {
        2: 1, 3: 3, 4: 4,
    }  # fmt: skip
    with LookupTable.open(path) as other:
        assert other.get_or_measure(TARGET, wanted, meter) == found
    assert len(meter.asked) == 1


def test_an_interruption_loses_the_layer_in_flight_only(table: LookupTable, path: Path) -> None:
    def measure(layers: Sequence[Layer]) -> Iterator[LayerRecord]:
        yield record(layers[0])
        yield record(layers[1])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        table.get_or_measure(TARGET, [layer(i) for i in range(4)], measure)
    with LookupTable.open(path) as other:
        assert set(other.get(TARGET, map(layer, range(4)))) == {layer(0), layer(1)}


def test_measuring_too_little_or_something_else_is_refused(table: LookupTable) -> None:
    with pytest.raises(TableError, match="no row of dense 1 -> 3"):
        table.get_or_measure(TARGET, [layer(1), layer(2)], lambda _: [record(layer(1))])
    with pytest.raises(TableError, match="not asked for: dense 1 -> 8"):
        table.get_or_measure(TARGET, [layer(2)], lambda _: [record(layer(7))])
    assert set(table.get(TARGET, map(layer, range(9)))) == {layer(1)}


def test_a_row_that_appeared_meanwhile_counts_on_silicon_only(
    table: LookupTable, path: Path
) -> None:
    def overtaken(layers: Sequence[Layer]) -> Iterator[LayerRecord]:
        with LookupTable.open(path) as other:
            for target in (TARGET, SILICON):
                other.put(target, [record(layer(1), 500, target)])
        yield record(layers[0], 777, SILICON)

    found = table.get_or_measure(SILICON, [layer(1)], overtaken)
    assert found[layer(1)].cycles_min == 500

    def not_repeatable(layers: Sequence[Layer]) -> Iterator[LayerRecord]:
        with LookupTable.open(path) as other:
            other.put(TARGET, [record(layers[0], 500)])
        yield record(layers[0], 777)

    with pytest.raises(TableError, match=r"500/501/502 cycles.*not 777"):
        table.get_or_measure(TARGET, [layer(2)], not_repeatable)
    assert table.get(TARGET, [layer(2)])[layer(2)].cycles_min == 500


def test_a_network_that_appeared_meanwhile_counts_on_silicon_only(
    table: LookupTable, path: Path
) -> None:
    def overtaken(target: TargetIdentity) -> Callable[[Network], NetworkRecord]:
        def measure(subject: Network) -> NetworkRecord:
            with LookupTable.open(path) as other:
                other.put_network(target, network_record(subject, 500, target))
            return network_record(subject, 777, target)

        return measure

    def not_again(subject: Network) -> NetworkRecord:
        raise AssertionError("a known network was measured")

    found = table.get_or_measure_network(SILICON, network(), overtaken(SILICON))
    assert found is not None and found.cycles_min == 500
    assert table.get_or_measure_network(SILICON, network(), not_again) == found
    with pytest.raises(TableError, match=r"500/500/509 cycles.*not 777"):
        table.get_or_measure_network(TARGET, network(), overtaken(TARGET))
    assert table.get_or_measure_network(SLOW, network(), lambda _: None) is None
    assert table.get_network(SLOW, network().digest) is None


# --- what could not be measured, and how good the table is -----------------------------------


def test_a_failure_is_kept_until_there_is_a_row(table: LookupTable, path: Path) -> None:
    table.put_failure(TARGET, layer(1), "too large")
    table.put_failure(TARGET, layer(1), "it timed out")
    table.put_failure(TARGET, layer(2), "too large")
    with LookupTable.open(path) as again:
        found = again.failures(TARGET, [layer(1), layer(2), layer(3)])
        assert found == {layer(1): "it timed out", layer(2): "too large"}
        assert again.failures(SLOW, [layer(1)]) == {}
        assert again.get(TARGET, [layer(1)]) == {}
    assert table.add(TARGET, record(layer(1))) == table.get(TARGET, [layer(1)])[layer(1)]
    assert table.failures(TARGET, [layer(1), layer(2)]) == {layer(2): "too large"}


def test_the_last_validation_of_a_space_counts(table: LookupTable) -> None:
    first = Accuracy("lenet", 50, 0.004, 0.001, 0.02, 0.9999)
    table.put_accuracy(TARGET, Accuracy("lenet", 10, 0.5, 0.5, 0.5, 0.5))
    table.put_accuracy(TARGET, first)
    other = Accuracy("ds_cnn", 60, 0.01, -0.01, 0.03, 0.999)
    table.put_accuracy(TARGET, other)
    assert table.accuracies(TARGET) == [other, first]
    assert table.accuracies(SLOW) == []


# --- what is missing, and why ----------------------------------------------------------------


def test_require_names_missing_layers_and_the_nearest_target(table: LookupTable) -> None:
    conv = conv2d((28, 28, 1), 8, 3)
    with pytest.raises(TableError, match="The table is empty"):
        table.require(TARGET, [conv])
    table.put(TARGET, [record(layer(1))])
    assert table.require(TARGET, [layer(1), FLATTEN]) == {layer(1): record(layer(1))}
    with pytest.raises(TableError, match=r"conv2d 3x3/1 28x28x1 -> 28x28x8.*other rows"):
        table.require(TARGET, [conv, layer(1)])
    with pytest.raises(
        TableError, match=r"differs in clock_hz \(wanted 16000000, there 80000000\)"
    ):
        table.require(SLOW, [layer(1)])
    with pytest.raises(TableError, match="and 40 more"):
        table.require(TARGET, map(layer, range(100, 150)))


def test_the_nearest_target_has_the_fewest_differences(table: LookupTable) -> None:
    assert table.nearest(TARGET) is None
    far = replace(SLOW, board="other", cache="cold")
    elsewhere = replace(TARGET, board="other")
    for target in (far, elsewhere, SLOW):
        table.put(target, [record(layer(1), target=target)])
    assert table.nearest(TARGET) == (SLOW, {"clock_hz": (80_000_000, 16_000_000)})
    assert table.nearest(far) == (far, {})
    assert table.targets() == sorted([far, elsewhere, SLOW], key=lambda t: t.digest)


def test_statistics_count_by_target_and_operator(table: LookupTable) -> None:
    table.put(TARGET, [record(layer(1)), record(layer(2)), record(conv2d((8, 8, 1), 4, 3))])
    table.put(SILICON, [record(layer(1), target=SILICON)])
    table.put_network(TARGET, network_record(network()))
    stats = table.stats()
    assert {(row.target, row.operator): row.count for row in stats.rows} == {
        (TARGET, "conv2d"): 1,
        (TARGET, "dense"): 2,
        (TARGET, "network"): 1,
        (SILICON, "dense"): 1,
    }
    assert stats.provenances == {"measured": 1, "simulated": 4}
    plain = stats.to_dict()
    assert (plain["layer_rows"], plain["network_rows"]) == (4, 1)
    assert sum(row["count"] for row in plain["rows"]) == 5


# --- threads, forks, life ---------------------------------------------------------------------


@pytest.mark.parametrize("place", ["file", "memory"])
def test_threads_share_one_table(place: str, tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def work(table: LookupTable, offset: int) -> None:
        try:
            for i in range(30):
                mine, shared = layer(offset + i), layer(i)
                table.put(TARGET, [record(mine, i), record(shared, i)])
                assert len(table.require(TARGET, [mine, shared])) == 2
        except BaseException as error:
            failures.append(error)

    with LookupTable.open(tmp_path / "lut.db" if place == "file" else "sqlite://") as table:
        threads = [threading.Thread(target=work, args=(table, 100 * k)) for k in range(1, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert table.stats().layer_rows == 150


def test_a_forked_child_is_told_to_open_its_own(table: LookupTable) -> None:
    table.put(TARGET, [record(layer(1))])
    child = os.fork()
    if child == 0:
        code = 1
        try:
            table.get(TARGET, [layer(1)])
        except TableError as error:
            code = 42 if "open it again here" in str(error) else 2
        finally:
            table.close()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 42
    assert set(table.get(TARGET, [layer(1)])) == {layer(1)}


def test_a_closed_table_says_so(table: LookupTable) -> None:
    table.put(TARGET, [record(layer(1))])
    table.close()
    table.close()
    with pytest.raises(TableError, match="closed"):
        table.get(TARGET, [layer(1)])


CHANGED_BY_HAND = {
    "a time": "update lut_layer_rows set created_at = 'yesterday'",
    "no provenance": "update lut_layer_rows set provenance = 'guessed'",
    "another provenance": "update lut_layer_rows set provenance = 'measured'",
    "a count": "update lut_layer_rows set cycles_max = 'many'",
    "no network": "update lut_networks set json = '{'",
    "another network": "update lut_networks set json = replace(json, '[10]', '[11]')",
    "no target": "update lut_targets set json = '[1'",
    "another target": "update lut_targets set json = replace(json, '80000000', '80000001')",
}


@pytest.mark.parametrize("change", CHANGED_BY_HAND.values(), ids=CHANGED_BY_HAND.keys())
def test_values_changed_by_hand_are_reported(table: LookupTable, path: Path, change: str) -> None:
    table.put(TARGET, [record(layer(1))])
    table.put_network(TARGET, network_record(network()))
    with sqlite3.connect(path) as raw:
        raw.execute(change)
        assert raw.total_changes == 1
    raw.close()
    with pytest.raises(TableError):
        if "lut_layer" in change:
            table.get(TARGET, [layer(1)])
        elif "lut_networks" in change:
            table.get_network(TARGET, network().digest)
        else:
            table.targets()


def test_a_layer_changed_by_hand_is_not_exported(table: LookupTable, path: Path) -> None:
    table.put(TARGET, [record(layer(1))])
    with sqlite3.connect(path) as raw:
        raw.execute("update lut_layers set json = ?", [layer(2).canonical()])
    raw.close()
    with pytest.raises(TableError, match="damaged"):
        table.export_jsonl(io.StringIO())
