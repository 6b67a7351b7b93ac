"""What a lookup table knows beside its rows: what could not be measured, and how good it is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import Connection, delete, select

from hwnas.network import Layer
from hwnas.table._records import Accuracy
from hwnas.table._rows import CHUNK, chunks, insert_layer, insert_target, upsert
from hwnas.table._schema import accuracies, failures
from hwnas.target import TargetIdentity


def put_failure(connection: Connection, target: TargetIdentity, layer: Layer, reason: str) -> None:
    """Keep why a layer has no row; a newer reason replaces an older one."""
    insert_target(connection, target)
    insert_layer(connection, layer)
    line = {
        "target": target.digest,
        "subject": layer.digest,
        "reason": reason,
        "created_at": datetime.now(UTC),
    }
    upsert(connection, failures, line)


def fetch_failures(
    connection: Connection, target: TargetIdentity, layers: Mapping[str, Layer]
) -> dict[Layer, str]:
    """Why layers, given by digest, have no row; those of which nothing is known are left out."""
    found: dict[Layer, str] = {}
    columns = failures.c
    for chunk in chunks(layers, CHUNK):
        query = select(columns.subject, columns.reason).where(
            columns.target == target.digest, columns.subject.in_(chunk)
        )
        found.update((layers[row.subject], row.reason) for row in connection.execute(query))
    return found


def forget_failure(connection: Connection, target: TargetIdentity, layer: Layer) -> None:
    """Drop the reason kept for a layer that has a row by now."""
    columns = failures.c
    of_layer = (columns.target == target.digest, columns.subject == layer.digest)
    connection.execute(delete(failures).where(*of_layer))


def put_accuracy(connection: Connection, target: TargetIdentity, found: Accuracy) -> None:
    """Keep how good the rows of a target are for the networks of a space; the last word counts."""
    insert_target(connection, target)
    upsert(connection, accuracies, {"target": target.digest, **found.to_columns()})


def fetch_accuracies(connection: Connection, target: TargetIdentity) -> list[Accuracy]:
    """How good the rows of a target are, by space."""
    columns = accuracies.c
    query = select(accuracies).where(columns.target == target.digest).order_by(columns.space)
    return [
        Accuracy(
            row.space,
            row.networks,
            row.mape,
            row.bias,
            row.worst,
            row.rank_correlation,
            row.created_at,
        )
        for row in connection.execute(query)
    ]
