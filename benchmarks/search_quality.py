"""Does it pay? The constrained search against MACs as a proxy for latency, and against chance.

    python benchmarks/search_quality.py [--out FOLDER] [--seeds 3] [--trained 24]

On Fashion-MNIST, for the virtual NUCLEO-L496ZG: each search ends when it has trained as many
networks as the others. The proxy's latency is MACs times the constant that suits the space best;
what it lets through is held against the real limit afterwards. Studies lie in FOLDER, so that it
can be stopped and started again. Latencies are simulated.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import optuna
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from hwnas import Budget, Evaluator, HardwareObjective, ledger, load_space, open_study, run_search
from hwnas.accuracy import compare, fits
from hwnas.evaluator import Evaluation, Rung, Trust, Verdict
from hwnas.network import Network
from hwnas.snapping import snap
from hwnas.spaces import random_networks
from hwnas.training import FashionMnistTrainer
from hwnas.trial_record import Gate, finished_records

BOARD, SPACE = "nucleo_l496zg", "lenet"
BUDGET = Budget(latency_ms=30, ram_bytes=32 << 10, flash_bytes=160 << 10)
FITTED_ON, JUDGED = 200, 2_000
MOST_TRIALS = 2_000
CHANCE = 0.1
STRATEGIES = {"hwnas": "#c8553d", "MACs as proxy": "#2a6f97", "random": "#888888"}


class ProxyEvaluator(Evaluator):
    """Takes MACs times a constant for the latency, as a search without hardware does."""

    cycles_a_mac = 0.0

    def evaluate(self, network: Network, trust: Trust = Trust.NETWORK) -> Evaluation:
        static = self.static_evaluation(network)
        cycles = round(self.cycles_a_mac * static.cost.macs)
        cost = replace(static.cost, cycles=cycles, latency_ms=cycles / static.cost.clock_hz * 1e3)
        return Evaluation(cost, Verdict(Rung.STATIC, self._violations(cost)), static.seconds)


@dataclass(frozen=True)
class Point:
    """A network that a search trained: its accuracy, and its latency as it is."""

    accuracy: float
    latency_ms: float

    @property
    def fits(self) -> bool:
        assert BUDGET.latency_ms is not None
        return self.latency_ms <= BUDGET.latency_ms


@dataclass(frozen=True)
class Outcome:
    """What one search came to."""

    strategy: str
    seed: int
    points: tuple[Point, ...]
    trials: int
    training_s: float
    saved_s: float

    @property
    def best(self) -> float:
        return max((point.accuracy for point in self.points if point.fits), default=CHANCE)


def main(
    out: Annotated[Path, typer.Option(help="Where studies, table and plot go.")] = Path(
        "build/search-quality"
    ),
    seeds: Annotated[int, typer.Option(min=1)] = 3,
    trained: Annotated[int, typer.Option(min=1, help="Trainings of each search.")] = 24,
) -> None:
    """Run what is missing, then tell and draw."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    out.mkdir(parents=True, exist_ok=True)
    train = Remembering(out / "trained.json")
    with Evaluator.for_board(BOARD, table=f"sqlite:///{out}/table.db", budget=BUDGET) as real:
        constant, error = fitted_constant(real)
        proxy = ProxyEvaluator(real.backend, real.table, BUDGET)
        proxy.cycles_a_mac = constant
        judged = judged_by_both(real, proxy)
        outcomes = [
            searched(name, seed, real, proxy, train, out, trained)
            for seed in range(seeds)
            for name in STRATEGIES
        ]
    tell(judged, constant, error, outcomes)
    print(f"plot: {draw(judged, outcomes, out / 'search_quality.png')}")


def fitted_constant(real: Evaluator) -> tuple[float, float]:
    """Cycles a MAC that suit the space best, and the mean error of that, over random networks."""
    unlimited = Evaluator(real.backend, real.table)
    networks = map(snap, random_networks(load_space(SPACE), seed=1))
    rows = list(compare(unlimited, track(islice(networks, FITTED_ON), "fit", total=FITTED_ON)))
    fit = next(fit for fit in fits(rows) if fit.predictor == "macs")
    return fit.constant, fit.errors.mape


def judged_by_both(real: Evaluator, proxy: ProxyEvaluator) -> list[tuple[float, float]]:
    """Latency as it is and by the proxy, ms, of candidates whose sizes fit."""
    sizes = Evaluator(real.backend, real.table, replace(BUDGET, latency_ms=None))
    networks = map(snap, random_networks(load_space(SPACE), seed=2))
    return [
        (real.table_cost(network).latency_ms, proxy.evaluate(network).cost.latency_ms)
        for network in track(islice(networks, JUDGED), "judge", total=JUDGED)
        if sizes.static_evaluation(network).verdict.feasible
    ]


