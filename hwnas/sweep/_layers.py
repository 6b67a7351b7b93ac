"""The layers that the networks of a space are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from hwnas.network import Layer, Network
from hwnas.spaces import SearchSpace, all_networks, random_networks
from hwnas.spaces._enumeration import EndlessError

ENUMERATED: Final = 2_000
"""Spaces of up to so many networks are gone through one by one, larger ones are sampled."""
COVERAGE: Final = 0.999
MOST_SAMPLES: Final = 50_000
_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class WantedLayers:
    """Layers that are to be measured.

    Attributes:
        layers: Each once, those that most networks have first: an interrupted sweep is useful.
        networks: How many networks they were collected from.
        coverage: Probability that a layer of one more random network of the space is among them:
            1 where all networks were gone through, else an estimate.
    """

    layers: tuple[Layer, ...]
    networks: int
    coverage: float


def network_layers(networks: Iterable[Network]) -> WantedLayers:
    """The layers of given networks.

    Example:
        >>> from hwnas.spaces import load_space
        >>> len(network_layers([load_space("lenet").reference("lenet")]).layers)
        8
    """
    counts: Counter[Layer] = Counter()
    total = 0
    for network in networks:
        counts.update(_costly(network))
        total += 1
    return WantedLayers(_ordered(counts), total, 1.0)


def space_layers(
    space: SearchSpace,
    *,
    prepare: Callable[[Network], Network] = lambda network: network,
    coverage: float = COVERAGE,
    most_samples: int = MOST_SAMPLES,
    seed: int = 0,
) -> WantedLayers:
    """The layers that a space's networks are made of.

    A small space is gone through. Of a larger one random networks are drawn until the estimated
    coverage is reached: 1 less the share of layers, among all that were drawn, that were drawn
    only once (Good 1953, "The population frequencies of species and the estimation of population
    parameters", equation 9: Turing's estimate).

    Args:
        space: The space.
        prepare: Makes of a sampled network what is deployed: snaps it, say.
        coverage: When to stop drawing, 0 to 1.
        most_samples: When to stop in any case.
        seed: Of the drawing.

    Example:
        >>> from hwnas.spaces import load_space
        >>> found = space_layers(load_space("lenet"), coverage=0.9)
        >>> found.coverage >= 0.9
        True
    """
    every = _all_of(space, prepare)
    if every is not None:
        return network_layers(every)
    counts: Counter[Layer] = Counter()
    networks = map(prepare, random_networks(space, seed))
    drawn, reached = 0, 0.0
    while drawn < most_samples and reached < coverage:
        for network in islice(networks, min(_BATCH, most_samples - drawn)):
            counts.update(_costly(network))
            drawn += 1
        singles = sum(count == 1 for count in counts.values())
        reached = 1 - singles / max(counts.total(), 1)
    return WantedLayers(_ordered(counts), drawn, reached)


def _all_of(space: SearchSpace, prepare: Callable[[Network], Network]) -> list[Network] | None:
    """All networks of a space, ``None`` where there are too many."""
    try:
        found = list(islice(all_networks(space), ENUMERATED + 1))
    except EndlessError:
        return None
    return list(map(prepare, found)) if len(found) <= ENUMERATED else None


def _costly(network: Network) -> Iterator[Layer]:
    return (layer for layer in network.layers if not layer.is_free)


def _ordered(counts: Counter[Layer]) -> tuple[Layer, ...]:
    return tuple(sorted(counts, key=lambda layer: (-counts[layer], layer.canonical())))
