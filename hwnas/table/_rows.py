"""Reading and writing rows in a database: the SQL of a lookup table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, TypeVar, cast

from sqlalchemy import ColumnElement, Connection, Row, Table, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from hwnas.errors import NetworkError, TableError
from hwnas.network import Layer, Network, Operator
from hwnas.table._records import (
    WHOLE_NETWORK,
    Conflict,
    LayerRecord,
    NetworkRecord,
    Record,
    TargetStats,
    same_cost,
)
from hwnas.table._schema import (
    ADDED,
    KINDS,
    LAYER,
    NETWORK,
    Kind,
    failures,
    layer_rows,
    layers,
    network_rows,
    networks,
    plain,
    targets,
)
from hwnas.target import TargetIdentity

_T = TypeVar("_T")

CHUNK: Final = 500
"""Keys a query asks for at once: below every database's limit of parameters."""

Offer = tuple[TargetIdentity, Record]
"""A record that is to be stored, and for which target."""
_Key = tuple[str, str]
"""Digests of a target and of a subject."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of one offered record.

    Attributes:
        target: The target it was offered for.
        offered: The record.
        stored: What the table holds now.
        is_new: Whether the record was written.
    """

    target: TargetIdentity
    offered: Record
    stored: Record
    is_new: bool

    @property
    def conflicts(self) -> bool:
        """Whether the table holds, and keeps, another cost."""
        return not same_cost(self.offered, self.stored)

    def conflict(self, line: int | None = None) -> Conflict:
        """Both costs, for people; ``line`` is that of the imported file."""
        return Conflict(self.target, self.stored, self.offered, line)


def fetch(
    connection: Connection,
    kind: Kind,
    target: TargetIdentity,
    subjects: Mapping[str, Layer | Network],
) -> dict[str, Record]:
    """The rows of some subjects on one target.

    Args:
        connection: Inside a transaction.
        kind: Which rows.
        target: Exactly this identity.
        subjects: By digest.

    Returns:
        The records by the subject's digest; subjects without a row are left out.

    Raises:
        TableError: A row was changed by hand.
    """
    rows = kind.rows.c
    found: dict[str, Record] = {}
    for chunk in chunks(subjects, CHUNK):
        query = select(kind.rows).where(rows.target == target.digest, rows.subject.in_(chunk))
        for row in connection.execute(query):
            found[row.subject] = _record(kind, target, subjects[row.subject], row)
    return found


def merge(
    connection: Connection, kind: Kind, offers: Sequence[Offer], *, replace: bool = False
) -> list[Merged]:
    """Store records; a row that is there already stays unless ``replace``.

    Args:
        connection: Inside a transaction that writes.
        kind: Which rows; all the records are of it.
        offers: The records. Where two have one key, the first counts (with ``replace`` the last).
        replace: Overwrite rows that are there.

    Returns:
        What became of each offer, in order.
    """
    identities: dict[str, dict[str, str]] = {}
    subjects: dict[str, dict[str, str]] = {}
    chosen: dict[_Key, Offer] = {}
    keyed: list[tuple[_Key, TargetIdentity, Record]] = []
    for target, record in offers:
        columns = kind.columns(record.subject)
        key = (target.digest, columns["digest"])
        subjects[columns["digest"]] = columns
        if target.digest not in identities:
            identities[target.digest] = _target_columns(target)
        if replace or key not in chosen:
            chosen[key] = (target, record)
        keyed.append((key, target, record))
    _insert_new(connection, targets, identities)
    _insert_new(connection, kind.subjects, subjects)
    written = _insert_rows(connection, kind, chosen, replace=replace)
    stored = {key: chosen[key][1] for key in written}
    kept = {key: offer for key, offer in chosen.items() if key not in stored}
    stored.update(_fetch_keys(connection, kind, kept))
    return [
        Merged(target, record, stored[key], key in written and chosen[key][1] is record)
        for key, target, record in keyed
    ]


