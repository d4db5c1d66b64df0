#!/usr/bin/env bash
# Gemini CLI deletes a resumed session when something else is started in the same folder.
#
# Guess of an expert: session files stay for the 30 days that its settings name, so a reader may look once a day.
# Truth:    A resumed session of Gemini CLI 0.61.0 goes on in its old file, and begins a new one that holds nothing but its
#           id and a context. The next start of the tool takes that file for a broken one, and removes it with all
#           files of the same 8 digits: the answers, minutes after they were written. A session that was never
#           resumed stays.
# Versions: @google/gemini-cli 0.61.0 (npm). Seen on 2026-11-29.
# Output seen:
#   after the first prompt: 1 answer in files
#   after it was resumed a minute later: 2 answers in files
#   after another session began: 1 answer in files
# Why it matters: who reads the files now and then loses whole sessions, and a sum over files falls. Only a reader that
#           follows the files and keeps what it has counted shows what was billed.
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
node "$dir/fake.js" "$dir/port" & server=$!
for _ in $(seq 100); do [ -s "$dir/port" ] && break; sleep 0.1; done
ask() {
  (cd "$dir/work" && env -i "${offline[@]}" "PATH=$PATH" "HOME=$dir/home" "TMPDIR=$dir/tmp" GEMINI_API_KEY=dummy \
    "GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:$(cat "$dir/port")" \
    timeout 60 "$dir/npm/node_modules/.bin/gemini" --skip-trust "$@" </dev/null >/dev/null 2>&1) || true
}
answers() {
  # Distinct ids of messages with tokens, wherever they are repeated.
  local count
  count=$({ cat "$dir"/home/.gemini/tmp/*/chats/*.jsonl | grep '^{"id":.*"type":"gemini".*"tokens":{' || true; } | cut -c1-50 | sort -u | wc -l)
  echo "$1: $count answer$([ "$count" = 1 ] || echo s) in files"
}
ask -p 'say hello'
got=$(answers 'after the first prompt')
minute=$(date +%M); while [ "$(date +%M)" = "$minute" ]; do sleep 0.5; done
ask -r latest -p 'and again'
got+=$'\n'$(answers 'after it was resumed a minute later')
ask -p 'something else'
got+=$'\n'$(answers 'after another session began')
want='after the first prompt: 1 answer in files
after it was resumed a minute later: 2 answers in files
after another session began: 1 answer in files'
echo "Gemini CLI 0.61.0"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
