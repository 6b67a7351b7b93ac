"""``python -m hwnas.firmware FOLDER`` builds the images of all boards, for a wheel."""

from __future__ import annotations

import sys
from pathlib import Path

from hwnas.errors import HwnasError
from hwnas.firmware import build_images


def main(arguments: list[str]) -> int:
    """Builds into the one folder that the arguments name."""
    if len(arguments) != 1:
        print("usage: python -m hwnas.firmware FOLDER", file=sys.stderr)
        return 2
    try:
        images = build_images(Path(arguments[0]))
    except HwnasError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for image in images:
        print(f"{image.elf}: measured code {image.manifest.measured_code_sha256[:12]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
