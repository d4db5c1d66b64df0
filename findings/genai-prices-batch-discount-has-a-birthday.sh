#!/usr/bin/env bash
# genai-prices halves a batch request of 15 October 2026, and gives one of two days earlier the full price.
#
# Guess of an expert: `price_context={"processing": "batch"}` halves the price of every request of a model that has a
#           batch price; where the list knows none for that day, it says so.
# Truth:    The batch prices of genai-prices 0.2.3 carry a start: that of the day on which they came into the list.
#           For a request before it, the context is passed over in silence and the ordinary price is given, while the
#           ordinary prices of the same models reach back to their release.
# Versions: genai-prices 0.2.3 (PyPI), models of two providers. Seen on 2026-11-28.
# Output seen:
#   claude-opus-4-8 2026-10-13: ordinary 0.0300, batch 0.0300
#   claude-opus-4-8 2026-10-15: ordinary 0.0300, batch 0.0150
#   gpt-5.5 2026-10-13: ordinary 0.0350, batch 0.0350
#   gpt-5.5 2026-10-15: ordinary 0.0350, batch 0.0175
# Why it matters: Whoever prices the history of a log, each request at its own time, gets twice the price for all batches
#           before that day, and sees a cost that halves overnight. Nothing in the answer tells that the context
#           did not count.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.11 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet genai-prices==0.2.3 2>/dev/null

cat > "$dir/run.py" <<'P'
from datetime import datetime, timezone
from genai_prices import Usage, calc_price

def price(model, when, context):
    usage = Usage(input_tokens=1000, output_tokens=1000)
    return calc_price(usage, model_ref=model, genai_request_timestamp=when, price_context=context).total_price

for model in ("claude-opus-4-8", "gpt-5.5"):
    for day in (13, 15):
        when = datetime(2026, 10, day, 12, tzinfo=timezone.utc)
        ordinary, batch = price(model, when, None), price(model, when, {"processing": "batch"})
        print(f"{model} {when.date()}: ordinary {ordinary:.4f}, batch {batch:.4f}")
P
got=$(cd "$dir" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" timeout 100 "$dir/venv/bin/python" run.py 2>"$dir/err") || { cat "$dir/err"; got="$got (failed)"; }
want='claude-opus-4-8 2026-10-13: ordinary 0.0300, batch 0.0300
claude-opus-4-8 2026-10-15: ordinary 0.0300, batch 0.0150
gpt-5.5 2026-10-13: ordinary 0.0350, batch 0.0350
gpt-5.5 2026-10-15: ordinary 0.0350, batch 0.0175'
echo "genai-prices 0.2.3"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
