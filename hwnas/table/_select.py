"""Naming a table's targets by a few letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Final

from hwnas.errors import TableError
from hwnas.target import TargetIdentity

SHOWN: Final = 8
"""Digits of a digest that are shown to people."""
_FIELDS: Final = frozenset(f.name for f in fields(TargetIdentity))


def select_target(targets: Sequence[TargetIdentity], text: str) -> TargetIdentity:
    """The one target that a text means.

    Args:
        targets: Those of a table.
        text: The first digits of a digest, or conditions such as
            ``board=nucleo_l496zg,kernel_set=reference``; a condition holds where the field's text
            contains the value.

    Raises:
        TableError: None is meant, or several; the message lists those there are.
    """
    found = [target for target in targets if _is_meant(target, text)]
    if len(found) == 1:
        return found[0]
    listed = "; ".join(
        f"{target.digest[:SHOWN]}: {target.describe()}" for target in found or targets
    )
    if not targets:
        raise TableError(f"target {text!r}: the table is empty")
    what = "means several" if found else "means none"
    raise TableError(f"target {text!r} {what} of the table's: {listed}")


def _is_meant(target: TargetIdentity, text: str) -> bool:
    if "=" not in text:
        return bool(text) and target.digest.startswith(text.lower())
    return all(_holds(target, condition) for condition in text.split(","))


def _holds(target: TargetIdentity, condition: str) -> bool:
    name, _, value = condition.partition("=")
    if name.strip() not in _FIELDS:
        raise TableError(
            f"target: there is no field {name.strip()!r}; {', '.join(sorted(_FIELDS))}"
        )
    return value.strip() in str(getattr(target, name.strip()))
