#!/usr/bin/env bash
# Makes .venv with the locked dependencies and this checkout, editable. Does nothing when up to date.
# With --tests, or where there is no arm-none-eabi-gcc, it also brings zig's compiler.
set -euo pipefail

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "setup: $python is too old: hwnas needs Python 3.11 or newer (set PYTHON=...)." >&2
    exit 2
}

# Installs a lock file, once for each of its versions: install LOCK WHAT-IS-TOLD [MORE-FILES]
install() {
    local lock=$1 what=$2 stamp wanted
    shift 2
    stamp=.venv/.hwnas-$(basename "$lock" .lock)
    wanted=$(cat "$lock" "$@" | sha256sum | cut -d ' ' -f 1)
    [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ] || return 0
    echo "setup: installing $what"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
    if [ $# -gt 0 ]; then
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
    fi
    echo "$wanted" >"$stamp"
}

[ -x .venv/bin/python ] || "$python" -m venv .venv
install requirements.lock "the locked Python packages (about 2.5 GB, a minute or two)" pyproject.toml
if [ "${1:-}" = "--tests" ] || ! command -v arm-none-eabi-gcc >/dev/null; then
    install requirements-zig.lock "ziglang, the compiler for machines without arm-none-eabi-gcc"
fi
