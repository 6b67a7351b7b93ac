"""Meters: their order of calls, a RocketLogger behind ssh, and the virtual one end to end."""

from __future__ import annotations

import json
import os
import shlex
import stat
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from command_line import hwnas, refused
from small_search import count_parameters, small_space

from hwnas.boards import load_board
from hwnas.budget import Budget
from hwnas.device.pool import BoardPool
from hwnas.energy import ArrayTrace, EnergyRow, Segments, Trace, fit_energy, segment, write_rld
from hwnas.energy.metering import in_a_row
from hwnas.energy.meters import (
    Meter,
    MeterSettings,
    VirtualMeter,
    VirtualSupply,
    open_meter,
)
from hwnas.energy.meters._rocketlogger import RocketLogger
from hwnas.errors import BudgetError, EnergyError, MeterError, TraceError
from hwnas.evaluator import Evaluator
from hwnas.network import Network, dense, softmax
from hwnas.objective import HardwareObjective
from hwnas.opening import open_backend
from hwnas.report.energy import plot_energy
from hwnas.target import Provenance

BOARD = "nucleo_l496zg"
SPEC = load_board(BOARD)
ACTIVE_W = 44.65e-3
NOISE = 0.01


class Recorder(Meter):
    """Records nothing but the order of what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def _open(self) -> None:
        self.asked.append("open")

    def _configure(self, settings: MeterSettings) -> None:
        self.asked.append("configure")

    def _start(self) -> None:
        self.asked.append("start")

    def _stop(self) -> None:
        self.asked.append("stop")

    def _read(self) -> Trace:
        self.asked.append("read")
        return ArrayTrace(np.ones(1), np.ones(1), np.ones(1, bool), np.ones(1, bool), 1)

    def _close(self) -> None:
        self.asked.append("close")


def test_calls_in_order() -> None:
    with Recorder() as meter:
        meter.open()
        meter.configure(MeterSettings(sample_rate_hz=1_000))
        for _ in range(2):
            meter.start()
            meter.stop()
            meter.read()
            meter.read()
    assert meter.asked == [
        "open", "configure", *(["start", "stop", "read", "read"] * 2), "close",
    ]  # fmt: skip
    assert meter.settings.sample_rate_hz == 1_000
    meter.close()
    assert meter.asked.count("close") == 1


@pytest.mark.parametrize(
    "calls",
    [["start"], ["open", "open"], ["open", "stop"], ["open", "read"], ["open", "start", "read"],
     ["open", "start", "start"], ["open", "start", "configure"], ["configure"]],
)  # fmt: skip
def test_another_order_is_refused(calls: list[str]) -> None:
    meter = Recorder()
    *first, last = calls
    for name in first:
        getattr(meter, name)()
    with pytest.raises(MeterError, match="the order is open, configure, start, stop, read"):
        meter.configure(MeterSettings()) if last == "configure" else getattr(meter, last)()
    meter.close()


def made_by_a_plugin(url: str) -> Meter:
    return Recorder()


def test_other_packages_add_meters(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("plug", "test_energy_meters:made_by_a_plugin", "hwnas.meters")
    monkeypatch.setattr(
        "hwnas.energy.meters.entry_points",
        lambda group, name=None: [point] if name in (None, "plug") else [],
    )
    assert type(open_meter("plug://x", SPEC)).__name__ == "Recorder"
    with pytest.raises(MeterError, match=r"nothing://: there is no such kind; .*plug://"):
        open_meter("nothing://", SPEC)


@pytest.mark.parametrize(
    "url", ["", "x", "ftp://host", "rocketlogger://", "rocketlogger://-oProxy"]
)
def test_wrong_urls_are_told(url: str) -> None:
    with pytest.raises(MeterError, match=r"there is no such kind|name the host"):
        open_meter(url, SPEC)


def test_a_joulescope_without_its_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyjoulescope_driver", None)
    from hwnas.errors import HwnasError

    with pytest.raises(HwnasError, match=r"hwnas\[joulescope\]"):
        open_meter("joulescope://", SPEC).open()


# A RocketLogger, with a program of ours in the place of ssh

SSH = """#!{python}
import pathlib, shlex, sys
home = pathlib.Path({home!r})
words = shlex.split(sys.argv[-1])
with (home / "said").open("a") as said:
    print(*sys.argv[1:], sep=" | ", file=said)
