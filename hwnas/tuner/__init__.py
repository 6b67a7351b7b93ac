"""Hardware awareness for KerasTuner: budgets, hardware metrics, objectives, and spaces both ways.

Needs ``pip install 'hwnas[tuner]'``. What of KerasTuner's is used that it does not document stands
in ``_tuner.py`` and ``_spaces.py``, each with the reason.
"""

from __future__ import annotations

from hwnas.tuner._hypermodel import OverBudgetError
from hwnas.tuner._objective import Term, WeightedObjective
from hwnas.tuner._spaces import hypermodel_space, space_hypermodel
from hwnas.tuner._tuner import hardware_aware

__all__ = [
    "OverBudgetError",
    "Term",
    "WeightedObjective",
    "hardware_aware",
    "hypermodel_space",
    "space_hypermodel",
]
