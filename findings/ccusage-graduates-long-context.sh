#!/usr/bin/env bash
# One long request has two prices: genai-prices takes a cliff, ccusage takes a staircase per kind of token.
#
# Guess of an expert: both peers price the same line of a log alike, as they hold the same two rates.
# Truth:    genai-prices 0.2.3 picks ONE tier for the whole request by its whole input (cache reads
#           included), and takes the output at that tier as well, however short the output is.
#           ccusage 20.0.24 splits EACH kind of token at 200,000: only the tokens of that kind beyond it
#           cost the higher rate, and short output keeps the lower rate. It asks for less by a third.
# Versions: ccusage 20.0.24 (npm), genai-prices 0.2.3 (PyPI), model claude-sonnet-4-5. Seen on 2026-11-28.
# Output seen (input / cache read / output: genai-prices, ccusage):
#   200000 / 0 / 1000: 0.6150 0.6150
#   300000 / 0 / 1000: 1.8225 1.2150
#   1000 / 299000 / 1000: 0.2079 0.1374
#   150000 / 150000 / 1000: 1.0125 0.5100
# Why it matters: the fourth line crosses the limit only as a sum of its kinds, and ccusage never sees that.
#           A test that takes ccusage as its oracle is wrong for every long request, by up to a half here.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
npm install --prefix "$dir/npm" --silent --no-audit --no-fund ccusage@20.0.24 >/dev/null
chmod +x "$dir"/npm/node_modules/@ccusage/*/bin/ccusage
python3.11 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet genai-prices==0.2.3 2>/dev/null

cat > "$dir/genai.py" <<'P'
import sys
from datetime import datetime, timezone
from genai_prices import Usage, calc_price
plain, read, out = map(int, sys.argv[1:])
price = calc_price(
    Usage(input_tokens=plain + read, cache_read_tokens=read, output_tokens=out),  # input includes cache reads
    model_ref="claude-sonnet-4-5",
    genai_request_timestamp=datetime(2026, 11, 20, 10, tzinfo=timezone.utc),
)
print(f"{price.total_price:.4f}")
P
one() { # input, cache read, output
  home="$dir/home-$1-$2"
  mkdir -p "$home/.claude/projects/-home-u-p"
  printf '%s\n' '{"type":"assistant","sessionId":"11111111-1111-4111-8111-111111111111","uuid":"a1","timestamp":"2026-11-20T10:00:00.000Z","version":"2.1.332","requestId":"req_1","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[{"type":"text","text":"x"}],"stop_reason":"end_turn","usage":{"input_tokens":'"$1"',"cache_read_input_tokens":'"$2"',"output_tokens":'"$3"',"cache_creation_input_tokens":0}}}' \
    > "$home/.claude/projects/-home-u-p/11111111-1111-4111-8111-111111111111.jsonl"
  env -i "PATH=$PATH" "HOME=$home" timeout 60 "$dir/npm/node_modules/.bin/ccusage" claude daily --json --offline > "$dir/out"
  peer=$(node -p 'JSON.parse(require("fs").readFileSync(process.argv[1])).totals.totalCost.toFixed(4)' "$dir/out")
  echo "$1 / $2 / $3: $("$dir/venv/bin/python" "$dir/genai.py" "$1" "$2" "$3") $peer"
}
got=$(one 200000 0 1000; one 300000 0 1000; one 1000 299000 1000; one 150000 150000 1000)
want='200000 / 0 / 1000: 0.6150 0.6150
300000 / 0 / 1000: 1.8225 1.2150
1000 / 299000 / 1000: 0.2079 0.1374
150000 / 150000 / 1000: 1.0125 0.5100'
echo "genai-prices 0.2.3, ccusage 20.0.24 (input / cache read / output: genai-prices, ccusage)"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
