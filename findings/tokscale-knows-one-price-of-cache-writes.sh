#!/usr/bin/env bash
# tokscale bills a cache write for an hour like one for five minutes, though the log states which it is.
#
# Guess of an expert: a counter that knows five kinds of tokens and the prices of each model reads the split that each row of Claude Code
#           holds, since an hour costs 2 times the input and five minutes 1.25 times.
# Truth:    tokscale 4.17.0 reads the sum alone, so both rows cost the same. It also ignores searches in the web, which are
#           billed for each. No part of its output says that anything is missing.
# Versions: @tokscale/cli-linux-x64-gnu 4.17.0 (npm), genai-prices 0.2.3 (PyPI) for comparison. Seen on 2026-11-30.
# Output seen (dollars for an answer of Opus 4.8: input 1,000, read 20,000, written 5,000, output 500):
#   written for five minutes: tokscale 0.05875, genai-prices 0.05875
#   written for an hour: tokscale 0.05875, genai-prices 0.07750
#   for five minutes, with 3 searches: tokscale 0.05875, genai-prices 0.08875
# Why it matters: the answer with writes for an hour costs a third more than is shown, the one with searches a half more. For the writes
#           alone three eighths of their price are missing, and a long session is mostly reads and writes of the cache.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
npm install --prefix "$dir/npm" --silent --no-audit --no-fund --ignore-scripts @tokscale/cli-linux-x64-gnu@4.17.0 >/dev/null 2>&1
python3.11 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet genai-prices==0.2.3 2>/dev/null
mkdir "$dir/tmp"

cat > "$dir/run.py" <<'P'
import json
import os
import pathlib
import subprocess

from genai_prices import extract_usage

DIR = pathlib.Path(os.environ["TMPDIR"]).parent
TOKSCALE = DIR / "npm/node_modules/@tokscale/cli-linux-x64-gnu/bin/tokscale"
# A proxy port that nobody serves: the price of this model is inside of the program.
CLOSED = {"PATH": os.environ["PATH"], "TMPDIR": os.environ["TMPDIR"], "HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}


def by_tokscale(number, message):
    home = DIR / f"home{number}"
    folder = home / ".claude/projects/-p"
    folder.mkdir(parents=True)
    row = {"type": "assistant", "sessionId": "11111111-1111-4111-8111-111111111111", "uuid": "a1", "timestamp": "2026-11-29T10:00:00.000Z",
           "version": "2.1.332", "requestId": "req_1", "message": message}
    (folder / "11111111-1111-4111-8111-111111111111.jsonl").write_text(json.dumps(row, separators=(",", ":")) + "\n")
    done = subprocess.run([TOKSCALE, "--json"], env=CLOSED | {"HOME": str(home)}, capture_output=True, timeout=60, check=True)
    return json.loads(done.stdout)["totalCost"]


cases = (("written for five minutes", 5000, {}), ("written for an hour", 0, {}),
         ("for five minutes, with 3 searches", 5000, {"server_tool_use": {"web_search_requests": 3}}))
for number, (title, short, more) in enumerate(cases):
    usage = {"input_tokens": 1000, "cache_read_input_tokens": 20000, "cache_creation_input_tokens": 5000, "output_tokens": 500,
             "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": 5000 - short}} | more
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-8", "content": [{"type": "text", "text": "x"}],
               "stop_reason": "end_turn", "usage": usage}
    price = extract_usage(message, provider_id="anthropic").calc_price().total_price
    print(f"{title}: tokscale {by_tokscale(number, message):.5f}, genai-prices {price:.5f}")
P
got=$(env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir/tmp" timeout 100 "$dir/venv/bin/python" "$dir/run.py")
want='written for five minutes: tokscale 0.05875, genai-prices 0.05875
written for an hour: tokscale 0.05875, genai-prices 0.07750
for five minutes, with 3 searches: tokscale 0.05875, genai-prices 0.08875'
echo "tokscale 4.17.0"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
