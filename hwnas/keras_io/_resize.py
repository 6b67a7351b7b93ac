"""A Keras model with other channel counts, and all else as it was written down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hwnas.keras_io._read import from_keras
from hwnas.network import Network, Operator

_COUNTS: Final = ("filters", "units")
"""What Keras calls the channels that a layer makes."""
_SECOND_HALF: Final = "_pointwise"
"""What :func:`from_keras` puts behind the name of a separable convolution that is read as two."""
_BUILT: Final = ("build_config", "compile_config")
"""What a saved layer or model says of the shapes that it had, and of how it was trained."""


def resize_keras(model: Any, wanted: Network) -> Any | None:
    """The same model with the channel counts of another Network, with fresh weights.

    All that deployment does not know stays: batch normalizations, dropout, regularizers,
    initializers, names. Layers are found by their names, and the result is read back: it is
    returned only if it is the wanted Network.

    Args:
        model: What :func:`from_keras` can read.
        wanted: That Network with other channel counts, as :func:`hwnas.snap` makes it.

    Returns:
        A new model, or ``None`` where the channel counts stand where this does not find them, as in
        a Reshape.

    Raises:
        HwnasError: The model cannot be read, see :func:`from_keras`.

    Example:
        >>> resize_keras(model, hwnas.snap(from_keras(model))).summary()  # doctest: +SKIP
    """
    counts = {
        old.name.removesuffix(_SECOND_HALF): new.layer.output_shape[-1]
        for old, new in zip(from_keras(model).nodes, wanted.nodes, strict=True)
        if old.layer.operator in (Operator.CONV2D, Operator.DENSE)
    }
    try:
        made = type(model).from_config(_with_counts(model.get_config(), counts))
        return made if from_keras(made, wanted.dtype) == wanted else None
    # Keras raises whatever shapes that do not match lead to, mostly a ValueError.
    except Exception:
        return None


def _with_counts(config: Any, counts: Mapping[str, int]) -> Any:
    """A configuration with other counts in the layers of some names, however deep they lie."""
    if isinstance(config, list | tuple):
        return [_with_counts(item, counts) for item in config]
    if not isinstance(config, dict):
        return config
    made = {key: _with_counts(value, counts) for key, value in config.items() if key not in _BUILT}
    for key in _COUNTS:
        if key in made and made.get("name") in counts:
            made[key] = counts[made["name"]]
    return made
