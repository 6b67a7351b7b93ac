"""Opening a lookup table: new, old, foreign, damaged, unreachable."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from postgres import running_postgres
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from table_samples import TARGET, layer, record

from hwnas.errors import TableError
from hwnas.table import LookupTable


def make(path: Path, *statements: str) -> None:
    raw = sqlite3.connect(path)
    with raw:
        for statement in statements:
            raw.execute(statement)
    raw.close()


@pytest.fixture
def made(tmp_path: Path) -> Path:
    path = tmp_path / "lut.db"
    with LookupTable.open(path) as table:
        table.put(TARGET, [record(layer(1))])
    return path


def test_a_path_an_url_and_a_missing_folder(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "lut.db"
    with LookupTable.open(str(path)) as table:
        table.put(TARGET, [record(layer(1))])
        assert table.label == str(path)
    with LookupTable.open(f"sqlite:///{path}", create=False) as table:
        assert table.stats().layer_rows == 1


def test_memory_tables_are_apart() -> None:
    with LookupTable.open(":memory:") as one, LookupTable.open("sqlite://") as two:
        one.put(TARGET, [record(layer(1))])
        assert two.stats().layer_rows == 0 and one.stats().layer_rows == 1


def test_the_file_is_in_wal_mode_with_foreign_keys(made: Path) -> None:
    raw = sqlite3.connect(made)
    assert raw.execute("pragma journal_mode").fetchone() == ("wal",)
    assert raw.execute("select schema_version from lut_meta").fetchall() == [(3,)]
    raw.execute("pragma foreign_keys = on")
    with pytest.raises(sqlite3.IntegrityError):
        raw.execute("delete from lut_layers")
    raw.close()


def test_nothing_is_made_where_it_must_not(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"none\.db"):
        LookupTable.open(tmp_path / "none.db", create=False)
    empty = tmp_path / "empty.db"
    empty.touch()
    with pytest.raises(TableError, match=r"empty\.db: holds no lookup table"):
        LookupTable.open(empty, create=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty.db"]
    assert empty.stat().st_size == 0


def test_foreign_files_are_refused_and_left_alone(tmp_path: Path) -> None:
    people = tmp_path / "people.db"
    make(people, "create table people (name text)")
    text = tmp_path / "notes.txt"
    text.write_text("not a database at all\n" * 100)
    for path, reason in ((people, "people.*give another path"), (text, "no SQLite database")):
        before = path.read_bytes()
        with pytest.raises(TableError, match=f"{path.name}: .*{reason}"):
            LookupTable.open(path)
        assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["notes.txt", "people.db"]


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("update lut_meta set schema_version = 4", "version 4, made by hwnas .*Export it"),
        ("update lut_meta set schema_version = 0", "version 0, made by hwnas .*Export it"),
        ("drop table lut_failures", "lut_failures lacks"),
        ("delete from lut_meta", "states no version"),
        ("insert into lut_meta values (7, 'hwnas 9')", "states no version"),
        ("alter table lut_meta rename column created_by to author", "states no version"),
        ("drop table lut_network_rows", "lut_network_rows lacks"),
        ("alter table lut_layer_rows drop column n", "lut_layer_rows lacks n"),
    ],
)
def test_other_schemas_are_refused(made: Path, statement: str, reason: str) -> None:
    if "drop column" in statement:
        # SQLite drops no column that a check names.
        statement = (
            "create table lut_layer_rows as select target, subject, cycles_min, "
            "cycles_median, cycles_max, energy_uj, provenance, created_at, energy_spread "
            "from old_rows"
        )
        make(made, "alter table lut_layer_rows rename to old_rows", statement)
    else:
        make(made, statement)
    with pytest.raises(TableError, match=reason) as caught:
        LookupTable.open(made)
    assert str(made) in str(caught.value)


def test_a_table_of_version_1_is_brought_up_to_date(made: Path) -> None:
    with LookupTable.open(made) as table:
        table.put(TARGET, [record(layer(1))])
    make(
        made,
        "drop table lut_failures",
        "drop table lut_accuracies",
        "alter table lut_layer_rows drop column energy_spread",
        "alter table lut_network_rows drop column energy_spread",
        "update lut_meta set schema_version = 1, created_by = 'hwnas 0.0.1'",
    )
    with LookupTable.open(made, create=False) as table:
        assert table.get(TARGET, [layer(1)])
        table.put_failure(TARGET, layer(2), "too large")
    raw = sqlite3.connect(made)
    ((version, author),) = raw.execute("select * from lut_meta").fetchall()
    raw.close()
    assert version == 3 and author != "hwnas 0.0.1"


def test_a_table_of_version_2_gets_room_for_spreads(made: Path) -> None:
    make(
        made,
        "alter table lut_layer_rows drop column energy_spread",
        "alter table lut_network_rows drop column energy_spread",
        "update lut_meta set schema_version = 2",
    )
    metered = record(layer(2), energy_uj=3.5, energy_spread=0.02)
    with LookupTable.open(made, create=False) as table:
        before = table.get(TARGET, [layer(1)])[layer(1)]
        assert before == record(layer(1)) and before.energy_spread is None
        table.put(TARGET, [metered])
    with LookupTable.open(made) as table:
        assert table.get(TARGET, [layer(2)])[layer(2)].energy_spread == 0.02
        table.export_jsonl(made.with_suffix(".jsonl"))
    with LookupTable.open(":memory:") as other:
        other.import_jsonl(made.with_suffix(".jsonl"))
        assert other.get(TARGET, [layer(2)])[layer(2)] == metered
    make(made, "update lut_meta set schema_version = 2", "drop table lut_failures")
    with pytest.raises(TableError, match="lut_failures lacks"):
        LookupTable.open(made)


def test_a_table_of_the_same_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.db"
    make(
        path,
        "create table lut_meta (schema_version text, created_by text)",
        "insert into lut_meta values ('one', 'someone')",
    )
    with pytest.raises(TableError, match="states no version"):
        LookupTable.open(path)


def test_unreachable_places(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place, reason in (
        (tmp_path, "is a folder"),
        (tmp_path / "file" / "lut.db", "cannot be reached"),
        (tmp_path / "nul\0byte", "NUL"),
        (tmp_path / ("x" * 300), "cannot be reached|cannot be opened"),
    ):
        with pytest.raises(TableError, match=reason):
            LookupTable.open(place)


def test_a_read_only_table_is_refused_at_once(made: Path) -> None:
    with pytest.raises(TableError, match="make the file and its folder writable") as caught:
        LookupTable.open(f"sqlite:///file:{made}?mode=ro&uri=true")
    assert isinstance(caught.value.__cause__, SQLAlchemyError)


@pytest.mark.parametrize("folder_mode", [0o555, 0o777])
def test_a_file_without_permission_is_refused_at_once(folder_mode: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lut.db"
        LookupTable.open(path).close()
        path.chmod(0o444)
        Path(folder).chmod(folder_mode)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                if os.geteuid() == 0:
                    os.setuid(65534)  # root may write everywhere
                LookupTable.open(path)
            except TableError as error:
                code = 42 if str(path) in str(error) and "writable" in str(error) else 2
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        Path(folder).chmod(0o700)
    assert os.waitstatus_to_exitcode(status) == 42


def test_a_damaged_file_is_reported(made: Path) -> None:
    content = bytearray(made.read_bytes())
    content[100:] = b"\xa5" * (len(content) - 100)
    made.write_bytes(content)
    with pytest.raises(TableError, match=str(made)) as caught:
        LookupTable.open(made)
    assert isinstance(caught.value.__cause__, SQLAlchemyError)


def test_a_lock_that_stays_is_reported(made: Path) -> None:
    raw = sqlite3.connect(made, isolation_level=None)
    raw.execute("begin immediate")
    with pytest.raises(TableError, match=r"locked.*timeout_s"):
        LookupTable.open(made, timeout_s=0.05)
    raw.execute("rollback")
    raw.close()
    LookupTable.open(made, timeout_s=0.05).close()


def test_a_new_file_that_another_reads_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "lut.db"
    raw = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    raw.execute("begin")
    raw.execute("select * from sqlite_master").fetchall()
    with pytest.raises(TableError, match="locked"):
        LookupTable.open(path, timeout_s=0.05)
    release = threading.Timer(0.3, raw.execute, ["rollback"])
    release.start()
    LookupTable.open(path).close()
    release.join()
    raw.close()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://root:secret@host/db", "mysql is not supported"),
        ("sqlite+aiosqlite:///x.db", "not supported"),
        ("://secret", "malformed"),
        ("postgresql://u:secret@host:port/db", "malformed"),
    ],
)
def test_urls_that_cannot_be_used(url: str, reason: str) -> None:
    with pytest.raises(TableError, match=reason) as caught:
        LookupTable.open(url)
    assert "secret" not in str(caught.value)


def test_a_postgresql_that_is_not_there() -> None:
    # Port 1 of this machine: refused at once. Without the driver the message names the extra.
    with pytest.raises(TableError, match=r"hwnas\[postgres\]|127.0.0.1") as caught:
        LookupTable.open("postgresql://user:secret@127.0.0.1:1/db?connect_timeout=2")
    assert "secret" not in str(caught.value)


def test_nothing_of_the_search_path_imports_a_driver_before_it_is_needed() -> None:
    code = "import sys, hwnas.table; print(sorted({'psycopg', 'tensorflow'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_postgresql_of_version_2_gets_room_for_spreads() -> None:
    with running_postgres() as server:
        with LookupTable.open(server.url) as table:
            table.put(TARGET, [record(layer(1))])
        engine = create_engine(server.url.replace("postgresql://", "postgresql+psycopg://"))
        with engine.begin() as connection:
            for statement in (
                "alter table lut_layer_rows drop column energy_spread",
                "alter table lut_network_rows drop column energy_spread",
                "update lut_meta set schema_version = 2",
            ):
                connection.execute(text(statement))
        engine.dispose()
        metered = record(layer(2), energy_uj=3.5, energy_spread=0.02)
        with LookupTable.open(server.url) as table:
            table.put(TARGET, [metered])
            found = table.get(TARGET, [layer(1), layer(2)])
        assert found == {layer(1): record(layer(1)), layer(2): metered}