if (home / "broken").exists() and words[:2] == ["rocketlogger", (home / "broken").read_text()]:
    sys.exit("it broke")
if words[0] == "cat":
    sys.stdout.buffer.write((home / "recording.rld").read_bytes())
"""


@pytest.fixture
def ssh(tmp_path: Path) -> Path:
    program = tmp_path / "ssh"
    program.write_text(SSH.format(python=sys.executable, home=str(tmp_path)))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    pins = np.zeros(64_000, bool)
    pins[20_000:40_000] = True
    layer = pins.copy()
    layer[30_000:] = False
    write_rld(
        tmp_path / "recording.rld", np.full(64_000, 3.3), np.full(64_000, 0.0135),
        {"DI1": pins, "DI2": layer}, 64_000,
    )  # fmt: skip
    return program


def test_a_rocketlogger_is_asked_over_ssh(ssh: Path) -> None:
    with RocketLogger("me@logger", ssh=str(ssh)) as meter:
        meter.open()
        meter.start()
        meter.stop()
        found = segment(meter.read(), 2)
    assert found.provenance is Provenance.MEASURED
    assert found.mean_energy_j == pytest.approx(3.3 * 0.0135 * 20_000 / 64_000)
    said = (ssh.parent / "said").read_text().splitlines()
    assert all("BatchMode=yes | me@logger | " in line for line in said)
    commands = [shlex.split(line.rpartition(" | ")[2]) for line in said]
    assert [command[:2] for command in commands] == [
        ["rocketlogger", "--version"], ["rocketlogger", "start"], ["rocketlogger", "stop"],
        ["cat", "/tmp/hwnas.rld"], ["rocketlogger", "stop"],
    ]  # fmt: skip
    assert {"--rate=64000", "--channel=V1,I1L,I1H", "--format=rld"} < set(commands[1])


def test_a_rocketlogger_that_fails_is_told(ssh: Path) -> None:
    (ssh.parent / "broken").write_text("stop")
    meter = RocketLogger("logger", ssh=str(ssh))
    meter.open()
    meter.start()
    with pytest.raises(MeterError, match=r"rocketlogger stop failed \(it broke\); what was .* in"):
        meter.stop()
    meter.close()
    with pytest.raises(MeterError, match="No such file"):
        RocketLogger("logger", ssh=str(ssh.parent / "none")).open()
    with pytest.raises(MeterError, match="samples at 1000, 2000"):
        opened = RocketLogger("logger", ssh=str(ssh))
        opened.open()
        opened.configure(MeterSettings(sample_rate_hz=48_000))


# The virtual meter


def metered(supply: VirtualSupply | None = None) -> Any:
    backend = open_backend(BOARD, meter="virtual://")
    if supply is not None:
        backend.meter = VirtualMeter(SPEC, supply)
    return backend


def test_the_virtual_meters_energy_is_that_of_the_power_model(lenet: Network) -> None:
    with metered() as backend:
        record = backend.measure_network(lenet)
        layers = list(backend.measure_layers([dense((64,), 8), softmax((10,))]))
    # A short layer's cycles hold the reading of the counter, which its energy in a row does not.
    for found, within in ((record, 0.005), *((layer, 0.05) for layer in layers)):
        expected = ACTIVE_W * found.cycles_median / SPEC.core.clock_hz * 1e6
        assert found.energy_uj == pytest.approx(expected, rel=within)
        assert found.provenance is Provenance.SIMULATED


def test_idle_power_is_told_apart(lenet: Network) -> None:
    with metered(VirtualSupply(idle_mw=5.0, noise=NOISE)) as backend:
        client = backend.open()
        from hwnas.plan import PoolLayout, compile_plan

        plan = compile_plan(
            lenet, pool=PoolLayout.for_region(backend.image.manifest.parameter_bytes)
        )
        client.load(plan.data)
        steps = len(plan.step_nodes)
        backend.meter.start()
        result = client.run(warmup=0, repeats=3, per_layer=False, step_count=steps)
        backend.meter.stop()
        found: Segments = segment(backend.meter.read(), steps)
    assert found.idle_power_w == pytest.approx(5e-3, rel=0.001)
    net = found.net_energy_j
    assert net is not None and len(net) == 3
    seconds = result.total_cycles / SPEC.core.clock_hz
    np.testing.assert_allclose(net, (ACTIVE_W - 5e-3) * seconds, rtol=0.005)
    assert found.clock_ratio == 1.0
    with pytest.raises(TraceError, match="edges of the layer pin"):
        segment(backend_trace(found, steps), steps)


def backend_trace(found: Segments, steps: int) -> Trace:
    """A trace of an inference whose layer pin stands still."""
    pin = np.zeros(100, bool)
    pin[10:90] = True
    return ArrayTrace(np.ones(100), np.ones(100), pin, np.zeros(100, bool), 64_000)


def test_short_layers_run_in_a_row() -> None:
    assert in_a_row(2e-3) == 1 and in_a_row(1e-3) == 1 and in_a_row(0.4e-3) == 3
    assert in_a_row(1e-9) == 64


def test_what_is_unknown_stays_unknown() -> None:
    with pytest.raises(EnergyError, match=r"disco_f469ni is not known: .* \[power\] active_mw"):
        open_meter("virtual://", load_board("disco_f469ni"))
    with pytest.raises(BudgetError, match="name a meter"):
        Evaluator.for_board("disco_f469ni", budget=Budget(energy_mj=1))
    meter = VirtualMeter(SPEC)
    meter.open()
    with pytest.raises(MeterError, match="no board to watch"):
        meter.start()
    meter.close()


def test_a_table_gets_energies_beside_its_cycles(tmp_path: Path, lenet: Network) -> None:
    """Also where it held cycles alone; without a meter they are still told, as what they are."""
    table = str(tmp_path / "table.db")
    with Evaluator.for_board(BOARD, table=table) as plain:
        before = plain.network_cost(lenet)
    assert before.provenance["energy_mj"] is Provenance.ESTIMATED
    with Evaluator.for_board(BOARD, table=table, meter="virtual://") as judge:
        after = judge.network_cost(lenet)
        by_layers = judge.table_cost(lenet)
    assert after.cycles == before.cycles
    for cost in (after, by_layers):
        assert cost.provenance["energy_mj"] is Provenance.SIMULATED
        assert cost.energy_mj == pytest.approx(before.energy_mj, rel=0.005)
        assert cost.energy_mj != before.energy_mj
    with Evaluator.for_board(BOARD, table=table) as again:
        assert again.network_cost(lenet).energy_mj == after.energy_mj


def test_a_search_with_an_energy_objective_agrees_with_the_power_model(tmp_path: Path) -> None:
    """End to end: markers, meter, file, segmentation, table, objective."""
    with Evaluator.for_board(BOARD, meter="virtual://", budget=Budget(energy_mj=1.0)) as judge:
        objective = HardwareObjective(
            small_space, judge, count_parameters, objectives=("accuracy", "energy_mj")
        )
        study = optuna.create_study(directions=objective.directions)
        study.optimize(objective, n_trials=6)
    told = [trial.values[1] for trial in study.trials if trial.values]
    records = [json.loads(t.user_attrs["hwnas"]) if isinstance(t.user_attrs.get("hwnas"), str)
               else t.user_attrs.get("hwnas") for t in study.trials if t.values]  # fmt: skip
    assert len(told) >= 3
    for value, record in zip(told, records, strict=True):
        cost = record["cost"]
        if cost["provenance"]["energy_mj"] == "simulated":
            assert value == pytest.approx(44.65 * cost["latency_ms"] / 1e3, rel=0.005)
    assert any(r["cost"]["provenance"]["energy_mj"] == "simulated" for r in records)


def test_a_rack_knows_its_meters(tmp_path: Path, lenet: Network) -> None:
    rack = tmp_path / "rack.toml"
    rack.write_text(
        f'[[boards]]\nname = "one"\nboard = "{BOARD}"\nmeter = "virtual://"\n', encoding="utf-8"
    )
    with BoardPool.from_file(rack) as pool, pool.lease(BOARD) as board:
        record = next(iter(board.measure_layers([dense((64,), 8)])))
    assert record.energy_uj is not None and record.energy_uj > 0


# The commands


def test_measure_with_a_meter(tmp_path: Path, lenet: Network) -> None:
    (tmp_path / "lenet.json").write_text(lenet.to_json())
    args = ("measure", "lenet.json", "--board", BOARD, "--table", "t.db", "--meter", "virtual://")
    shown = hwnas(*args, cwd=tmp_path)
    assert shown.returncode == 0 and "simulated: by the meter, gross" in shown.stdout, shown.stderr
    plain = json.loads(hwnas(*args, "--json", cwd=tmp_path).stdout)
    assert plain["provenance"]["energy_mj"] == "simulated"
    fitted = hwnas("energy", "fit", "--board", BOARD, "--table", "t.db", "--json",
                   "--plot", "fit.png", cwd=tmp_path)  # fmt: skip
    (found,) = json.loads(fitted.stdout).values()
    assert found["model"]["power_w"] == pytest.approx(ACTIVE_W, rel=0.01)
    assert found["r"] > 0.999 and (tmp_path / "fit.png").stat().st_size > 10_000
    low, high = found["power_interval_w"]
    assert low < found["model"]["power_w"] < high
    shown = hwnas("energy", "fit", "--board", BOARD, "--table", "t.db", cwd=tmp_path)
    assert shown.returncode == 0 and "simulated" in shown.stdout
    refused(
        hwnas("energy", "fit", "--board", "disco_f469ni", "--table", "t.db", cwd=tmp_path),
        "holds no energies of disco_f469ni",
    )
    wrong = (*args[:-1], "nothing://")
    refused(hwnas(*wrong, cwd=tmp_path), "there is no such kind")


def test_analyse_a_recording(tmp_path: Path) -> None:
    from hwnas.network import NetworkBuilder

    b = NetworkBuilder((8,))
    b.softmax(b.dense(b.input, 4))
    (tmp_path / "net.json").write_text(b.build().to_json())
    pin = np.zeros(128_000, bool)
    layer = np.zeros(128_000, bool)
    for start in (10_000, 50_000, 90_000):
        pin[start : start + 20_000] = True
        layer[start : start + 15_000] = True
    power = np.where(pin, 0.045, 0.005)
    write_rld(
        tmp_path / "run.rld", np.full(128_000, 3.0), power / 3, {"DI1": pin, "DI2": layer}, 64_000
    )
    args = ("energy", "analyse", "run.rld", "--model", "net.json")
    shown = hwnas(*args, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "dense 8 -> 4" in shown.stdout and "mean of 3 inferences" in shown.stdout
    plain = json.loads(hwnas(*args, "--json", cwd=tmp_path).stdout)
    assert plain["energy_mj"] == pytest.approx(0.045 * 20_000 / 64_000 * 1e3, rel=1e-3)
    assert plain["idle_power_mw"] == pytest.approx(5.0, rel=1e-3)
    assert plain["provenance"] == "measured"
    refused(hwnas(*args[:3], "--model", "none.json", cwd=tmp_path), "there is no such file")
    lines = ["t,i,a,b"] + [
        f"{i / 64_000:.7f},{power[i] / 3:.6f},{int(pin[i])},{int(layer[i])}"
        for i in range(0, 128_000)
    ]
    (tmp_path / "run.csv").write_text("\n".join(lines))
    args = ("energy", "analyse", "run.csv", "--model", "net.json", "--json")
    refused(hwnas(*args, cwd=tmp_path), "--columns must say")
    names = "current=i,inference=a,layer=b,time=t,supply_v=3.0"
    by_csv = json.loads(hwnas(*args, "--columns", names, cwd=tmp_path).stdout)
    assert by_csv["energy_mj"] == pytest.approx(plain["energy_mj"], rel=1e-3)
    for wrong, words in (
        ("current", "it is NAME=VALUE"), ("x=y", "NAME one of"), ("current=i", "must be named"),
        (f"{names},current_scale=x", "a number is wanted"),
    ):  # fmt: skip
        refused(hwnas(*args, "--columns", wrong, cwd=tmp_path), words)


def test_pictures_draw_one_kind_of_energies(tmp_path: Path) -> None:
    fits = {
        how: fit_energy([EnergyRow("a", t, 0.04 * t + 1e-6, how) for t in (0.1, 0.2, 0.4)], how)
        for how in (Provenance.MEASURED, Provenance.SIMULATED)
    }
    with pytest.raises(EnergyError, match="one kind, not measured, simulated"):
        plot_energy(fits, tmp_path / "x.png")
    with pytest.raises(EnergyError, match="one kind, not none"):
        plot_energy({}, tmp_path / "x.png")
    one = {"measured": fits[Provenance.MEASURED]}
    assert plot_energy(one, tmp_path / "x.svg", log=True).is_file()
    text = (tmp_path / "x.svg").read_text()
    assert "measured" in text and os.path.getsize(tmp_path / "x.svg") > 5_000


def test_settings_are_kept() -> None:
    assert replace(MeterSettings(), sample_rate_hz=1_000).channels.voltage == "V1"


# What cannot run here, up to the wire


class Joulescopes:
    """In the place of Jetperch's driver, with one device that sends what it is given."""

    def __init__(self) -> None:
        self.published: list[tuple[str, Any]] = []
        self.keepers: dict[str, Any] = {}

    def device_paths(self) -> list[str]:
        return ["u/js220/002557"]

    def open(self, path: str, mode: str) -> None:
        self.published.append((path, mode))

    def publish(self, topic: str, value: Any) -> None:
        self.published.append((topic, value))
        if topic.endswith("/s/i/ctrl") and value == "off":
            pins = np.array([0, 1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0], np.uint8)
            packed = np.packbits(pins, bitorder="little")
            for name, value in (("v", np.full(16, 3.0)), ("i", np.full(16, 0.01))):
                self.keepers[f"u/js220/002557/s/{name}/!data"]("", {"data": value})
            for pin in "01":
                sent = {"data": packed, "element_size_bits": 1}
                self.keepers[f"u/js220/002557/s/gpi/{pin}/!data"]("", sent)

    def subscribe(self, topic: str, flags: str, keeper: Any) -> None:
        assert flags == "pub"
        self.keepers[topic] = keeper

    def close(self, path: str) -> None:
        self.published.append((path, "close"))

    def finalize(self) -> None:
        self.published.append(("", "finalize"))


