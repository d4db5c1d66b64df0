#!/usr/bin/env bash
# Gemini CLI asks a second model about each prompt, and writes that call into no file.
#
# Guess of an expert: one prompt without tools is one request, and the session file holds one row per request.
# Truth:    Gemini CLI 0.61.0 first asks a small model how hard the prompt is, and then the model that it chose.
#           It does so for each prompt, also with `-p`. The session file holds the second call only. Half
#           of all requests, and the whole use of the small model, are in no file below the home.
# Versions: @google/gemini-cli 0.61.0 (npm). Seen on 2026-11-28.
# Output seen:
#   prompt 1 asks gemini-3.5-flash-lite, gemini-3.8-flash
#   prompt 2 asks gemini-3.5-flash-lite, gemini-3.8-flash
#   files name gemini-3.8-flash 2 times as a model with tokens
#   files name gemini-3.5-flash-lite 0 times
# Why it matters: the bill has a model and a number of requests that no reader of the logs can show. It must say
#           so beside the sums of Gemini, or its user takes the difference for a fault.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$dir" || true' EXIT
mkdir -p "$dir/home/.gemini" "$dir/tmp" "$dir/work"
npm install --prefix "$dir/npm" --silent --no-audit --no-fund @google/gemini-cli@0.61.0 >/dev/null 2>&1
echo '{"security":{"auth":{"selectedType":"gemini-api-key"}},"privacy":{"usageStatisticsEnabled":false}}' > "$dir/home/.gemini/settings.json"

# A proxy port that nobody serves keeps the tool from every address but loopback.
offline=(HTTPS_PROXY=http://127.0.0.1:9 HTTP_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1)
cat > "$dir/fake.js" <<'J'
const http = require('http'), fs = require('fs');
http.createServer((q, s) => {
  let body = '';
  q.on('data', d => body += d).on('end', () => {
    const asked = /models\/([^:]+):(\w+)/.exec(q.url);
    if (!asked) { s.writeHead(404); return s.end('{}'); }
    fs.appendFileSync(process.argv[3], `${asked[1]}\n`);
    const config = JSON.parse(body).generationConfig ?? {};
    const text = config.responseSchema || config.responseJsonSchema ? '{"complexity_reasoning":"x","complexity_score":10}' : 'hello';
    const answer = JSON.stringify({
      candidates: [{ content: { role: 'model', parts: [{ text }] }, finishReason: 'STOP', index: 0 }],
      usageMetadata: { promptTokenCount: 1000, candidatesTokenCount: 50, totalTokenCount: 1050 }, modelVersion: asked[1],
    });
    const stream = asked[2].startsWith('stream');
    s.writeHead(200, { 'content-type': stream ? 'text/event-stream' : 'application/json' });
    s.end(stream ? `data: ${answer}\n\n` : answer);
  });
}).listen(0, '127.0.0.1', function () { fs.writeFileSync(process.argv[2], String(this.address().port)); });
J
node "$dir/fake.js" "$dir/port" "$dir/truth" & server=$!
for _ in $(seq 100); do [ -s "$dir/port" ] && break; sleep 0.1; done
for prompt in 1 2; do
  : > "$dir/truth"
  (cd "$dir/work" && env -i "${offline[@]}" "PATH=$PATH" "HOME=$dir/home" "TMPDIR=$dir/tmp" GEMINI_API_KEY=dummy \
    "GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:$(cat "$dir/port")" \
    timeout 60 "$dir/npm/node_modules/.bin/gemini" --skip-trust -p "say hello $prompt" </dev/null >/dev/null 2>&1) || true
  echo "prompt $prompt asks $(paste -sd, "$dir/truth" | sed 's/,/, /g')" >> "$dir/asked"
done
got=$(cat "$dir/asked"
  echo "files name gemini-3.8-flash $(cat "$dir"/home/.gemini/tmp/*/chats/session-*.jsonl | grep -c '"tokens":.*"model":"gemini-3.8-flash"') times as a model with tokens"
  echo "files name gemini-3.5-flash-lite $({ grep -rF gemini-3.5-flash-lite "$dir/home" || true; } | wc -l) times")
want='prompt 1 asks gemini-3.5-flash-lite, gemini-3.8-flash
prompt 2 asks gemini-3.5-flash-lite, gemini-3.8-flash
files name gemini-3.8-flash 2 times as a model with tokens
files name gemini-3.5-flash-lite 0 times'
echo "Gemini CLI 0.61.0"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
