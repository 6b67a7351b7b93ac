"""Model files with snapped channel counts."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hwnas._files import replacing
from hwnas.errors import NetworkError
from hwnas.keras_io import from_keras, load_keras, resize_keras, to_keras
from hwnas.models import load_network
from hwnas.network import Network
from hwnas.snapping import LayerChange, layer_changes, snap

_KERAS, _JSON = ".keras", ".json"
_ENDING: Final = "-snapped"


@dataclass(frozen=True, slots=True)
class SnappedModel:
    """What became of a model file that was snapped.

    Attributes:
        before: The network of the file.
        after: The snapped one; the same where nothing changes.
        changes: The layers that change.
        path: What was written; ``None`` where nothing changes.
        is_rebuilt: Whether a Keras model was written that had to be built from the network: what
            only training knows, as batch normalizations and dropout, is not in it.
    """

    before: Network
    after: Network
    changes: tuple[LayerChange, ...]
    path: Path | None
    is_rebuilt: bool = False


def snap_model(
    model: Path | str,
    output: Path | str | None = None,
    *,
    multiple: int | None = None,
    force: bool = False,
) -> SnappedModel:
    """Write a model's architecture with snapped channel counts. It must be trained again.

    A Keras model keeps all but its channel counts and its weights, which are fresh; where its
    counts cannot be changed in place, it is built from the network that hwnas reads. A network's
    JSON has no weights anyway. Where nothing changes, nothing is written: the file that is there
    has this architecture, and its weights may be trained.

    Args:
        model: What :func:`hwnas.load_network` can read.
        output: Where to write, ``.keras`` or ``.json``; by default beside the model, with
            ``-snapped`` behind its name, as JSON only if the model is.
        multiple: Of which channel counts become multiples; the kernels' own wish by default.
        force: Replace what is there.

    Raises:
        NetworkError: The model cannot be read, or the output's suffix is unknown, it is the model
            itself, it is there already, or it cannot be written.
        UnsupportedLayerError: The model holds a layer that the firmware cannot run, or Keras has
            no layer for one of a network's.
        HwnasError: Keras or tensorflow is needed and not installed.
        ValueError: ``multiple`` is below 1.

    Example:
        >>> snap_model("lenet.keras").path  # doctest: +SKIP
        PosixPath('lenet-snapped.keras')
    """
    source = Path(model)
    path = _default(source) if output is None else Path(output)
    _check(source, path, force=force)
    loaded = load_keras(source) if source.suffix == _KERAS else None
    before = load_network(source) if loaded is None else from_keras(loaded)
    after = snap(before, multiple=multiple)
    changes = layer_changes(before, after)
    if not changes:
        return SnappedModel(before, after, (), None)
    if path.suffix == _JSON:
        _write(path, lambda draft: draft.write_text(after.to_json(), encoding="utf-8"))
        return SnappedModel(before, after, changes, path)
    resized = None if loaded is None else resize_keras(loaded, after)
    made = to_keras(after) if resized is None else resized
    _write(path, lambda draft: _save(made, draft))
    return SnappedModel(before, after, changes, path, loaded is not None and resized is None)


def _default(source: Path) -> Path:
    suffix = _JSON if source.suffix == _JSON else _KERAS
    return source.with_name(f"{source.stem}{_ENDING}{suffix}")


def _check(source: Path, path: Path, *, force: bool) -> None:
    """Refuse a place before anything is read."""
    if path.suffix not in (_KERAS, _JSON):
        raise NetworkError(
            f"output {path}: {path.suffix or 'no suffix'} is neither .keras nor .json"
        )
    if not os.path.lexists(path):
        return
    if os.path.exists(source) and os.path.exists(path) and os.path.samefile(source, path):
        raise NetworkError(
            f"output {path}: is the model itself, whose weights would be lost; name another file"
        )
    if not force:
        raise NetworkError(f"output {path}: is there already; name another file, or use force")


def _save(model: Any, draft: Path) -> None:
    # Keras writes to names that end in .keras only.
    named = draft.with_name(f"{draft.name}{_KERAS}")
    try:
        model.save(named)
        named.replace(draft)
    finally:
        named.unlink(missing_ok=True)


def _write(path: Path, write: Callable[[Path], object]) -> None:
    try:
        with replacing(path) as draft:
            write(draft)
    except (OSError, ValueError) as error:
        raise NetworkError(f"output {path}: cannot be written ({error})") from error
