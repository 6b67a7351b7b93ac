#!/usr/bin/env bash
# Gets what pip cannot bring: the Arm cross compiler, the Fashion-MNIST data, and for the tests QEMU,
# clang with its fuzzer, and PostgreSQL.
# Installs Debian packages where that is possible; where it is not, says what to do, and leaves the
# compiler to the `zig` extra (scripts/setup-venv.sh).
set -euo pipefail

wanted=()
command -v arm-none-eabi-gcc >/dev/null || wanted+=(gcc-arm-none-eabi libnewlib-arm-none-eabi)
if [ "${1:-}" = "--tests" ]; then
    command -v qemu-system-arm >/dev/null || wanted+=(qemu-system-arm)
    command -v clang >/dev/null || wanted+=(clang libclang-rt-dev)
    ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || wanted+=(postgresql)
fi
data_dir=${HWNAS_DATA_DIR:-/usr/share/datasets/fashion-mnist}
[ -f "$data_dir/train-images-idx3-ubyte.gz" ] || wanted+=(dataset-fashion-mnist)
[ ${#wanted[@]} -gt 0 ] || exit 0

root=()
if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        root=(sudo -n)
    else
        root=(false)
    fi
fi
if ! command -v apt-get >/dev/null || [ "${root[0]:-}" = false ]; then
    echo "setup: cannot install ${wanted[*]} here (no apt-get, or no root)." >&2
    echo "setup: the compiler falls back to ziglang, the data to Keras's download." >&2
    exit 0
fi
echo "setup: installing ${wanted[*]}"
log=$(mktemp)
if ! { "${root[@]}" apt-get update -qq &&
       "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
           apt-get install -y -qq --no-install-recommends "${wanted[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "setup: apt-get could not install ${wanted[*]} (its last lines stand above)." >&2
    echo "setup: the compiler falls back to ziglang, the data to Keras's download." >&2
fi
rm -f "$log"
