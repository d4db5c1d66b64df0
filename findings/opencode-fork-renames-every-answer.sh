#!/usr/bin/env bash
# OpenCode gives each answer a new id when a session is forked, and ccusage counts the old answers again.
#
# Guess of an expert: a fork keeps the message ids, or points to its parent, as the other tools do. An id counts once.
# Truth:    OpenCode 1.18.33 `run --session ID --fork` copies all messages under new ids into a new session
#           without a parent id. Only the inner `time.created` and `time.completed` stay. ccusage 20.0.24 counts by id:
#           two answers were asked for, three are counted. The title that OpenCode asks for at the start of a new
#           session is billed as well, and stands in no row of the store.
# Versions: opencode-ai 1.18.33, ccusage 20.0.24 (npm). Seen on 2026-11-28.
# Output seen:
#   requests: title 1, answer 2
#   store: 3 answers, 3 ids, 2 pairs of times, sessions with a parent 0
#   ccusage: 3600 tokens
# Why it matters: a long session that is forked doubles its whole past on the day of the fork. A reader needs the
#           times inside the message in its key, and counts a message that is older than its own session as a copy.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$dir" || true' EXIT
mkdir -p "$dir/home/.config/opencode" "$dir/tmp" "$dir/work"
npm install --prefix "$dir/npm" --silent --no-audit --no-fund opencode-ai@1.18.33 ccusage@20.0.24 >/dev/null 2>&1
(cd "$dir/npm/node_modules/opencode-ai" && node postinstall.mjs >/dev/null 2>&1)
chmod +x "$dir"/npm/node_modules/@ccusage/*/bin/ccusage

# A proxy port that nobody serves keeps the tool from every address but loopback.
offline=(HTTPS_PROXY=http://127.0.0.1:9 HTTP_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1)
cat > "$dir/fake.js" <<'J'
const http = require('http'), fs = require('fs');
http.createServer((q, s) => {
  let body = '';
  q.on('data', d => body += d).on('end', () => {
    if (q.method !== 'POST') { s.writeHead(404); return s.end('{}'); }
    const { model, tools = [] } = JSON.parse(body);
    fs.appendFileSync(process.argv[3], `${tools.length ? 'answer' : 'title'}\n`);
    const head = { id: 'c1', object: 'chat.completion.chunk', created: 1795000000, model };
    const send = d => s.write(`data: ${JSON.stringify({ ...head, ...d })}\n\n`);
    s.writeHead(200, { 'content-type': 'text/event-stream' });
    send({ choices: [{ index: 0, delta: { role: 'assistant', content: 'hello' }, finish_reason: null }] });
    send({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
    send({ choices: [], usage: { prompt_tokens: 1000, completion_tokens: 200, total_tokens: 1200 } });
    s.end('data: [DONE]\n\n');
  });
}).listen(0, '127.0.0.1', function () { fs.writeFileSync(process.argv[2], String(this.address().port)); });
J
node "$dir/fake.js" "$dir/port" "$dir/truth" & server=$!
for _ in $(seq 100); do [ -s "$dir/port" ] && break; sleep 0.1; done
cat > "$dir/home/.config/opencode/opencode.json" <<C
{"autoupdate":false,"share":"disabled","model":"fake/m1","enabled_providers":["fake"],"provider":{"fake":{"npm":"@ai-sdk/openai-compatible","name":"fake","options":{"baseURL":"http://127.0.0.1:$(cat "$dir/port")/v1","apiKey":"dummy"},"models":{"m1":{"name":"m1","limit":{"context":200000,"output":8000}}}}}}
C
opencode() {
  (cd "$dir/work" && env -i "${offline[@]}" "PATH=$PATH" "HOME=$dir/home" "TMPDIR=$dir/tmp" OPENCODE_DISABLE_AUTOUPDATE=1 OPENCODE_DISABLE_MODELS_FETCH=1 \
    timeout 60 "$dir/npm/node_modules/.bin/opencode" run "$@" </dev/null >/dev/null 2>&1) || true
}
cat > "$dir/read.py" <<'P'
import json
import pathlib
import sqlite3
import sys
store = sqlite3.connect(pathlib.Path(sys.argv[1], ".local/share/opencode/opencode.db"))
if sys.argv[2] == "session":
    print(store.execute("SELECT id FROM session").fetchone()[0])
else:
    rows = [(i, json.loads(d)) for i, d in store.execute("SELECT id, data FROM message")]
    answers = [(i, d["time"]["created"], d["time"]["completed"]) for i, d in rows if d["role"] == "assistant"]
    parents = store.execute("SELECT count(parent_id) FROM session").fetchone()[0]
    print(f"store: {len(answers)} answers, {len({i for i, *_ in answers})} ids, {len({tuple(t) for _, *t in answers})} pairs of times, sessions with a parent {parents}")
P
opencode 'say hello'
opencode --session "$(python3.11 "$dir/read.py" "$dir/home" session)" --fork 'say it again'
got=$(echo "requests: title $(grep -c title "$dir/truth"), answer $(grep -c answer "$dir/truth")"
  python3.11 "$dir/read.py" "$dir/home" answers
  env -i "PATH=$PATH" "HOME=$dir/home" timeout 60 "$dir/npm/node_modules/.bin/ccusage" opencode daily --json --offline > "$dir/peer"
  echo "ccusage: $(node -p 'JSON.parse(require("fs").readFileSync(process.argv[1])).totals.totalTokens' "$dir/peer") tokens")
want='requests: title 1, answer 2
store: 3 answers, 3 ids, 2 pairs of times, sessions with a parent 0
ccusage: 3600 tokens'
echo "OpenCode 1.18.33, ccusage 20.0.24"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
