"""Ctrl-C while the virtual board runs: held back where it would be lost, and never lost."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from hwnas.virtual._interrupts import held_back

# A thread interrupts the main one again and again; what is lost leaves the loop without an end.
INTERRUPTED = """
import os, random, signal, threading
from hwnas.opening import open_backend
from hwnas.network import conv2d, max_pool2d
from hwnas.plan import PoolLayout, compile_layers

signal.signal(signal.SIGINT, signal.default_int_handler)
with open_backend("nucleo_l496zg") as backend:
    layer = max_pool2d((16, 16, 4), 2)
    [before] = backend.measure_layers([layer])
    client = backend.open()
    pool = PoolLayout.for_region(backend.image.manifest.parameter_bytes)
    plan = compile_layers([layer], pool=pool)
    client.load(plan.data)
    for turn in range(40):
        delay = random.Random(turn).uniform(0, 0.02)
        timer = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT))
        try:
            timer.start()
            while True:
                client.run(warmup=0, repeats=1, per_layer=True, step_count=len(plan.step_nodes))
        except KeyboardInterrupt:
            timer.join()
    [after] = backend.measure_layers([layer])
print(before.cycles_median, after.cycles_median)
"""


def test_no_interrupt_is_lost_and_the_board_goes_on() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    before, after = map(int, done.stdout.split())
    assert before == after > 0


def test_an_interrupt_comes_at_the_end_and_hurries_it() -> None:
    hurried: list[bool] = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), held_back(lambda: hurried.append(True)):
            signal.raise_signal(signal.SIGINT)
            assert hurried == [True]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with held_back(lambda: hurried.append(True)):
            signal.raise_signal(signal.SIGINT)
        assert hurried == [True]
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_are_left_alone() -> None:
    seen: list[object] = []

    def work() -> None:
        with held_back(lambda: None):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]
