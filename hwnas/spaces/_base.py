"""What a search space is, whoever defines it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hwnas.errors import SpaceError
from hwnas.network import Network, Shape
from hwnas.spaces._parameters import Suggesting


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sampled network, and the Keras model that it was read from if there was one.

    Attributes:
        network: As sampled, before snapping.
        model: The ``keras.Model`` that a user's function returned, else ``None``.
    """

    network: Network
    model: Any | None = None


class SearchSpace(ABC):
    """Turns an Optuna trial into a network.

    Example:
        >>> from optuna.trial import FixedTrial
        >>> from hwnas.network import NetworkBuilder
        >>> def space(trial):
        ...     b = NetworkBuilder((8, 8, 1))
        ...     b.conv2d(b.input, trial.suggest_int("filters", 4, 16), 3)
        ...     return b.build()
        >>> from hwnas.spaces import as_space
        >>> as_space(space).sample(FixedTrial({"filters": 8})).output_shape
        (8, 8, 8)
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """Short name; a study is bound to it."""

    @property
    def input_shape(self) -> Shape | None:
        """Shape of every network's input; ``None`` where only the networks tell."""
        return None

    @property
    def classes(self) -> int | None:
        """How many classes the networks tell apart; ``None`` where only they tell."""
        return None

    @property
    def references(self) -> tuple[str, ...]:
        """Names of the known networks that are points of this space."""
        return ()

    @abstractmethod
    def sample(self, trial: Suggesting) -> Network:
        """The network of a trial.

        Args:
            trial: An ``optuna.trial.BaseTrial``, or anything that suggests as it does.

        Raises:
            SpaceError: The trial's parameters make no valid network; the message names them.
        """

    def candidate(self, trial: Suggesting) -> Candidate:
        """The network of a trial, with the model that it was read from.

        Raises:
            SpaceError: As for :meth:`sample`.
        """
        return Candidate(self.sample(trial))

    def reference_parameters(self, name: str) -> Mapping[str, Any]:
        """A known network as a point: the values of its parameters.

        Raises:
            SpaceError: The space has no reference of that name.
        """
        raise self._no_reference(name)

    def reference(self, name: str) -> Network:
        """A known network of this space.

        Raises:
            SpaceError: The space has no reference of that name.
        """
        raise self._no_reference(name)

    def _no_reference(self, name: str) -> SpaceError:
        known = ", ".join(self.references) or "none"
        return SpaceError(f"space {self.name} has no reference {name!r}; it has: {known}")
