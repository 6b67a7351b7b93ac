"""Several processes on one study, processes that die, and storages that go away."""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from postgres import running_postgres
from small_search import count_parameters, small_space

from hwnas.backend import BoardBackend
from hwnas.budget import Budget
from hwnas.errors import StudyError
from hwnas.evaluator import Evaluator
from hwnas.objective import HardwareObjective
from hwnas.search import _storage, finished_trials, ledger, open_study, run_search
from hwnas.table import LookupTable
from hwnas.trial_record import Gate, finished_records

TRIALS = 40


def objective_for(backend: BoardBackend, train: Any = count_parameters) -> HardwareObjective:
    evaluator = Evaluator(backend, LookupTable.open("sqlite://"), Budget(latency_ms=4.0))
    return HardwareObjective(small_space, evaluator, train)


def participants(count: int, storage: str, log: Path) -> list[subprocess.Popen[str]]:
    program = f"from small_search import take_part; take_part({storage!r}, {TRIALS}, {str(log)!r})"
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    return [
        subprocess.Popen(
            [sys.executable, "-c", program], text=True, cwd=log.parent,
            env={**os.environ, "PYTHONPATH": path},
        )
        for _ in range(count)
    ]  # fmt: skip


def trainings(log: Path) -> Counter[str]:
    """How often each network was trained."""
    return Counter(line.split()[0] for line in log.read_text().splitlines())


def check_that_all_is_accounted_for(study: optuna.Study, log: Path, killed: int = 0) -> None:
    counts = ledger(study)
    assert sum(counts.stopped.values()) == len(finished_trials(study)) >= TRIALS
    assert counts.failed == 0 and counts.cut_off <= killed
    records = finished_records(study.get_trials())
    trained = [r.digest for r in records.values() if r.gate is Gate.TRAINED]
    assert len(trained) == len(set(trained)) == counts.stopped[Gate.TRAINED]
    # What was trained more often had been cut off.
    assert 0 <= trainings(log).total() - len(trained) <= killed
    for record in records.values():
        if record.duplicate_of is not None:
            first = records[record.duplicate_of]
            assert first.digest == record.digest and first.duplicate_of is None


