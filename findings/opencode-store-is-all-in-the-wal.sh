#!/usr/bin/env bash
# OpenCode exits normally and leaves a database file without tables: all rows stand in the write-ahead log.
#
# Guess of an expert: the last connection that closes moves the log into the database, so after a clean exit
#           the `.db` file is complete, and a copy of it, or a read with `immutable=1`, is enough.
# Truth:    OpenCode 1.18.33 ends with exit code 0 and leaves `opencode.db` at 4,096 bytes beside a
#           `-wal` of some hundred kilobytes. A copy of the file alone has no table. `immutable=1`, the usual way to read a
#           foreign database without a trace, says "no such table", as for a home without any use. `mode=ro` sees the answer.
# Versions: opencode-ai 1.18.33 (npm). Seen on 2026-11-28.
# Output seen:
#   exit code 0, opencode.db 4096 bytes, write-ahead log larger than that
#   immutable=1: no such table: message
#   copy of the file alone: no such table: message
#   mode=ro: 1 answer of 1200 tokens
# Why it matters: a backup of `*.db`, a watcher of the file's time and an immutable reader all miss the whole use, in silence.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$dir" || true' EXIT
mkdir -p "$dir/home/.config/opencode" "$dir/tmp" "$dir/work"
npm install --prefix "$dir/npm" --silent --no-audit --no-fund opencode-ai@1.18.33 >/dev/null 2>&1
(cd "$dir/npm/node_modules/opencode-ai" && node postinstall.mjs >/dev/null 2>&1)

# A proxy port that nobody serves keeps the tool from every address but loopback.
offline=(HTTPS_PROXY=http://127.0.0.1:9 HTTP_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1)
cat > "$dir/fake.js" <<'J'
const http = require('http'), fs = require('fs');
http.createServer((q, s) => {
  let body = '';
  q.on('data', d => body += d).on('end', () => {
    if (q.method !== 'POST') { s.writeHead(404); return s.end('{}'); }
    const head = { id: 'c1', object: 'chat.completion.chunk', created: 1795000000, model: JSON.parse(body).model };
    const send = d => s.write(`data: ${JSON.stringify({ ...head, ...d })}\n\n`);
    s.writeHead(200, { 'content-type': 'text/event-stream' });
    send({ choices: [{ index: 0, delta: { role: 'assistant', content: 'hello' }, finish_reason: null }] });
    send({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
    send({ choices: [], usage: { prompt_tokens: 1000, completion_tokens: 200, total_tokens: 1200 } });
    s.end('data: [DONE]\n\n');
  });
}).listen(0, '127.0.0.1', function () { fs.writeFileSync(process.argv[2], String(this.address().port)); });
J
node "$dir/fake.js" "$dir/port" & server=$!
for _ in $(seq 100); do [ -s "$dir/port" ] && break; sleep 0.1; done
cat > "$dir/home/.config/opencode/opencode.json" <<C
{"autoupdate":false,"share":"disabled","model":"fake/m1","enabled_providers":["fake"],"provider":{"fake":{"npm":"@ai-sdk/openai-compatible","name":"fake","options":{"baseURL":"http://127.0.0.1:$(cat "$dir/port")/v1","apiKey":"dummy"},"models":{"m1":{"name":"m1","limit":{"context":200000,"output":8000}}}}}}
C
rc=0
(cd "$dir/work" && env -i "${offline[@]}" "PATH=$PATH" "HOME=$dir/home" "TMPDIR=$dir/tmp" OPENCODE_DISABLE_AUTOUPDATE=1 OPENCODE_DISABLE_MODELS_FETCH=1 \
  timeout 90 "$dir/npm/node_modules/.bin/opencode" run 'say hello' </dev/null >/dev/null 2>&1) || rc=$?

cat > "$dir/read.py" <<'P'
import json
import os
import pathlib
import shutil
import sqlite3
import sys
home, exit_code = pathlib.Path(sys.argv[1]), sys.argv[2]
store = home / ".local/share/opencode/opencode.db"
size, log = store.stat().st_size, os.stat(f"{store}-wal").st_size
print(f"exit code {exit_code}, opencode.db {size} bytes, write-ahead log {'larger' if log > size else 'not larger'} than that")
shutil.copy(store, home / "copy.db")
for name, uri in (("immutable=1", f"{store.as_uri()}?mode=ro&immutable=1"),
                  ("copy of the file alone", f"{(home / 'copy.db').as_uri()}?mode=ro"),
                  ("mode=ro", f"{store.as_uri()}?mode=ro")):
    try:
        rows = [json.loads(d) for (d,) in sqlite3.connect(uri, uri=True).execute("SELECT data FROM message")]
        answers = [r["tokens"]["total"] for r in rows if r["role"] == "assistant"]
        print(f"{name}: {len(answers)} answer of {sum(answers)} tokens")
    except sqlite3.OperationalError as error:
        print(f"{name}: {error}")
P
got=$(python3.11 "$dir/read.py" "$dir/home" "$rc")
want='exit code 0, opencode.db 4096 bytes, write-ahead log larger than that
immutable=1: no such table: message
copy of the file alone: no such table: message
mode=ro: 1 answer of 1200 tokens'
echo "OpenCode 1.18.33"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
