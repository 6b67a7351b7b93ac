"""The tables of a lookup table, and the check that a database holds them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    inspect,
    select,
    text,
)
from sqlalchemy.types import TypeDecorator

from hwnas.errors import TableError
from hwnas.network import Layer, Network, Node
from hwnas.table._records import MAX_SPACE, LayerRecord, NetworkRecord, Record

SCHEMA_VERSION: Final = 3
"""Version 2 added what could not be measured, and how good the table is; version 3 the spread of
energies."""
OLDEST_VERSION: Final = 1

_DIGEST: Final = String(64)
_SPREAD: Final = "energy_spread"
_CREATION_LOCK: Final = 0x68776E6173
"""Number of the lock under which PostgreSQL creates the tables: the bytes of "hwnas"."""


class _UtcDateTime(TypeDecorator[datetime]):
    """A time that is aware in Python and UTC in the database, with or without time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _rows_table(name: str, subject: str) -> Table:
    return Table(
        name,
        metadata,
        Column("target", _DIGEST, ForeignKey("lut_targets.digest"), primary_key=True),
        Column("subject", _DIGEST, ForeignKey(f"{subject}.digest"), primary_key=True),
        Column("n", BigInteger, nullable=False),
        Column("cycles_min", BigInteger, nullable=False),
        Column("cycles_median", BigInteger, nullable=False),
        Column("cycles_max", BigInteger, nullable=False),
        Column("energy_uj", Double),
        Column("provenance", String(16), nullable=False),
        Column("created_at", _UtcDateTime, nullable=False),
        Column(_SPREAD, Double),
        CheckConstraint("n >= 1", name=f"{name}_n"),
        CheckConstraint(
            "0 <= cycles_min AND cycles_min <= cycles_median AND cycles_median <= cycles_max",
            name=f"{name}_cycles",
        ),
        CheckConstraint("energy_uj IS NULL OR energy_uj >= 0", name=f"{name}_energy"),
        sqlite_with_rowid=False,
    )


metadata: Final = MetaData()
meta: Final = Table(
    "lut_meta",
    metadata,
    Column("schema_version", Integer, primary_key=True, autoincrement=False),
    Column("created_by", Text, nullable=False),
)
targets: Final = Table(
    "lut_targets",
    metadata,
    Column("digest", _DIGEST, primary_key=True),
    Column("json", Text, nullable=False),
)
layers: Final = Table(
    "lut_layers",
    metadata,
    Column("digest", _DIGEST, primary_key=True),
    Column("json", Text, nullable=False),
    Column("operator", String(32), nullable=False),
)
networks: Final = Table(
    "lut_networks",
    metadata,
    Column("digest", _DIGEST, primary_key=True),
    Column("json", Text, nullable=False),
)
layer_rows: Final = _rows_table("lut_layer_rows", "lut_layers")
network_rows: Final = _rows_table("lut_network_rows", "lut_networks")


