#!/usr/bin/env bash
# genai-prices prices the web searches inside a usage object, but not the speed and the service tier beside them.
#
# Guess of an expert: `extract_usage(...)` reads a whole answer of the API, so `calc_price()` of its result
#           knows all that stands in `usage`.
# Truth:    genai-prices 0.2.3 takes tokens, cache writes by their age and web searches from it. It ignores
#           `service_tier: "batch"` (half the price) and `speed: "fast"` (twice the price) without a word.
#           They must be given again as `price_context`, and under other names and values:
#           `{"service_tier": "batch"}`, the pair that the API itself sends, changes nothing.
#           `{"processing": "batch"}` is the one that halves. A wrong key or value raises nothing, either.
# Versions: genai-prices 0.2.3 (PyPI), model claude-opus-4-8. Seen on 2026-11-28.
# Output seen:
#   extracted, standard: 0.030
#   extracted, three web searches: 0.060
#   extracted, service_tier batch: 0.030
#   extracted, speed fast: 0.030
#   context speed fast: 0.060
#   context service_tier batch: 0.030
#   context processing batch: 0.015
#   context spede fast: 0.030
#   context speed fats: 0.030
# Why it matters: Claude Code writes `service_tier` and `speed` into each usage object of its log. A reader
#           that hands this object over is off by a factor of two in both directions, and no test that
#           only looks for errors can notice.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.11 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet genai-prices==0.2.3 2>/dev/null

cat > "$dir/run.py" <<'P'
from datetime import datetime, timezone
from genai_prices import Usage, calc_price, extract_usage

WHEN = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)
BASE = {"input_tokens": 1000, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1000}

def extracted(**more):
    answer = {"model": "claude-opus-4-8", "usage": {**BASE, **more}}
    return extract_usage(answer, provider_id="anthropic").calc_price(genai_request_timestamp=WHEN).total_price

def given(context):
    return calc_price(Usage(input_tokens=1000, output_tokens=1000), model_ref="claude-opus-4-8",
                      genai_request_timestamp=WHEN, price_context=context).total_price

print(f"extracted, standard: {extracted():.3f}")
print(f"extracted, three web searches: {extracted(server_tool_use={'web_search_requests': 3}):.3f}")
print(f"extracted, service_tier batch: {extracted(service_tier='batch'):.3f}")
print(f"extracted, speed fast: {extracted(speed='fast'):.3f}")
for context in ({"speed": "fast"}, {"service_tier": "batch"}, {"processing": "batch"}, {"spede": "fast"}, {"speed": "fats"}):
    print(f"context {' '.join(*context.items())}: {given(context):.3f}")
P
got=$(cd "$dir" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" timeout 100 "$dir/venv/bin/python" run.py 2>"$dir/err") || { cat "$dir/err"; got="$got (failed)"; }
want='extracted, standard: 0.030
extracted, three web searches: 0.060
extracted, service_tier batch: 0.030
extracted, speed fast: 0.030
context speed fast: 0.060
context service_tier batch: 0.030
context processing batch: 0.015
context spede fast: 0.030
context speed fats: 0.030'
echo "genai-prices 0.2.3"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
