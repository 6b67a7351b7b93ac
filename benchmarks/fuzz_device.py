"""The firmware's parsers and kernels on this machine, under libFuzzer with sanitizers.

    python benchmarks/fuzz_device.py [--seconds S | --runs N] [--seed SEED]

Builds firmware/fuzz with clang, then runs both fuzzers at once, by default ten million inputs.
Exits with 1 where one found something; the input that shows it then lies in build/fuzz.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hwnas.firmware._build import _tool, cmsis_sources

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "firmware" / "fuzz"
SHARES = {"protocol": 0.3, "plan": 0.7}
"""Of the inputs, so that both fuzzers take about as long."""
RUNS = 10_000_000
LONGEST_INPUT = 6000
LONGEST_RUN_S = 20
LARGEST_BLOCK_MB = 256
"""One input takes a millisecond; an endless loop is found after so many seconds."""


@dataclass(frozen=True)
class Outcome:
    """What a fuzzer did.

    Attributes:
        target: Its name.
        executions: Inputs that were run.
        covered: Edges of the code that were taken.
        edges: Edges that there are, Arm's kernels and the harness included.
        steps: Steps of plans that reached a kernel.
        finding: What the sanitizers or libFuzzer reported; empty where nothing.
    """

    target: str
    executions: int
    covered: int
    edges: int
    steps: int
    finding: str


def missing() -> str:
    """What stands in the way of fuzzing here; empty where nothing does."""
    clang = shutil.which("clang")
    if clang is None:
        return "clang is missing (scripts/setup-system.sh --tests installs it)"
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder, "try.c"), Path(folder, "try")
        source.write_text(
            "#include <stddef.h>\n"
            "int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);\n"
            "int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {\n"
            "    return !data && size;\n"
            "}\n"
        )
        options = ["-fsanitize=fuzzer,address,undefined", str(source), "-o", str(program)]
        tried = subprocess.run([clang, *options], capture_output=True, text=True)
    return "" if tried.returncode == 0 else f"clang has no libFuzzer: {tried.stderr.strip()[-200:]}"


def build(folder: Path) -> None:
    """Builds both fuzzers and writes their seeds into a folder."""
    ninja = f"-DCMAKE_MAKE_PROGRAM={_tool('ninja')}"
    cmsis = f"-DHWNAS_CMSIS={cmsis_sources()}"
    settings = ["-G", "Ninja", ninja, "-DCMAKE_C_COMPILER=clang", cmsis]
    for command in (
        [_tool("cmake"), "-S", str(SOURCES), "-B", str(folder), *settings],
        [_tool("cmake"), "--build", str(folder)],
        [sys.executable, str(SOURCES / "make_seeds.py"), str(folder / "seeds")],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{command[0]} failed:\n{(done.stdout + done.stderr)[-3000:]}")


def start(
    folder: Path, target: str, *limits: str, seeds: Path | None = None
) -> subprocess.Popen[bytes]:
    """Starts a fuzzer on the corpus that earlier runs left, and the seeds; it writes a log."""
    seeds = seeds or folder / "seeds" / target
    corpus = folder / "corpus" / seeds.name
    corpus.mkdir(parents=True, exist_ok=True)
    command = [
        str(folder / f"fuzz_{target}"),
        *limits,
        f"-max_len={LONGEST_INPUT}",
        f"-timeout={LONGEST_RUN_S}",
        # Of resident memory a process has its parent's peak, a test run's, from the start.
        "-rss_limit_mb=0",
        f"-malloc_limit_mb={LARGEST_BLOCK_MB}",
        "-print_final_stats=1",
        f"-artifact_prefix={folder}/{target}-",
        str(corpus),
        str(seeds),
    ]
    with log_of(folder, target).open("wb") as log:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)


def log_of(folder: Path, target: str) -> Path:
    """What a fuzzer says."""
    return folder / f"{target}.log"


def finish(folder: Path, target: str, fuzzer: subprocess.Popen[bytes]) -> Outcome:
    """Waits for a fuzzer and reads what it said."""
    fuzzer.wait()
    said = log_of(folder, target).read_text(errors="replace")

    def last(pattern: str) -> int:
        found = re.findall(pattern, said)
        return int(found[-1]) if found else 0

    finding = ""
    if fuzzer.returncode != 0:
        shown = [
            line.strip()
            for line in said.splitlines()
            if re.search(r"ERROR|runtime error|^\s+#[0-6] |located|Test unit written", line)
        ]
        finding = "\n".join(shown[:12]) or said[-2000:]
    return Outcome(
        target,
        last(r"stat::number_of_executed_units:\s+(\d+)"),
        last(r"cov: (\d+)"),
        last(r"Loaded 1 modules\s+\((\d+) "),
        last(r"steps executed: (\d+)"),
        finding,
    )


def fuzz(folder: Path, *, seconds: int = 0, runs: int = RUNS, seed: int = 0) -> list[Outcome]:
    """Runs both fuzzers at once, each for so many seconds, or so many inputs together."""
    fuzzers = []
    for target, share in SHARES.items():
        limit = f"-max_total_time={seconds}" if seconds else f"-runs={int(share * runs)}"
        fuzzers.append((target, start(folder, target, limit, f"-seed={seed}")))
    return [finish(folder, target, fuzzer) for target, fuzzer in fuzzers]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=0, help="run both fuzzers so long")
    parser.add_argument("--runs", type=int, default=RUNS, help="or so many inputs together")
    parser.add_argument("--seed", type=int, default=0, help="0: another one each time")
    options = parser.parse_args()
    if reason := missing():
        raise SystemExit(reason)
    folder = ROOT / "build" / "fuzz"
    build(folder)
    outcomes = fuzz(folder, seconds=options.seconds, runs=options.runs, seed=options.seed)
    table = Table("fuzzer", "executions", "edges covered", "steps run", "findings (aim: 0)")
    for outcome in outcomes:
        table.add_row(
            outcome.target,
            f"{outcome.executions:,}",
            f"{outcome.covered:,} of {outcome.edges:,}",
            f"{outcome.steps:,}",
            "1" if outcome.finding else "0",
        )
    table.add_row("both", f"{sum(outcome.executions for outcome in outcomes):,}", "", "", "")
    console = Console(width=120)
    console.print(table)
    for outcome in outcomes:
        if outcome.finding:
            console.print(f"{outcome.target}:\n{outcome.finding}", markup=False)
    return int(any(outcome.finding for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
