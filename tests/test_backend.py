"""The backend itself: what it refuses, and how it lets go of a board."""

from __future__ import annotations

import random
import threading

import pytest

from hwnas.backend import BoardBackend
from hwnas.device import BoardClient, Transport
from hwnas.errors import PlanError
from hwnas.network import (
    Layer,
    NetworkBuilder,
    conv2d,
    depthwise_conv2d,
    global_average_pool2d,
)
from hwnas.opening import open_backend, virtual_client


def test_a_network_that_no_kernel_can_run_is_refused_as_its_layers_are(
    backend: BoardBackend,
) -> None:
    b = NetworkBuilder((4, 4, 512))
    b.conv2d(b.input, 4, (13, 13))
    network = b.build()
    with pytest.raises(PlanError) as alone:
        list(backend.measure_layers(network.layers))
    with pytest.raises(PlanError) as whole:
        backend.measure_network(network)
    assert str(whole.value) == str(alone.value)


@pytest.mark.parametrize("board", ["nucleo_l496zg", "nucleo_f767zi"])
def test_a_layers_cycles_do_not_depend_on_what_ran_before(board: str) -> None:
    layers = [
        conv2d((25, 5, 12), 24, 1, activation="relu"),
        conv2d((25, 5, 16), 92, 1, activation="relu"),
        conv2d((14, 14, 16), 8, 3, padding="valid", activation="relu"),
        depthwise_conv2d((25, 5, 36), 5, activation="relu"),
        conv2d((49, 10, 1), 76, (8, 3), strides=2, activation="relu"),
        global_average_pool2d((25, 5, 20)),
    ]
    found: dict[Layer, set[int]] = {layer: set() for layer in layers}
    with open_backend(board) as opened:
        for seed in range(8):
            random.Random(seed).shuffle(layers)
            for record in opened.measure_layers(layers):
                found[record.layer].add(record.cycles_median)
    assert all(len(cycles) == 1 for cycles in found.values()), found


class SlowToClose(Transport):
    """A line whose closing takes until it is told to go on."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.closing, self.go_on = threading.Event(), threading.Event()
        self.closed = False

    def write(self, data: bytes) -> None:
        self._inner.write(data)

    def read(self, timeout_s: float) -> bytes:
        return self._inner.read(timeout_s)

    def close(self) -> None:
        self.closing.set()
        assert self.go_on.wait(30)
        self._inner.close()
        self.closed = True


def test_a_board_that_is_opened_while_another_thread_closes_it_stays_held(
    backend: BoardBackend,
) -> None:
    lines: list[SlowToClose] = []

    def connect() -> BoardClient:
        lines.append(SlowToClose(virtual_client(backend.spec, backend.image).transport))
        return BoardClient(lines[-1])

    held = BoardBackend(backend.spec, backend.image, connect, backend.target)
    held.open()
    closing = threading.Thread(target=held.close)
    closing.start()
    assert lines[0].closing.wait(30)
    again = held.open()
    lines[0].go_on.set()
    closing.join()
    assert held.open() is again and len(lines) == 2
    lines[1].go_on.set()
    held.close()
    assert [line.closed for line in lines] == [True, True]
