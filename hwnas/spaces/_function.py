"""A user's own Python function as a search space, and finding one by name."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from hwnas.errors import HwnasError, NetworkError, SpaceError
from hwnas.network import Network
from hwnas.spaces._base import Candidate, SearchSpace
from hwnas.spaces._parameters import Suggesting

_BOLD: Final = re.compile(r"\x1b\[\d*m")


class FunctionError(HwnasError):
    """A user's function cannot be found, raised, or returned something of a wrong type."""


class FunctionSpace(SearchSpace):
    """A function ``trial -> Network`` or ``trial -> keras.Model`` as a search space.

    Args:
        function: Called once a trial.
        name: Of the space; the function's qualified name by default.
    """

    def __init__(self, function: Callable[[Any], Any], name: str | None = None) -> None:
        self._function = function
        self._name = name or _qualified_name(function)

    @property
    def name(self) -> str:
        """See :attr:`SearchSpace.name`."""
        return self._name

    def sample(self, trial: Suggesting) -> Network:
        """See :meth:`SearchSpace.sample`."""
        return self.candidate(trial).network

    def candidate(self, trial: Suggesting) -> Candidate:
        """The function's network, or its Keras model and the network read from it.

        Raises:
            SpaceError: The function made no valid network, or raised a ValueError, as Keras does
                where a window does not fit.
            UnsupportedLayerError: Its Keras model holds a layer that the firmware cannot run.
            FunctionError: The function returned something that is no network, or raised something
                else; errors of Optuna and of hwnas pass through.
        """
        try:
            return self._candidate(self._function(trial))
        except (NetworkError, ValueError) as error:
            raise SpaceError(f"space {self.name}: {_plain(error)}; with {_point(trial)}") from error
        except HwnasError:
            raise
        except (Exception, SystemExit) as error:
            # Imported here: whoever samples a space needs no Optuna.
            from optuna.exceptions import OptunaError

            if isinstance(error, OptunaError):
                raise
            raise FunctionError(
                f"space {self.name}: the function raised {type(error).__name__}: {_plain(error)}; "
                f"with {_point(trial)}"
            ) from error

    def _candidate(self, made: Any) -> Candidate:
        if isinstance(made, Network):
            return Candidate(made)
        keras = sys.modules.get("keras")
        if keras is not None and isinstance(made, keras.Model):
            from hwnas.keras_io import from_keras

            return Candidate(from_keras(made), made)
        raise FunctionError(
            f"space {self.name}: the function returned {type(made).__name__}; a hwnas.Network or "
            "a keras.Model is wanted"
        )


def load_function(spec: str) -> Callable[..., Any]:
    """Import a function by ``module:function``; the working directory is searched first.

    The working directory stays on ``sys.path``, so that the function's own late imports work.

    Raises:
        FunctionError: The text has another form, the module cannot be imported, or it has no
            such function.

    Example:
        >>> load_function("os.path:basename")("a/b")
        'b'
    """
    module_name, separator, function_name = spec.partition(":")
    if not separator or not all(
        part.isidentifier() for part in (*module_name.split("."), *function_name.split("."))
    ):
        raise FunctionError(f"{spec!r}: expected module:function, such as my_project.nets:build")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        raise FunctionError(
            f"{spec}: module {module_name} cannot be imported from {here} or the installed "
            f"packages: {type(error).__name__}: {error}"
        ) from error
    for part in function_name.split("."):
        if not hasattr(found, part):
            raise FunctionError(f"{spec}: there is no {part!r} in {module_name}")
        found = getattr(found, part)
    if not callable(found):
        raise FunctionError(f"{spec}: this is {type(found).__name__}, not a function")
    function: Callable[..., Any] = found
    return function


def _plain(error: BaseException) -> str:
    """An error's message on one line; Keras tells several, with the call's arguments last."""
    told = _BOLD.sub("", str(error)).partition("Arguments received by")[0]
    return " ".join(told.split())


def _point(trial: Suggesting) -> str:
    parameters = getattr(trial, "params", {})
    return ", ".join(f"{name}={value}" for name, value in parameters.items()) or "no parameters"


def _qualified_name(function: Callable[..., Any]) -> str:
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}".replace(".<locals>", "")
