"""The lookup table itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, TextIO, cast

from hwnas._closing import Closing
from hwnas.errors import TableError
from hwnas.network import Layer, Network, Operator
from hwnas.table import _exchange, _notes, _rows, _schema
from hwnas.table._database import Database
from hwnas.table._messages import Nearest, conflict_message, missing_message, name_layers
from hwnas.table._records import (
    Accuracy,
    ImportReport,
    LayerRecord,
    NetworkRecord,
    Record,
    TableStats,
)
from hwnas.target import Provenance, TargetIdentity

CACHED_ROWS: Final = 100_000
"""Rows a target that are kept in memory; beyond it the target's rows are read again."""

_Cache = dict[Layer | str, Record]
Measure = Callable[[Sequence[Layer]], Iterable[LayerRecord]]


class LookupTable(Closing):
    """Costs of layers and networks on targets, in SQLite or PostgreSQL.

    Made by :meth:`open`. Threads may share one object; each process opens its own, also after a
    fork. Rows that were read once stay in memory and are not read again: what another process
    replaces is seen after :meth:`refresh`. What it adds is seen at once.

    Example:
        >>> from hwnas.network import dense
        >>> from hwnas.target import Provenance, TargetIdentity
        >>> target = TargetIdentity(
        ...     "nucleo_l496zg", "cortex-m4", 80_000_000, "sram1", "cmsis_nn", "4.0.0",
        ...     "gcc", "12.2.1", "-O3", "0" * 64, "1" * 64, "warm",
        ...     Provenance.SIMULATED, "cortex-m4/1",
        ... )
        >>> layer = dense((84,), 10)
        >>> with LookupTable.open(":memory:") as table:
        ...     table.put(
        ...         target, [LayerRecord(layer, 3, 5210, 5210, 5211, None, target.provenance)]
        ...     )
        ...     table.get(target, [layer])[layer].cycles_median
        5210
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cache: dict[str, _Cache] = {}

    @classmethod
    def open(
        cls, url_or_path: str | Path, *, create: bool = True, timeout_s: float = 30.0
    ) -> LookupTable:
        """Open a lookup table, and make it if there is none.

        Args:
            url_or_path: A path of an SQLite file, ``:memory:``, or an SQLAlchemy URL of SQLite
                or PostgreSQL.
            create: Make the file, its folder and the tables where they are missing.
            timeout_s: How long to wait for another writer's lock, in seconds (SQLite).

        Raises:
            TableError: The place cannot be reached or written, holds something else or another
                schema version, or is missing while ``create`` is False.
        """
        return cls(Database.open(url_or_path, create=create, timeout_s=timeout_s))

    @property
    def label(self) -> str:
        """The path, or the URL without its password."""
        return self._database.label

    def close(self) -> None:
        """Give the database back; any later use but another close raises TableError."""
        self._cache = {}
        self._database.close()

    def refresh(self) -> None:
        """Forget the rows in memory, so that the next look-ups read the database."""
        self._cache = {}

    def get(self, target: TargetIdentity, layers: Iterable[Layer]) -> dict[Layer, LayerRecord]:
        """Look layers up.

        Args:
            target: Exactly this identity.
            layers: In any order, also repeated; free layers have no row.

        Returns:
            The rows that the table has; layers without one are left out.

        Raises:
            TableError: The database cannot be read.
        """
        # Kept for the whole call: what is read before a refresh must not be kept after it.
        cache = self._cache.setdefault(target.digest, {})
        found: dict[Layer, Record] = {}
        unknown: dict[Layer, None] = {}
        for layer in layers:
            record = cache.get(layer)
            if record is None:
                unknown[layer] = None
            else:
                found[layer] = record
        by_digest = {layer.digest: layer for layer in unknown if not layer.is_free}
        if by_digest:
            with self._database.transaction("read") as connection:
                read = _rows.fetch(connection, _schema.LAYER, target, by_digest)
            found.update((by_digest[key], _keep(cache, record)) for key, record in read.items())
        return cast("dict[Layer, LayerRecord]", found)

    def get_network(self, target: TargetIdentity, digest: str) -> NetworkRecord | None:
        """Look a whole network up.

        Args:
            target: Exactly this identity.
            digest: The network's digest.

        Returns:
            The row, its network without names; None where the table has none.

        Raises:
            TableError: The database cannot be read.
        """
        cache = self._cache.setdefault(target.digest, {})
        record = cache.get(digest)
        if record is None:
            with self._database.transaction("read") as connection:
                record = _rows.fetch_network(connection, target, digest)
            if record is not None:
                record = _keep(cache, record)
        return cast("NetworkRecord | None", record)

    def put(
        self, target: TargetIdentity, records: Iterable[LayerRecord], *, replace: bool = False
    ) -> None:
        """Store rows of layers, all or none. Storing the same costs again changes nothing.

        Args:
            target: What they were obtained on.
            records: The rows; all of the target's provenance.
            replace: Overwrite rows that state another cost.

        Raises:
            TableError: The table holds another cost for a layer and ``replace`` is False, a
                provenance is not the target's, or the database cannot be written.
        """
        self._put(_schema.LAYER, target, list(records), replace=replace)

    def put_network(
        self, target: TargetIdentity, record: NetworkRecord, *, replace: bool = False
    ) -> None:
        """Store the row of a whole network; as :meth:`put`.

        Raises:
            TableError: As :meth:`put`.
        """
        self._put(_schema.NETWORK, target, [record], replace=replace)

    def get_or_measure(
        self, target: TargetIdentity, layers: Iterable[Layer], measure: Measure
    ) -> dict[Layer, LayerRecord]:
        """Look layers up, and obtain and store what is missing.

        Every row is stored as soon as ``measure`` yields it: an interruption loses the layer in
        flight only. Where another process stored a row meanwhile, that row counts.

        Args:
            target: What ``measure`` obtains rows on.
            layers: In any order, also repeated; free layers are skipped.
            measure: Called at most once, with the missing layers, each once; yields a row of
                each, in any order.

        Returns:
            A row of every layer that is not free.

        Raises:
            TableError: ``measure`` left a layer out or yielded one it was not asked for, or a
                simulated row differs from what another process stored (simulation repeats to
                the cycle, so the identity is wrong), or the database failed.
        """
        wanted = _costly(layers)
        found = self.get(target, wanted)
        missing = [layer for layer in wanted if layer not in found]
        if not missing:
            return found
        asked = set(missing)
        for record in measure(tuple(missing)):
            if record.layer not in asked:
                raise TableError(
                    f"{self.label}: measuring gave a row that was not asked for: "
                    f"{record.layer.describe()}"
                )
            found[record.layer] = self.add(target, record)
        left = [layer for layer in missing if layer not in found]
        if left:
            raise TableError(f"{self.label}: measuring gave no row of {name_layers(left)}")
        return found

    def get_or_measure_network(
        self,
        target: TargetIdentity,
        network: Network,
        measure: Callable[[Network], NetworkRecord | None],
    ) -> NetworkRecord | None:
        """Look a whole network up, or obtain and store it; as :meth:`get_or_measure`.

        Args:
            target: What ``measure`` obtains the row on.
            network: The network.
            measure: Called where the table has no row; ``None`` where it cannot give one.

        Returns:
            The row, or ``None`` where ``measure`` gave none.

        Raises:
            TableError: A simulated row differs from what another process stored meanwhile, or
                the database failed.
        """
        record = self.get_network(target, network.digest)
        if record is None:
            record = measure(network)
            if record is not None:
                record = cast("NetworkRecord", self._put_first(_schema.NETWORK, target, record))
        return record

    def require(self, target: TargetIdentity, layers: Iterable[Layer]) -> dict[Layer, LayerRecord]:
        """Look layers up that must be there.

        Args:
            target: Exactly this identity.
            layers: In any order, also repeated; free layers are skipped.

        Returns:
            A row of every layer that is not free.

        Raises:
            TableError: A layer has no row. The message names the missing layers, and where the
                table lacks the target, in which fields the nearest one differs.
        """
        wanted = _costly(layers)
        found = self.get(target, wanted)
        missing = [layer for layer in wanted if layer not in found]
        if missing:
            raise TableError(self.why_missing(target, missing))
        return found

    def why_missing(self, target: TargetIdentity, layers: Sequence[Layer] = ()) -> str:
        """Why layers, or all of them, have no row on a target, and what to do, for people.

        Raises:
            TableError: The database cannot be read.
        """
        return missing_message(self.label, target, layers, self.nearest(target))

    def add(self, target: TargetIdentity, record: LayerRecord) -> LayerRecord:
        """Store a row that was just obtained, and forget why there was none.

        Returns:
            The row that counts: where another process stored one first, that.

        Raises:
            TableError: A simulated row differs from what another process stored, or the database
                cannot be written.
        """
        return cast("LayerRecord", self._put_first(_schema.LAYER, target, record))

    def put_failure(self, target: TargetIdentity, layer: Layer, reason: str) -> None:
        """Remember that a layer could not be measured, and why.

        Raises:
            TableError: The database cannot be written.
        """
        with self._database.transaction("written", writes=True) as connection:
            _notes.put_failure(connection, target, layer, reason)

    def failures(self, target: TargetIdentity, layers: Iterable[Layer]) -> dict[Layer, str]:
        """Which of the layers could not be measured, and why.

        Raises:
            TableError: The database cannot be read.
        """
        by_digest = {layer.digest: layer for layer in layers}
        with self._database.transaction("read") as connection:
            return _notes.fetch_failures(connection, target, by_digest)

    def put_accuracy(self, target: TargetIdentity, found: Accuracy) -> None:
        """Remember how good the rows of a target are for the networks of a space.

        Raises:
            TableError: The database cannot be written.
        """
        with self._database.transaction("written", writes=True) as connection:
            _notes.put_accuracy(connection, target, found)

    def accuracies(self, target: TargetIdentity) -> list[Accuracy]:
        """How good the rows of a target were found to be, by space; empty if never validated.

        Raises:
            TableError: The database cannot be read.
        """
        with self._database.transaction("read") as connection:
            return _notes.fetch_accuracies(connection, target)

    def records(
        self, target: TargetIdentity, operator: Operator | None = None
    ) -> list[LayerRecord]:
        """All rows of layers on a target, by the layer's digest.

        Args:
            target: Exactly this identity.
            operator: Only rows of this operator; of all by default.

        Raises:
            TableError: The database cannot be read, or a row was changed by hand.
        """
        with self._database.transaction("read") as connection:
            return _rows.all_layers(connection, target, operator)

    def network_records(self, target: TargetIdentity) -> list[NetworkRecord]:
        """All rows of whole networks on a target, by the network's digest.

        Raises:
            TableError: The database cannot be read, or a row was changed by hand.
        """
        with self._database.transaction("read") as connection:
            return _rows.all_networks(connection, target)

    def remove(self, target: TargetIdentity) -> int:
        """Delete a target with all that is known of it.

        Returns:
            How many rows of layers and networks that were.

        Raises:
            TableError: The database cannot be written.
        """
        self._cache.pop(target.digest, None)
        with self._database.transaction("written", writes=True) as connection:
            return _rows.delete_target(connection, target)

    def targets(self) -> list[TargetIdentity]:
        """The targets that have rows, by digest.

        Raises:
            TableError: The database cannot be read.
        """
        with self._database.transaction("read") as connection:
            return _rows.all_targets(connection)

    def nearest(self, target: TargetIdentity) -> Nearest | None:
        """The target in the table that differs in the fewest fields.

        Returns:
            The target and its differences, ``target``'s value first (empty where it is in the
            table); None for an empty table. Of several, one of the same board, then the first
            by digest.

        Raises:
            TableError: The database cannot be read.
        """
        found = [(other, target.differences(other)) for other in self.targets()]
        if not found:
            return None
        return min(found, key=lambda pair: (len(pair[1]), "board" in pair[1], pair[0].digest))

    def stats(self) -> TableStats:
        """Counts of rows by target and operator.

        Raises:
            TableError: The database cannot be read.
        """
        with self._database.transaction("read") as connection:
            counted = [
                row
                for target in _rows.all_targets(connection)
                for row in _rows.stats_of(connection, target)
            ]
        return TableStats(tuple(counted))

    def export_jsonl(
        self,
        destination: TextIO | str | Path,
        targets: Iterable[TargetIdentity] | None = None,
    ) -> int:
        """Write the table as JSON lines; equal tables give equal bytes.

        Args:
            destination: A text stream, or a path, which is replaced once all is written; a name
                that ends in ``.gz`` is compressed.
            targets: Only these; all by default.

        Returns:
            How many rows were written.

        Raises:
            TableError: The database cannot be read, or the file cannot be written.
        """
        return _exchange.export(self._database, destination, targets)

    def import_jsonl(self, path: str | Path) -> ImportReport:
        """Add the rows of an export; rows that are there are never overwritten.

        Importing twice changes nothing the second time. Rows are stored in batches, each all or
        none, so an interrupted import can be run again.

        Args:
            path: A file from :meth:`export_jsonl`, compressed where it ends in ``.gz``; it need
                not be trusted.

        Raises:
            TableError: The file cannot be read, or the database cannot be written.
        """
        return _exchange.import_file(self._database, Path(path))

    # --- private -----------------------------------------------------------------------------

    def _put(
        self,
        kind: _schema.Kind,
        target: TargetIdentity,
        records: Sequence[Record],
        *,
        replace: bool,
    ) -> None:
        _check_provenance(target, records)
        offers = [(target, record) for record in records]
        with self._database.transaction("written", writes=True) as connection:
            merged = _rows.merge(connection, kind, offers, replace=replace)
            conflicts = [entry.conflict() for entry in merged if entry.conflicts]
            if conflicts and not replace:
                raise TableError(conflict_message(self.label, conflicts))
        if replace:
            cache = self._cache.setdefault(target.digest, {})
            cache.update((entry.stored.key, entry.stored) for entry in merged)

    def _put_first(self, kind: _schema.Kind, target: TargetIdentity, record: Record) -> Record:
        """Store a new row, and return the one that counts: another process may have been first."""
        _check_provenance(target, [record])
        with self._database.transaction("written", writes=True) as connection:
            (merged,) = _rows.merge(connection, kind, [(target, record)])
            if isinstance(record, LayerRecord):
                _notes.forget_failure(connection, target, record.layer)
            if merged.conflicts and target.provenance is not Provenance.MEASURED:
                raise TableError(conflict_message(self.label, [merged.conflict()]))
        return merged.stored


def _keep(cache: _Cache, record: Record) -> Record:
    if len(cache) >= CACHED_ROWS:
        cache.clear()
    # Not overwritten: where another thread replaced the row meanwhile, its row is the newer.
    return cache.setdefault(record.key, record)


def _costly(layers: Iterable[Layer]) -> list[Layer]:
    """The layers that have rows, each once."""
    return list(dict.fromkeys(layer for layer in layers if not layer.is_free))


def _check_provenance(target: TargetIdentity, records: Sequence[Record]) -> None:
    for record in records:
        if record.provenance is not target.provenance:
            raise TableError(
                f"row: is {record.provenance}, its target {target.provenance}; the two never mix"
            )