def all_targets(connection: Connection) -> list[TargetIdentity]:
    """The targets that have rows, by digest."""
    found = connection.execute(select(targets).order_by(targets.c.digest))
    return [TargetIdentity.from_dict(plain(row.digest, row.json)) for row in found]


def all_layers(
    connection: Connection, target: TargetIdentity, operator: Operator | None = None
) -> list[LayerRecord]:
    """The rows of layers on one target, by the layer's digest; of one operator, or of all.

    Raises:
        TableError: A row or a layer was changed by hand.
    """
    found = []
    only = None if operator is None else layers.c.operator == str(operator)
    for row in stream(connection, LAYER, target.digest, only):
        try:
            layer = Layer.from_dict(plain(row.subject, row.json))
        except NetworkError as error:
            raise TableError(f"lookup table: a stored layer cannot be read ({error})") from error
        found.append(cast("LayerRecord", _record(LAYER, target, layer, row)))
    return found


def all_networks(connection: Connection, target: TargetIdentity) -> list[NetworkRecord]:
    """The rows of whole networks on one target, by the network's digest.

    Raises:
        TableError: A row or a network was changed by hand.
    """
    found = []
    for row in stream(connection, NETWORK, target.digest):
        try:
            network = Network.from_dict(plain(row.subject, row.json))
        except NetworkError as error:
            raise TableError(f"lookup table: a stored network cannot be read ({error})") from error
        found.append(cast("NetworkRecord", _record(NETWORK, target, network, row)))
    return found


def delete_target(connection: Connection, target: TargetIdentity) -> int:
    """Delete all rows of a target, and the layers and networks that no other target has."""
    deleted = 0
    for kind in KINDS:
        gone = connection.execute(delete(kind.rows).where(kind.rows.c.target == target.digest))
        deleted += gone.rowcount
    for table in ADDED:
        connection.execute(delete(table).where(table.c.target == target.digest))
    connection.execute(delete(targets).where(targets.c.digest == target.digest))
    for subjects, used_by in ((layers, (layer_rows, failures)), (networks, (network_rows,))):
        unused = delete(subjects)
        for rows in used_by:
            unused = unused.where(subjects.c.digest.not_in(select(rows.c.subject)))
        connection.execute(unused)
    return deleted


def fetch_network(
    connection: Connection, target: TargetIdentity, digest: str
) -> NetworkRecord | None:
    """The row of a network of which only the digest is known.

    Raises:
        TableError: The row or the network was changed by hand.
    """
    query = select(networks.c.json).where(networks.c.digest == digest)
    stored = connection.execute(query).scalar_one_or_none()
    if stored is None:
        return None
    try:
        network = Network.from_dict(plain(digest, stored))
    except NetworkError as error:
        raise TableError(f"lookup table: a stored network cannot be read ({error})") from error
    found = fetch(connection, NETWORK, target, {digest: network}).get(digest)
    return cast("NetworkRecord | None", found)


def stats_of(connection: Connection, target: TargetIdentity) -> list[TargetStats]:
    """How many rows a target has, by operator."""
    by_operator = (
        select(layers.c.operator, func.count())
        .join(layer_rows, layer_rows.c.subject == layers.c.digest)
        .where(layer_rows.c.target == target.digest)
        .group_by(layers.c.operator)
        .order_by(layers.c.operator)
    )
    counts = [(str(name), int(rows)) for name, rows in connection.execute(by_operator)]
    whole = select(func.count()).where(network_rows.c.target == target.digest)
    counts.append((WHOLE_NETWORK, connection.execute(whole).scalar_one()))
    return [TargetStats(target, name, rows) for name, rows in counts if rows]


def stream(
    connection: Connection, kind: Kind, target: str, only: ColumnElement[bool] | None = None
) -> Iterator[Row[Any]]:
    """All rows of one target by the subject's digest, with its text as ``json``.

    Args:
        connection: Inside a transaction.
        kind: Which rows.
        target: The target's digest.
        only: Leaves out the rows for which it does not hold.
    """
    query = (
        select(kind.rows, kind.subjects.c.json)
        .join(kind.subjects, kind.subjects.c.digest == kind.rows.c.subject)
        .where(kind.rows.c.target == target)
        .order_by(kind.rows.c.subject)
        .execution_options(yield_per=CHUNK)
    )
    yield from connection.execute(query if only is None else query.where(only))