def test_a_joulescope_is_asked_for_its_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Joulescopes()
    module = type(sys)("pyjoulescope_driver")
    module.Driver = lambda: driver  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pyjoulescope_driver", module)
    with open_meter("joulescope://2557", SPEC) as meter:
        meter.open()
        with pytest.raises(MeterError, match="samples at 1000"):
            meter.configure(MeterSettings(sample_rate_hz=64_000))
        meter.configure(MeterSettings(sample_rate_hz=100_000))
        meter.start()
        meter.stop()
        found = segment(meter.read(), None)
    np.testing.assert_allclose(found.energy_j, [0.03 * 3 / 1e5, 0.03 * 2 / 1e5])
    assert ("u/js220/002557/h/fs", 100_000) in driver.published
    assert driver.published[-1] == ("", "finalize")
    with pytest.raises(MeterError, match="names 0 of: u/js220/002557"):
        open_meter("joulescope://99", SPEC).open()


class Unplugged(VirtualMeter):
    """Is gone when the recording ends."""

    def _stop(self) -> None:
        raise MeterError("the meter is gone")


def test_a_meter_that_goes_away_leaves_no_half_row(tmp_path: Path, lenet: Network) -> None:
    table = str(tmp_path / "table.db")
    with Evaluator.for_board(BOARD, table=table, meter="virtual://") as judge:
        judge.backend.meter = Unplugged(SPEC)
        with pytest.raises(MeterError, match="the meter is gone"):
            judge.network_cost(lenet)
        assert judge.table.get_network(judge.backend.target, lenet.digest) is None
        judge.backend.meter = VirtualMeter(SPEC)
        assert judge.network_cost(lenet).provenance["energy_mj"] is Provenance.SIMULATED