class Remembering:
    """Trains each network once, whichever search wants it: equal networks, equal accuracies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, list[float]] = json.loads(path.read_text()) if path.exists() else {}
        self._trainer = FashionMnistTrainer()

    def __call__(self, model: Any, trial: optuna.Trial) -> float:
        name = json.dumps([[type(layer).__name__, *layer.output.shape] for layer in model.layers])
        name += json.dumps([weights.shape for weights in model.get_weights()])
        if name not in self._known:
            start = time.perf_counter()
            accuracy = self._trainer(model, Seed(zlib.crc32(name.encode())))
            self._known[name] = [accuracy, time.perf_counter() - start]
            self._path.write_text(json.dumps(self._known))
        accuracy, seconds = self._known[name]
        trial.set_user_attr("training_s", seconds)
        return accuracy


@dataclass(frozen=True)
class Seed:
    """What the trainer reads of a trial: the same network has the same seed in every search."""

    number: int


def searched(
    name: str,
    seed: int,
    real: Evaluator,
    proxy: ProxyEvaluator,
    train: Callable[[Any, optuna.Trial], float],
    out: Path,
    trained: int,
) -> Outcome:
    """Run a search until it has trained so many networks."""
    objective = HardwareObjective(SPACE, proxy if name == "MACs as proxy" else real, train)
    sampler = optuna.samplers.RandomSampler(seed=seed) if name == "random" else None
    study = open_study(
        objective, storage=f"sqlite:///{out}/studies.db", name=f"{name} {seed} {trained}",
        sampler=sampler, seed=seed,
    )  # fmt: skip

    def stop_when_full(trial: object) -> None:
        if ledger(study).stopped[Gate.TRAINED] >= trained:
            study.stop()

    have = ledger(study).stopped[Gate.TRAINED]
    if have < trained:
        print(f"{name}, seed {seed}: {have} of {trained} trained")
        run_search(study, objective, trials=MOST_TRIALS, on_trial=stop_when_full)
    records = finished_records(study.get_trials(deepcopy=False))
    done = {n: r for n, r in records.items() if r.gate is Gate.TRAINED}
    trials = study.get_trials(deepcopy=False)
    seconds = [trials[n].user_attrs["training_s"] for n in done]
    spared = len(records) - len(done)
    return Outcome(
        strategy=name,
        seed=seed,
        points=tuple(
            Point(r.metric, real.network_cost(r.rebuild_network()).latency_ms)
            for r in done.values()
        ),
        trials=len(records),
        training_s=sum(seconds),
        saved_s=spared * sum(seconds) / len(seconds),
    )


def hypervolume(points: tuple[Point, ...]) -> float:
    """Share of the box between chance and certainty, no time and the budget, that is dominated."""
    assert BUDGET.latency_ms is not None
    area, at = 0.0, BUDGET.latency_ms
    fitting = [point for point in points if point.fits]
    for point in sorted(fitting, key=lambda point: -point.latency_ms):
        reached = max(p.accuracy for p in fitting if p.latency_ms <= point.latency_ms)
        area += (at - point.latency_ms) * (reached - CHANCE)
        at = point.latency_ms
    return area / (BUDGET.latency_ms * (1 - CHANCE))


def wrong(judged: list[tuple[float, float]]) -> tuple[float, float]:
    """Shares of candidates that the proxy lets through wrongly, and refuses wrongly."""
    assert BUDGET.latency_ms is not None
    limit = BUDGET.latency_ms
    accepted = sum(proxy <= limit < true for true, proxy in judged)
    rejected = sum(true <= limit < proxy for true, proxy in judged)
    return accepted / len(judged), rejected / len(judged)


def tell(
    judged: list[tuple[float, float]], constant: float, error: float, outcomes: list[Outcome]
) -> None:
    console = Console(width=130)
    accepted, rejected = wrong(judged)
    console.print(
        f"proxy: {constant:.2f} cycles a MAC (fitted on {FITTED_ON} networks, mean error "
        f"{error:.1%}); of {len(judged)} untrained candidates it lets {accepted:.1%} through "
        f"wrongly and refuses {rejected:.1%} wrongly"
    )
    shown = Table(
        "search", "seed", "hypervolume", "best within budget", "trained in vain", "trials",
        "training, s", "saved, s (estimated)",
        title=f"{BOARD}, {BUDGET.latency_ms:g} ms (simulated), as many networks trained by each",
    )  # fmt: skip
    for found in outcomes:
        shown.add_row(
            found.strategy, str(found.seed), f"{hypervolume(found.points):.4f}",
            f"{found.best:.4f}", str(sum(not point.fits for point in found.points)),
            str(found.trials), f"{found.training_s:.0f}", f"{found.saved_s:.0f}",
        )  # fmt: skip
    console.print(shown)


def draw(judged: list[tuple[float, float]], outcomes: list[Outcome], path: Path) -> Path:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for found in outcomes:
        best, curve = CHANCE, []
        for point in found.points:
            best = max(best, point.accuracy) if point.fits else best
            curve.append(best)
        left.plot(
            range(1, len(curve) + 1), curve, color=STRATEGIES[found.strategy], alpha=0.8,
            label=found.strategy if found.seed == 0 else None,
        )  # fmt: skip
    left.set(
        xlabel="networks trained", ylabel="best accuracy within budget", ylim=(0.8, None),
        title=f"{BOARD}, {BUDGET.latency_ms:g} ms (simulated)",
    )  # fmt: skip
    left.legend()
    true, proxy = zip(*judged, strict=True)
    right.scatter(true, proxy, s=4, alpha=0.4, color="#2a6f97")
    for line in (right.axvline, right.axhline):
        line(BUDGET.latency_ms, color="#333333", linestyle="--", linewidth=1)
    right.set(
        xlabel="latency (ms), simulated", ylabel="MACs x constant (ms)", xlim=(0, 100),
        ylim=(0, 100), title="the proxy, on untrained candidates",
    )  # fmt: skip
    figure.savefig(path, dpi=110)
    return path


if __name__ == "__main__":
    typer.run(main)
