"""What the databases of lookup tables and studies have in common: URLs, and what errors mean."""

from __future__ import annotations

from typing import Final

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

from hwnas._text import one_line

_POSTGRESQL: Final = "postgresql+psycopg"
_SHORT_FORMS: Final = {"postgres": _POSTGRESQL, "postgresql": _POSTGRESQL}
_HIDDEN: Final = "hidden"
_ADVICE: Final = {
    "SQLITE_NOTADB": "it is no SQLite database; give another path",
    "SQLITE_CORRUPT": "the file is damaged; restore a copy, or import an export into a new table",
    "SQLITE_CANTOPEN": "the file cannot be opened; check that its folder exists and is writable",
    "SQLITE_READONLY": "it cannot be written; make the file and its folder writable, or copy it",
    "SQLITE_BUSY": "another process keeps it locked; wait for it, or raise a table's timeout_s",
    "SQLITE_FULL": "the disk is full; make room",
    "SQLITE_IOERR": "the disk failed, or the file system lacks locks; use a local disk",
}


def read_url(text: str) -> URL:
    """A database's URL, with the driver that hwnas installs for PostgreSQL.

    Raises:
        ValueError: It is malformed. The message leaves the text out, which may hold a password.

    Example:
        >>> read_url("postgresql://me@host/db").drivername
        'postgresql+psycopg'
    """
    try:
        url = make_url(text)
    except (SQLAlchemyError, ValueError):
        # The cause stays out as well: it quotes the text.
        raise ValueError(
            "the URL is malformed; give one such as sqlite:///file.db or "
            "postgresql://user@host/database"
        ) from None
    if url.get_backend_name() == "sqlite" and url.host:
        raise ValueError(
            "the URL of an SQLite file has three slashes, or four before an absolute path: "
            "sqlite:///file.db"
        )
    if "@" in (url.host or ""):
        # All after the first @ would be taken for the host, and shown.
        raise ValueError("the URL has more than one @; write %40 for one in a user or password")
    return url.set(drivername=_SHORT_FORMS.get(url.drivername, url.drivername))


def label_of(url: URL) -> str:
    """A database's name in messages: a path, or a URL without its password.

    Example:
        >>> label_of(read_url("postgresql://me:secret@host/db"))
        'postgresql+psycopg://me:***@host/db'
    """
    if url.get_backend_name() == "sqlite":
        return url.database or ":memory:"
    query = {key: _HIDDEN if "pass" in key.lower() else value for key, value in url.query.items()}
    return url.set(query=query).render_as_string(hide_password=True)


def explain(error: BaseException) -> str:
    """What a database's error means, on one line, with what to do about it where that is known."""
    origin = getattr(error, "orig", None) or error
    reason = one_line(origin)
    code = getattr(origin, "sqlite_errorname", "")
    for name, advice in _ADVICE.items():
        if code.startswith(name):
            return f"{advice} ({reason})"
    return reason