failures: Final = Table(
    "lut_failures",
    metadata,
    Column("target", _DIGEST, ForeignKey("lut_targets.digest"), primary_key=True),
    Column("subject", _DIGEST, ForeignKey("lut_layers.digest"), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("created_at", _UtcDateTime, nullable=False),
    sqlite_with_rowid=False,
)
accuracies: Final = Table(
    "lut_accuracies",
    metadata,
    Column("target", _DIGEST, ForeignKey("lut_targets.digest"), primary_key=True),
    Column("space", String(MAX_SPACE), primary_key=True),
    Column("networks", Integer, nullable=False),
    Column("mape", Double, nullable=False),
    Column("bias", Double, nullable=False),
    Column("worst", Double, nullable=False),
    Column("rank_correlation", Double, nullable=False),
    Column("created_at", _UtcDateTime, nullable=False),
    sqlite_with_rowid=False,
)


@dataclass(frozen=True)
class Kind:
    """One of the two kinds of rows, about layers and about networks.

    Attributes:
        name: Name of the kind in exports.
        subjects: Table of what the rows are about.
        rows: Table of the rows.
        record: Class of the rows in Python.
        parse: Makes a subject from plain data.
        columns: Makes a subject's line in ``subjects``.
    """

    name: str
    subjects: Table
    rows: Table
    record: Callable[..., Record]
    parse: Callable[[Any], Layer | Network]
    columns: Callable[[Any], dict[str, str]]


def _layer_columns(layer: Layer) -> dict[str, str]:
    return {
        "digest": layer.digest,
        "json": layer.canonical(),
        "operator": str(layer.operator),
    }


def _network_columns(network: Network) -> dict[str, str]:
    # Names take no part in the key, so no row may depend on which of two came first.
    nodes = tuple(Node(node.layer, node.inputs) for node in network.nodes)
    nameless = Network(network.input_shape, nodes, network.dtype)
    return {"digest": network.digest, "json": nameless.to_json()}


ADDED: Final = (failures, accuracies)
"""Tables that version 1 lacks."""
LAYER: Final = Kind("layer", layers, layer_rows, LayerRecord, Layer.from_dict, _layer_columns)
NETWORK: Final = Kind(
    "network", networks, network_rows, NetworkRecord, Network.from_dict, _network_columns
)
KINDS: Final = (LAYER, NETWORK)


def is_empty(connection: Connection, label: str) -> bool:
    """Whether the tables have yet to be created.

    Raises:
        TableError: The database is an SQLite file that holds other tables, or the tables are of
            another version, or some are missing.
    """
    names = set(inspect(connection).get_table_names())
    if meta.name in names:
        found = _check_version(connection, label)
        _check_columns(connection, label, names, found)
        return False
    # A PostgreSQL database is shared, with Optuna's storage for one; a file has one owner.
    if names and connection.dialect.name == "sqlite":
        raise TableError(
            f"{label}: holds tables of something else ({', '.join(sorted(names)[:3])}), "
            "no lookup table; give another path"
        )
    return True


def create(connection: Connection, label: str) -> None:
    """Create the tables, or those that an older version lacks, unless another process was faster.

    Raises:
        TableError: As :func:`is_empty`.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CREATION_LOCK})
    made_by = {"schema_version": SCHEMA_VERSION, "created_by": f"hwnas {_hwnas_version()}"}
    if is_empty(connection, label):
        metadata.create_all(connection)
        connection.execute(meta.insert(), [made_by])
    elif is_older(connection):
        metadata.create_all(connection)
        for rows in (layer_rows, network_rows):
            if _SPREAD not in _column_names(connection, rows):
                kind = Double().compile(connection.dialect)
                connection.execute(text(f"ALTER TABLE {rows.name} ADD COLUMN {_SPREAD} {kind}"))
        connection.execute(meta.update().values(made_by))


def is_older(connection: Connection) -> bool:
    """Whether the tables are those of an older version, which :func:`create` brings up to date."""
    version_found: int = connection.execute(select(meta.c.schema_version)).scalar_one()
    return version_found < SCHEMA_VERSION


def check_writable(connection: Connection) -> None:
    """Make the database fail that cannot be written, without a change to any row.

    Raises:
        sqlalchemy.exc.DBAPIError: It cannot be written.
    """
    # SQLite takes even BEGIN IMMEDIATE on a read-only file, and complains about a statement.
    none = meta.update().where(meta.c.schema_version < 0)
    connection.execute(none.values(created_by=meta.c.created_by))


def _hwnas_version() -> str:
    try:
        return version("hwnas")
    except PackageNotFoundError:
        return "(not installed)"


def _check_version(connection: Connection, label: str) -> int:
    columns = {column["name"] for column in inspect(connection).get_columns(meta.name)}
    found = []
    if columns >= {column.name for column in meta.columns}:
        found = list(connection.execute(select(meta.c.schema_version, meta.c.created_by)))
    if len(found) != 1 or not isinstance(found[0].schema_version, int):
        raise TableError(f"{label}: {meta.name} states no version; this is no lookup table")
    if not OLDEST_VERSION <= found[0].schema_version <= SCHEMA_VERSION:
        raise TableError(
            f"{label}: has schema version {found[0].schema_version}, made by "
            f"{found[0].created_by}; this hwnas reads versions {OLDEST_VERSION} to "
            f"{SCHEMA_VERSION}. Export it with the hwnas that made it and import the export into "
            "a new table"
        )
    return int(found[0].schema_version)


def _check_columns(connection: Connection, label: str, names: set[str], made: int) -> None:
    for table in metadata.sorted_tables:
        if made == OLDEST_VERSION and table in ADDED:
            continue  # create() makes it
        found = _column_names(connection, table) if table.name in names else set()
        missing = {column.name for column in table.columns} - found
        if made < SCHEMA_VERSION:
            missing.discard(_SPREAD)  # create() adds it
        if missing:
            raise TableError(
                f"{label}: {table.name} lacks {', '.join(sorted(missing))}; the table is damaged, "
                "or made by something else"
            )


def _column_names(connection: Connection, table: Table) -> set[str]:
    return {column["name"] for column in inspect(connection).get_columns(table.name)}


def plain(digest: str, stored: str) -> Any:
    """The data of a ``json`` column, whose texts are stored under their SHA-256.

    Raises:
        TableError: The text is not the one that was stored under this digest.
    """
    if hashlib.sha256(stored.encode(errors="replace")).hexdigest() != digest:
        raise TableError(f"lookup table: the JSON text stored under {digest:.12} is damaged")
    try:
        return json.loads(stored)
    except (ValueError, RecursionError) as error:
        raise TableError(f"lookup table: a stored text is no JSON ({error})") from error
