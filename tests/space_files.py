"""A small search space as a file, for the tests."""

from __future__ import annotations

HEAD = "version: 1\nname: small\ninput: [8, 8, 1]\n"
CONV = "  - conv2d: {filters: 4, kernel_size: 3}\n"
