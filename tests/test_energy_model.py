"""Energy models and batteries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwnas.boards import load_board
from hwnas.energy import DutyCycle, EnergyRow, board_model, fit_energy
from hwnas.errors import EnergyError
from hwnas.target import Provenance


def rows(
    power_w: float, offset_j: float, noise: float = 0.0, how: Provenance = Provenance.MEASURED
) -> list[EnergyRow]:
    chance = np.random.default_rng(7)
    lengths = np.geomspace(0.001, 2.0, 40)
    energies = (power_w * lengths + offset_j) * chance.normal(1, noise, 40)
    pairs = zip(lengths.tolist(), energies.tolist(), strict=True)
    return [EnergyRow(f"{t}", t, e, how) for t, e in pairs]


@given(power=st.floats(1e-4, 10), offset=st.floats(-1e-3, 1e-2))
def test_a_line_is_found_again(power: float, offset: float) -> None:
    found = fit_energy(rows(power, offset), "made up")
    assert found.model.power_w == pytest.approx(power, rel=1e-6)
    assert found.model.offset_j == pytest.approx(offset, abs=1e-8)
    assert found.r == pytest.approx(1.0)
    assert found.model.energy_j(0.5) == pytest.approx(power * 0.5 + offset, abs=1e-7)


def test_intervals_hold_what_was_put_in() -> None:
    """In nineteen of twenty fits, as a confidence of 95 % says."""
    chance = np.random.default_rng(11)
    lengths = np.linspace(0.01, 1.0, 12)
    inside = 0
    for _ in range(200):
        energies = 0.04 * lengths + 0.001 + chance.normal(0, 0.0005, 12)
        found = fit_energy(
            [EnergyRow("", float(t), float(e), Provenance.MEASURED)
             for t, e in zip(lengths, energies, strict=True)], "",
        )  # fmt: skip
        low, high = found.power_interval_w
        inside += low <= 0.04 <= high
    assert 180 <= inside <= 198


def test_a_fit_tells_how_good_it_is() -> None:
    found = fit_energy(rows(0.0446, 2e-6, noise=0.01), "noisy")
    assert 0.999 < found.r < 1 and len(found.residuals_j) == len(found.rows) == 40
    assert found.model.power_w == pytest.approx(0.0446, rel=0.01)
    assert 0 < found.mape < 0.5
    assert found.to_dict()["rows"][0]["provenance"] == "measured"


def test_rows_that_make_no_line_are_told() -> None:
    few = rows(0.04, 0)[:2]
    with pytest.raises(EnergyError, match="2 rows with an energy are too few"):
        fit_energy(few, "a table")
    same = [EnergyRow("", 0.1, 0.004, Provenance.MEASURED)] * 5
    with pytest.raises(EnergyError, match="too few for a line"):
        fit_energy(same, "a table")
    mixed = [*rows(0.04, 0), *rows(0.04, 0, how=Provenance.SIMULATED)]
    with pytest.raises(EnergyError, match="rows are measured, simulated; a fit is of one kind"):
        fit_energy(mixed, "a table")


def test_a_boards_own_figures() -> None:
    model = board_model(load_board("nucleo_l496zg"))
    assert model.energy_j(0.1) == pytest.approx(4.465e-3) and "RocketLogger" in model.source
    l4r5 = load_board("nucleo_l4r5zi")
    assert board_model(l4r5).power_w == pytest.approx(40.68e-3)
    at_3_v = board_model(l4r5, supply_v=3.0)
    assert at_3_v.power_w == pytest.approx(40.68e-3 * 3.0 / 1.8) and "3 V" in at_3_v.source


def test_what_a_board_file_lacks_is_named() -> None:
    with pytest.raises(EnergyError, match=r"disco_f469ni is not known: .* \[power\] active_mw"):
        board_model(load_board("disco_f469ni"))
    with pytest.raises(EnergyError, match=r"nucleo_l496zg's power was measured .* supply_v"):
        board_model(load_board("nucleo_l496zg"), supply_v=3.0)
    with pytest.raises(EnergyError, match="supply_v 0 must be above 0"):
        board_model(load_board("nucleo_l4r5zi"), supply_v=0)


def test_a_battery_is_shared_by_inference_and_sleep() -> None:
    cycle = DutyCycle(energy_j=1e-3, latency_s=0.02, period_s=10.0, sleep_w=1e-5)
    assert cycle.average_power_w == pytest.approx((1e-3 + 1e-5 * 9.98) / 10)
    count = cycle.inferences(capacity_mah=1_000, supply_v=3.0)
    assert count == pytest.approx(3_600 * 3.0 / (1e-3 + 1e-5 * 9.98))
    assert cycle.days(capacity_mah=1_000, supply_v=3.0) == pytest.approx(count * 10 / 86_400)


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ((-1, 0.1, 1, 0), "energy_j -1"),
        ((1, float("nan"), 1, 0), "latency_s nan"),
        ((1, 2, 1, 0), "does not fit a period"),
        ((1, 0, 0, 0), "does not fit a period"),
    ],
)
def test_wrong_duty_cycles_are_told(figures: tuple[float, ...], words: str) -> None:
    with pytest.raises(EnergyError, match=words):
        DutyCycle(*figures)


def test_wrong_batteries_are_told() -> None:
    cycle = DutyCycle(1e-3, 0.1, 1.0, 0)
    with pytest.raises(EnergyError, match="gives nothing"):
        cycle.days(capacity_mah=0, supply_v=3)
    with pytest.raises(EnergyError, match="never ends"):
        DutyCycle(0, 0, 1.0, 0).inferences(capacity_mah=1, supply_v=3)