def chunks(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Lists of up to ``size`` items."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def insert_target(connection: Connection, target: TargetIdentity) -> None:
    """Make sure that a target has its line."""
    _insert_new(connection, targets, {target.digest: _target_columns(target)})


def insert_layer(connection: Connection, layer: Layer) -> None:
    """Make sure that a layer has its line."""
    _insert_new(connection, layers, {layer.digest: LAYER.columns(layer)})


def upsert(connection: Connection, table: Table, line: dict[str, Any]) -> None:
    """Insert a line, or overwrite the one with its primary key."""
    insert = _insert(connection, table)
    keys = [column.name for column in table.primary_key]
    values = {column.name: column for column in insert.excluded if column.name not in keys}
    connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=values), [line])


def _target_columns(target: TargetIdentity) -> dict[str, str]:
    return {"digest": target.digest, "json": target.canonical()}


def _insert(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def _insert_new(connection: Connection, table: Table, lines: Mapping[str, dict[str, str]]) -> None:
    """Insert the lines whose digest the table lacks."""
    if lines:
        connection.execute(_insert(connection, table).on_conflict_do_nothing(), _ordered(lines))


def _insert_rows(
    connection: Connection, kind: Kind, chosen: Mapping[_Key, Offer], *, replace: bool
) -> set[_Key]:
    """Insert rows and return the keys of those that were written."""
    if not chosen:
        return set()
    insert = _insert(connection, kind.rows)
    keys = [kind.rows.c.target, kind.rows.c.subject]
    if replace:
        values = {c.name: c for c in insert.excluded if c.name not in ("target", "subject")}
        statement = insert.on_conflict_do_update(index_elements=keys, set_=values)
    else:
        statement = insert.on_conflict_do_nothing(index_elements=keys)
    lines = {key: _columns(key, record) for key, (_, record) in chosen.items()}
    written = connection.execute(statement.returning(*keys), _ordered(lines))
    return {(row.target, row.subject) for row in written}


def _ordered(lines: Mapping[Any, dict[str, Any]]) -> list[dict[str, Any]]:
    # One order for all writers, so that two of them cannot wait for each other.
    return [lines[key] for key in sorted(lines)]


def _fetch_keys(
    connection: Connection, kind: Kind, offers: Mapping[_Key, Offer]
) -> dict[_Key, Record]:
    identities: dict[str, TargetIdentity] = {}
    by_target: dict[str, dict[str, Layer | Network]] = {}
    for (digest, subject), (target, record) in offers.items():
        identities[digest] = target
        by_target.setdefault(digest, {})[subject] = record.subject
    found: dict[_Key, Record] = {}
    for digest, subjects in by_target.items():
        for subject, record in fetch(connection, kind, identities[digest], subjects).items():
            found[digest, subject] = record
    return found


def _columns(key: _Key, record: Record) -> dict[str, Any]:
    target, subject = key
    return {
        "target": target,
        "subject": subject,
        "n": record.n,
        "cycles_min": record.cycles_min,
        "cycles_median": record.cycles_median,
        "cycles_max": record.cycles_max,
        "energy_uj": record.energy_uj,
        "provenance": str(record.provenance),
        "created_at": record.created_at,
        "energy_spread": record.energy_spread,
    }


def _record(kind: Kind, target: TargetIdentity, subject: Layer | Network, row: Row[Any]) -> Record:
    if row.provenance != target.provenance:
        raise TableError(
            f"lookup table: a row is damaged: it is {row.provenance!r}, its target "
            f"{str(target.provenance)!r}"
        )
    return kind.record(
        subject,
        row.n,
        row.cycles_min,
        row.cycles_median,
        row.cycles_max,
        row.energy_uj,
        target.provenance,
        row.created_at,
        row.energy_spread,
    )
