"""What a candidate costs beyond its inference: bytes on the line, and this machine's own time.

The bytes are counted on the virtual board; the line's time follows from them at 1 Mbaud (10 bits a
byte). The host's time is what the client spends outside of the transport. The baud rates of the
boards are near 1 Mbaud; an emulated PTY would say nothing about them.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from _report import show

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from networks import resnet20

from hwnas.boards import load_board
from hwnas.device import BoardClient, Transport
from hwnas.firmware import find_image
from hwnas.network import Network
from hwnas.opening import virtual_client
from hwnas.plan import PoolLayout, compile_plan

BITS_A_BYTE = 10
BAUD = 1_000_000
REPEATS = 5


class Counting(Transport):
    """Counts the bytes, and the time spent behind it."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner
        self.sent = self.received = 0
        self.seconds = 0.0

    def write(self, data: bytes) -> None:
        start = time.perf_counter()
        self.inner.write(data)
        self.seconds += time.perf_counter() - start
        self.sent += len(data)

    def read(self, timeout_s: float) -> bytes:
        start = time.perf_counter()
        data = self.inner.read(timeout_s)
        self.seconds += time.perf_counter() - start
        self.received += len(data)
        return data

    def close(self) -> None:
        self.inner.close()


def main() -> None:
    network = resnet20()
    host, line, plan_bytes = [], [], 0
    for _ in range(REPEATS):
        taken, sent, received, plan_bytes = candidate(network)
        host.append(taken * 1e3)
        line.append((sent + received) * BITS_A_BYTE / BAUD * 1e3)
    both = [a + b for a, b in zip(host, line, strict=True)]
    show(
        f"one candidate beyond its inference: ResNet-20, a plan of {plan_bytes:,} bytes",
        [
            ("this machine: compile the plan, frames, checks", host, "ms", ""),
            ("the line at 1 Mbaud, from the bytes counted", line, "ms", ""),
            ("both", both, "ms", "100 or less"),
        ],
    )


def candidate(network: Network) -> tuple[float, int, int, int]:
    spec = load_board("nucleo_l496zg")
    image = find_image(spec)
    pool = PoolLayout.for_region(image.manifest.parameter_bytes)
    counting = Counting(virtual_client(spec, image).transport)
    with BoardClient(counting) as client:
        client.hello()
        counting.sent = counting.received = 0
        counting.seconds = 0.0
        start = time.perf_counter()
        plan = compile_plan(network, pool=pool)
        client.load(plan.data)
        client.run(per_layer=True, step_count=len(plan.step_nodes))
        taken = time.perf_counter() - start - counting.seconds
    return taken, counting.sent, counting.received, len(plan.data)


if __name__ == "__main__":
    main()
