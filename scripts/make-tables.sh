#!/usr/bin/env bash
# Makes the lookup tables that ship, in lut/, on the virtual copies of the paper's three boards: all
# layers of hwnas.shipped.WHOLE_SPACES, and of the other spaces those of the known networks.
# Interrupted, it goes on where it was.
set -euo pipefail
cd "$(dirname "$0")/.."
hwnas=.venv/bin/hwnas
mkdir -p build/tables
whole=$(.venv/bin/python -c 'from hwnas.shipped import WHOLE_SPACES; print(*WHOLE_SPACES)')
spaces=() references=()
for file in search_spaces/*.yaml; do
    name=$(basename "$file" .yaml)
    case " $whole " in
    *" $name "*) spaces+=(--space "$name") ;;
    *) references+=(--references "$name") ;;
    esac
done
for board in nucleo_l496zg disco_f469ni nucleo_f767zi; do
    made=build/tables/$board.db
    [ -f "build/tables/$board.done" ] && continue
    # What shipped before must not answer in place of the board.
    rm -f "lut/$board.jsonl.gz"
    $hwnas sweep --board "$board" "${spaces[@]}" "${references[@]}" --table "$made"
    $hwnas lut validate --board "$board" "${spaces[@]}" --networks 50 --table "$made"
    $hwnas lut export "lut/$board.jsonl.gz" --table "$made"
    touch "build/tables/$board.done"
done
rm -r build/tables
