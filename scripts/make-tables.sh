#!/usr/bin/env bash
# Makes the lookup tables that ship, in lut/: the layers of every space that ships, on the virtual
# copies of the paper's three boards. Interrupted, it goes on where it was.
set -euo pipefail
cd "$(dirname "$0")/.."
hwnas=.venv/bin/hwnas
mkdir -p build/tables
spaces=()
for file in search_spaces/*.yaml; do
    spaces+=(--space "$(basename "$file" .yaml)")
done
for board in nucleo_l496zg disco_f469ni nucleo_f767zi; do
    made=build/tables/$board.db
    [ -f "build/tables/$board.done" ] && continue
    # What shipped before must not answer in place of the board.
    rm -f "lut/$board.jsonl.gz"
    $hwnas sweep --board "$board" "${spaces[@]}" --table "$made"
    $hwnas lut validate --board "$board" "${spaces[@]}" --networks 50 --table "$made"
    $hwnas lut export "lut/$board.jsonl.gz" --table "$made"
    touch "build/tables/$board.done"
done
rm -r build/tables
