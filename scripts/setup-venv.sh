#!/usr/bin/env bash
# Makes .venv with the locked dependencies and this checkout, editable. Does nothing when up to date.
set -euo pipefail

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "setup: $python is too old: hwnas needs Python 3.11 or newer (set PYTHON=...)." >&2
    exit 2
}
stamp=.venv/.hwnas-setup
wanted=$(cat requirements.lock pyproject.toml | sha256sum | cut -d ' ' -f 1)
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    [ -x .venv/bin/python ] || "$python" -m venv .venv
    echo "setup: installing the locked Python packages (about 2.5 GB, a minute or two)"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check \
        --require-hashes -r requirements.lock
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
    echo "$wanted" >"$stamp"
fi
if ! command -v arm-none-eabi-gcc >/dev/null && ! .venv/bin/python -c 'import ziglang' 2>/dev/null
then
    echo "setup: no arm-none-eabi-gcc: installing ziglang as the compiler"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check 'ziglang>=0.14'
fi
