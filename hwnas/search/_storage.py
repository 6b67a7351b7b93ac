"""Where studies are kept: in memory, in a database, or in a journal that processes share."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Final

from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalStorage
from sqlalchemy.engine import URL
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_delay,
    wait_exponential,
)

from hwnas._databases import explain, label_of, read_url
from hwnas.errors import StudyError

HEARTBEAT_SECONDS: Final = 30
"""How often a trial tells that its process is there, and twice of it how long it is believed."""
PATIENCE_S: Final = 600.0
"""How long a database that went away is waited for."""
_LONGEST_WAIT_S: Final = 10.0
_JOURNAL: Final = re.compile(r"journal:///(?P<path>.+)")
_CALLS: Final = (
    "set_study_user_attr", "set_study_system_attr", "get_study_directions",
    "get_study_user_attrs", "get_study_system_attrs", "create_new_trial", "set_trial_param",
    "set_trial_state_values", "set_trial_intermediate_value", "set_trial_user_attr",
    "set_trial_system_attr", "get_trial", "get_all_trials", "_get_trials", "record_heartbeat",
    "_get_stale_trial_ids",
)  # fmt: skip
"""What Optuna asks of a storage while a study runs."""
_log = logging.getLogger(__name__)


def open_storage(text: str, name: str, *, create: bool = True) -> BaseStorage:
    """The storage that a URL names.

    Args:
        text: A database's URL, or ``journal:///FILE``.
        name: Of the study, for messages.
        create: Whether a file that is not there is made.

    Raises:
        StudyError: The URL is malformed, or a file is not there.
        Exception: What the database's driver raises where it cannot be opened.
    """
    journal = _JOURNAL.fullmatch(text)
    place = label_of_storage(text, name)
    in_file = journal is not None or ("://" not in place and place != ":memory:")
    if not create and in_file and not Path(place).is_file():
        raise StudyError(f"study storage {place}: there is no such file")
    if journal is not None:
        path = Path(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(str(path)))
    return _database(_parse(text, name))


def label_of_storage(text: str | None, name: str = "hwnas") -> str:
    """A storage's name in messages: a path, or a URL without its password.

    Raises:
        StudyError: The URL is malformed.

    Example:
        >>> label_of_storage("journal:///runs/study.log"), label_of_storage(None)
        ('runs/study.log', ':memory:')
    """
    if text is None:
        return ":memory:"
    journal = _JOURNAL.fullmatch(text)
    return label_of(_parse(text, name)) if journal is None else journal["path"]


@contextmanager
def reached() -> Iterator[None]:
    """Turn a storage's errors into :class:`StudyError`."""
    try:
        yield
    # Optuna 5.0 stumbles where it cannot reach the storage to note that it could not reach it.
    except (SQLAlchemyError, StorageInternalError, UnboundLocalError) as error:
        cause = _database_error(error)
        if cause is None:
            raise
        raise StudyError(
            f"the study's storage failed: {explain(cause)}; trials that had finished are in it"
        ) from error


class _PatientStorage(RDBStorage):
    """A database server that may go away for a while: what is asked of it is asked again.

    A trial whose training ended meanwhile is told as soon as the server is back.
    """


def _patient(call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def again_and_again(storage: RDBStorage, *args: Any, **kwargs: Any) -> Any:
        for attempt in Retrying(
            retry=retry_if_exception(_is_away),
            wait=wait_exponential(multiplier=0.2, max=_LONGEST_WAIT_S),
            stop=stop_after_delay(PATIENCE_S),
            before_sleep=_tell,
            reraise=True,
        ):
            with attempt:
                try:
                    return call(storage, *args, **kwargs)
                except UpdateFinishedTrialError:
                    # The server went away between storing the end of the trial and saying so.
                    if attempt.retry_state.attempt_number == 1:
                        raise
                    return False
        raise AssertionError  # the loop returns or raises

    return again_and_again


for _name in _CALLS:
    setattr(_PatientStorage, _name, _patient(getattr(RDBStorage, _name)))


def _is_away(error: BaseException) -> bool:
    cause = _database_error(error)
    return isinstance(cause, OperationalError | InterfaceError)


def _tell(state: RetryCallState) -> None:
    if state.attempt_number == 1 and state.outcome is not None:
        cause = _database_error(state.outcome.exception())
        _log.warning(
            "the study's storage is away (%s): trying for %.0f s",
            "" if cause is None else explain(cause),
            PATIENCE_S,
        )


def _database_error(error: BaseException | None) -> SQLAlchemyError | None:
    """The database's own error behind one of Optuna's."""
    while error is not None and not isinstance(error, SQLAlchemyError):
        error = error.__cause__ or error.__context__
    return error


def _parse(storage: str, name: str) -> URL:
    try:
        return read_url(storage)
    except ValueError as error:
        raise StudyError(f"study {name!r}: its storage: {error}") from error


def _database(url: URL) -> RDBStorage:
    text = url.render_as_string(hide_password=False)
    if url.get_backend_name() != "sqlite":
        return _PatientStorage(
            text, engine_kwargs={"pool_pre_ping": True}, heartbeat_interval=HEARTBEAT_SECONDS
        )
    # Tells other processes of a trial whose process died.
    heartbeat: int | None = HEARTBEAT_SECONDS
    if label_of(url) == ":memory:":
        # There are no others, and its own thread would find another, empty database.
        heartbeat = None
    else:
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    return RDBStorage(
        text, engine_kwargs={"connect_args": {"timeout": 30}}, heartbeat_interval=heartbeat
    )