def test_four_processes_of_which_two_are_killed_on_postgresql(
    backend: BoardBackend, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with running_postgres() as server:
        study = open_study(objective_for(backend), storage=server.url)
        processes = participants(4, server.url, log)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and len(finished_trials(study)) < 6:
            time.sleep(0.05)
        killed = random.Random(0).sample(processes, 2)
        for process in killed:
            process.send_signal(signal.SIGKILL)
        assert [p.wait(timeout=180) for p in processes if p not in killed] == [0, 0]
        left = study.get_trials(states=(TrialState.RUNNING,))
        assert len(left) <= 2
        check_that_all_is_accounted_for(study, log, killed=2)
        resumed = objective_for(backend)
        study = open_study(resumed, storage=server.url)
        before = len(finished_trials(study))
        # What the dead processes claimed is free.
        for trial in left:
            study.enqueue_trial(trial.params)
        run_search(study, resumed, trials=before + 4)
        assert len(finished_trials(study)) == before + 4
        assert len(study.trials) == before + 4 + len(left)


def test_three_processes_on_a_journal_train_each_network_once(
    backend: BoardBackend, tmp_path: Path
) -> None:
    storage, log = f"journal:///{tmp_path}/deep/study.log", tmp_path / "log"
    processes = participants(3, storage, log)
    assert [process.wait(timeout=180) for process in processes] == [0, 0, 0]
    study = open_study(objective_for(backend), storage=storage)
    check_that_all_is_accounted_for(study, log)
    assert max(trainings(log).values()) == 1
    assert len({line.split()[1] for line in log.read_text().splitlines()}) > 1


def test_threads_that_want_one_network_train_it_once(backend: BoardBackend) -> None:
    trained: list[int] = []

    def slowly(model: Any, trial: optuna.Trial) -> float:
        trained.append(model.count_params())
        time.sleep(0.5)
        return count_parameters(model, trial)

    objective = objective_for(backend, slowly)
    study = open_study(objective)
    for _ in range(8):
        study.enqueue_trial({"filters": 8, "pool": 2})
    run_search(study, objective, trials=8, jobs=4)
    assert len(trained) == 1
    gates = Counter(record.gate for record in finished_records(study.get_trials()).values())
    assert gates == {Gate.TRAINED: 1, Gate.DUPLICATE: 7}


def test_the_next_in_line_trains_what_the_first_could_not(backend: BoardBackend) -> None:
    trained: list[int] = []

    def fails_first(model: Any, trial: optuna.Trial) -> float:
        trained.append(trial.number)
        time.sleep(0.3)
        if len(trained) == 1:
            raise RuntimeError("not today")
        return count_parameters(model, trial)

    objective = objective_for(backend, fails_first)
    study = open_study(objective)
    for _ in range(4):
        study.enqueue_trial({"filters": 8, "pool": 2})
    run_search(study, objective, trials=4, jobs=4)
    assert len(trained) == 2
    counts = ledger(study)
    assert counts.failed == 1 and counts.stopped[Gate.TRAINED] == 1
    assert counts.stopped[Gate.DUPLICATE] == 2


def test_a_claim_of_a_dead_process_is_not_waited_for(backend: BoardBackend, tmp_path: Path) -> None:
    storage, log = f"journal:///{tmp_path}/study.log", tmp_path / "log"
    (process,) = participants(1, storage, log)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not log.exists():
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    objective = objective_for(backend)
    study = open_study(objective, storage=storage)
    (claimed,) = study.get_trials(states=(TrialState.RUNNING,))
    study.enqueue_trial(claimed.params)
    start = time.monotonic()
    run_search(study, objective, trials=len(finished_trials(study)) + 1)
    assert time.monotonic() - start < 60
    assert study.trials[-1].params == claimed.params
    assert finished_records(study.get_trials())[study.trials[-1].number].gate is Gate.TRAINED


def test_a_server_that_goes_away_for_a_while_loses_no_trial(
    backend: BoardBackend, caplog: pytest.LogCaptureFixture
) -> None:
    with running_postgres() as server:

        def train(model: Any, trial: optuna.Trial) -> float:
            if trial.number == 2:
                server.stop()
                threading.Timer(1.5, server.start).start()
            return count_parameters(model, trial)

        objective = objective_for(backend, train)
        study = open_study(objective, storage=server.url)
        for filters in (4, 8, 12, 16, 20):
            study.enqueue_trial({"filters": filters, "pool": 3})  # of which three fit
        with caplog.at_level(logging.WARNING, "hwnas"):
            run_search(study, objective, trials=5)
        assert "the study's storage is away" in caplog.text
        assert len(finished_trials(study)) == len(study.trials) == 5
        assert ledger(study).stopped[Gate.TRAINED] == 3


def test_a_server_that_stays_away_is_told(
    backend: BoardBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_storage, "PATIENCE_S", 1.0)
    with running_postgres() as server:

        def train(model: Any, trial: optuna.Trial) -> float:
            if trial.number == 1:
                server.stop()
            return count_parameters(model, trial)

        objective = objective_for(backend, train)
        study = open_study(objective, storage=server.url)
        for filters in (4, 8):
            study.enqueue_trial({"filters": filters, "pool": 3})
        with pytest.raises(StudyError, match=r"the study's storage failed: .* had finished"):
            run_search(study, objective, trials=2)
        server.start()
        again = open_study(objective, storage=server.url)
        assert [record.gate for record in finished_records(again.trials).values()] == [Gate.TRAINED]


def test_a_storage_of_the_users_own(backend: BoardBackend) -> None:
    objective = objective_for(backend)
    storage = optuna.storages.InMemoryStorage()
    run_search(open_study(objective, storage=storage), objective, trials=2)
    assert len(open_study(objective, storage=storage).trials) == 2


def test_a_fork_has_claims_of_its_own() -> None:
    from hwnas.trial_memory import _this_process

    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, _this_process()[1].encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 100).decode().startswith(f"{child}:") and _this_process()[1] != ""
