#!/usr/bin/env bash
# ccusage counts each answer of Qwen Code by almost half too much, and half of the answers not at all.
#
# Guess of an expert: one `qwen -p` prompt without tools is one call, and two errors would show as a wild number.
# Truth:    Qwen Code 0.24.4 sends a second call after the prompt, in which a hidden agent looks for memories. It records both
#           honestly in `~/.qwen/usage`. ccusage 20.0.24 reads only the assistant lines of the chat file, so it sees
#           one call. For this one it adds the cached part to an input that contains it, and the reasoning to an output
#           that contains it: 1,750 for 1,200. Both errors together end at 73 % of the truth, which looks plausible.
# Versions: @qwen-code/qwen-code 0.24.4, ccusage 20.0.24 (npm). Seen on 2026-11-28.
# Output seen:
#   requests answered: 2, of 1200 tokens each
#   qwen records: main 1200, managed-auto-memory-extractor 1200
#   ccusage: input 1000 + cache read 400 + output 200, total 1750
# Why it matters: sums of a peer are no oracle for Qwen Code, even when they are near. The meanings are those of the
#           API behind it, where input contains the cache and output contains the reasoning.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$dir" || true' EXIT
mkdir -p "$dir/tmp" "$dir/work"
npm install --prefix "$dir/npm" --silent --no-audit --no-fund @qwen-code/qwen-code@0.24.4 ccusage@20.0.24 >/dev/null 2>&1
chmod +x "$dir"/npm/node_modules/@ccusage/*/bin/ccusage

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
qwen "$dir/home" true
env -i "PATH=$PATH" "HOME=$dir/home" timeout 60 "$dir/npm/node_modules/.bin/ccusage" qwen daily --json --offline > "$dir/peer"
cat > "$dir/read.js" <<'J'
const fs = require('fs'), [, , root, truth, peer] = process.argv;
console.log(`requests answered: ${fs.readFileSync(truth, 'utf8').trim().split('\n').length}, of 1200 tokens each`);
const [file] = fs.readdirSync(root);
const rows = fs.readFileSync(`${root}/${file}`, 'utf8').trim().split('\n').map(l => JSON.parse(l));
console.log(`qwen records: ${rows.map(r => `${r.source} ${r.totalTokens}`).join(', ')}`);
const { totals: t } = JSON.parse(fs.readFileSync(peer));
console.log(`ccusage: input ${t.inputTokens} + cache read ${t.cacheReadTokens} + output ${t.outputTokens}, total ${t.totalTokens}`);
J
got=$(node "$dir/read.js" "$dir/home/.qwen/usage" "$dir/truth" "$dir/peer")
want='requests answered: 2, of 1200 tokens each
qwen records: main 1200, managed-auto-memory-extractor 1200
ccusage: input 1000 + cache read 400 + output 200, total 1750'
echo "Qwen Code 0.24.4, ccusage 20.0.24"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
