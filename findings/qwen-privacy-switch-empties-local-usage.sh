#!/usr/bin/env bash
# Qwen Code stops writing its LOCAL token file when the user declines to SEND usage statistics.
#
# Guess of an expert: `privacy.usageStatisticsEnabled: false` concerns what leaves the machine. Local files stay the same.
# Truth:    with this setting Qwen Code 0.24.4 writes no `~/.qwen/usage/token-usage-YYYY-MM.jsonl` at all. The same numbers
#           go on in the chat files, as lines named `ui_telemetry`, which the setting does not touch.
# Versions: @qwen-code/qwen-code 0.24.4 (npm). Seen on 2026-11-28.
# Output seen:
#   usageStatisticsEnabled true: 2 lines in usage, 2 telemetry lines in the chat file
#   usageStatisticsEnabled false: 0 lines in usage, 2 telemetry lines in the chat file
# Why it matters: the clean file without any text is the natural source, and it is empty for just those users who care. A reader
#           needs both places and one key for them, or it shows nothing, or all calls twice.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$dir" || true' EXIT
mkdir -p "$dir/tmp" "$dir/work"
npm install --prefix "$dir/npm" --silent --no-audit --no-fund @qwen-code/qwen-code@0.24.4 >/dev/null 2>&1

# A proxy port that nobody serves keeps the tool from every address but loopback.
offline=(HTTPS_PROXY=http://127.0.0.1:9 HTTP_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1)
cat > "$dir/fake.js" <<'J'
const http = require('http'), fs = require('fs');
http.createServer((q, s) => {
  let body = '';
  q.on('data', d => body += d).on('end', () => {
    if (q.method !== 'POST') { s.writeHead(404); return s.end('{}'); }
    fs.appendFileSync(process.argv[3], 'request\n');
    const head = { id: `c${Date.now()}`, object: 'chat.completion.chunk', created: 1795000000, model: JSON.parse(body).model };
    const send = d => s.write(`data: ${JSON.stringify({ ...head, ...d })}\n\n`);
    s.writeHead(200, { 'content-type': 'text/event-stream' });
    send({ choices: [{ index: 0, delta: { role: 'assistant', content: 'hello' }, finish_reason: null }] });
    send({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
    send({ choices: [], usage: { prompt_tokens: 1000, prompt_tokens_details: { cached_tokens: 400 },
      completion_tokens: 200, completion_tokens_details: { reasoning_tokens: 150 }, total_tokens: 1200 } });
    s.end('data: [DONE]\n\n');
  });
}).listen(0, '127.0.0.1', function () { fs.writeFileSync(process.argv[2], String(this.address().port)); });
J
node "$dir/fake.js" "$dir/port" "$dir/truth" & server=$!
for _ in $(seq 100); do [ -s "$dir/port" ] && break; sleep 0.1; done
qwen() { # home, usageStatisticsEnabled
  mkdir -p "$1/.qwen"
  echo '{"privacy":{"usageStatisticsEnabled":'"$2"'},"security":{"auth":{"selectedType":"openai"}},"general":{"enableAutoUpdate":false,"disableAutoUpdate":true}}' > "$1/.qwen/settings.json"
  (cd "$dir/work" && env -i "${offline[@]}" "PATH=$PATH" "HOME=$1" "TMPDIR=$dir/tmp" OPENAI_API_KEY=dummy OPENAI_MODEL=qwen3-coder-plus \
    "OPENAI_BASE_URL=http://127.0.0.1:$(cat "$dir/port")/v1" \
    timeout 60 "$dir/npm/node_modules/.bin/qwen" -p 'say hello' </dev/null >/dev/null 2>&1) || true
}
got=$(for choice in true false; do
  qwen "$dir/$choice" "$choice"
  usage=$(cat "$dir/$choice"/.qwen/usage/*.jsonl 2>/dev/null | wc -l || true)
  chat=$(cat "$dir/$choice"/.qwen/projects/*/chats/*.jsonl | grep -c '"subtype":"ui_telemetry".*"qwen-code.api_response"' || true)
  echo "usageStatisticsEnabled $choice: $((usage)) lines in usage, $chat telemetry lines in the chat file"
done)
want='usageStatisticsEnabled true: 2 lines in usage, 2 telemetry lines in the chat file
usageStatisticsEnabled false: 0 lines in usage, 2 telemetry lines in the chat file'
echo "Qwen Code 0.24.4"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
