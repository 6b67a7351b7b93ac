"""Studies: opened, run, looked at, and begun from what is known."""

from __future__ import annotations

from hwnas.search._anchors import enqueue_anchor, warm_start
from hwnas.search._front import FrontEntry, pareto_front
from hwnas.search._ledger import LEDGER_ATTRIBUTE, Ledger, ledger
from hwnas.search._load import LoadedTrial, load_trial
from hwnas.search._open import CONFIG_ATTRIBUTE, open_study, stored_study
from hwnas.search._run import finished_trials, run_search
from hwnas.search._storage import label_of_storage

__all__ = [
    "CONFIG_ATTRIBUTE",
    "LEDGER_ATTRIBUTE",
    "FrontEntry",
    "Ledger",
    "LoadedTrial",
    "enqueue_anchor",
    "finished_trials",
    "label_of_storage",
    "ledger",
    "load_trial",
    "open_study",
    "pareto_front",
    "run_search",
    "stored_study",
    "warm_start",
]
