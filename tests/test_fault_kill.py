"""A process that measures layers into a table is killed; what it stored stays, and is right.

benchmarks/kill_measuring.py does it 200 times with the same code.
"""

from __future__ import annotations

from pathlib import Path

from kill_measuring import kill_while_measuring

KILLS = 12


def test_a_kill_loses_at_most_the_layer_in_flight(tmp_path: Path) -> None:
    findings = kill_while_measuring(KILLS, 3, tmp_path)
    assert findings.faults == []
    assert findings.kills >= KILLS
    assert set(findings.in_flight) <= {0, 1}
    assert findings.lost <= findings.kills
