#!/usr/bin/env bash
# Claude Code mixes the first and the last usage of a stream number by number, and a final 0 does not count.
#
# Guess of an expert: the usage of `message_delta` is cumulative and comes last, so each number that it names wins.
# Truth:    Claude Code 2.1.332 takes a number of `message_delta` only if it is above 0. A gateway that first
#           announces a cache hit (10 fresh, 5,000 written, 20,000 read) and finally reports a miss (25,010 fresh, 0, 0)
#           makes a row of 25,010 + 5,000 + 20,000: twice the truth. The other direction is right.
#           `cost-state` repeats the mixed numbers.
# Versions: @anthropic-ai/claude-code 2.1.332 (npm). Seen on 2026-11-28.
# Output seen:
#   hit_then_miss: log 25010 + 5000 + 20000, output 500
#   hit_then_miss: cost-state 25010 + 5000 + 20000
#   miss_then_hit: log 10 + 5000 + 20000, output 500
#   miss_then_hit: cost-state 10 + 5000 + 20000
# Why it matters: relays of other vendors estimate at the start and correct at the end. No field of the row tells that it
#           is a mix of two answers, so a reader can be exact about what is recorded, and no more.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$dir" || true' EXIT
mkdir -p "$dir/home" "$dir/tmp" "$dir/work"
npm install --prefix "$dir/npm" --silent --no-audit --no-fund @anthropic-ai/claude-code@2.1.332 >/dev/null 2>&1
node "$dir/npm/node_modules/@anthropic-ai/claude-code/install.cjs"

# A proxy port that nobody serves keeps the tool from every address but loopback.
offline=(HTTPS_PROXY=http://127.0.0.1:9 HTTP_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1)
cat > "$dir/fake.js" <<'J'
const http = require('http'), fs = require('fs');
const [, , portFile, mode, truth] = process.argv;
let n = 0;
http.createServer((q, s) => {
  let body = '';
  q.on('data', d => body += d).on('end', () => {
    if (q.method !== 'POST' || !q.url.startsWith('/v1/messages')) { s.writeHead(404); return s.end('{}'); }
    const r = JSON.parse(body), id = `${mode}_${++n}`;
    const send = (type, more) => s.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`);
    const message = (usage, content = [], stop_reason = null) =>
      ({ id: `msg_${id}`, type: 'message', role: 'assistant', model: r.model, content, stop_reason, stop_sequence: null, usage });
    const hit = { input_tokens: 10, cache_creation_input_tokens: 5000, cache_read_input_tokens: 20000 };
    const miss = { input_tokens: 25010, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 };
    const [first, last] = mode === 'hit_then_miss' ? [hit, miss] : [miss, hit];
    s.writeHead(200, { 'content-type': 'text/event-stream', 'request-id': `req_${id}` });
    send('message_start', { message: message({ ...first, output_tokens: 1 }) });
    send('content_block_start', { index: 0, content_block: { type: 'text', text: '' } });
    send('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'hello' } });
    send('content_block_stop', { index: 0 });
    send('message_delta', { delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { ...last, output_tokens: 500 } });
    send('message_stop', {});
    s.end();
  });
}).listen(0, '127.0.0.1', function () { fs.writeFileSync(portFile, String(this.address().port)); });
J
start_api() { # mode
  rm -f "$dir/port"
  node "$dir/fake.js" "$dir/port" "$1" "$dir/truth" & server=$!
  for _ in $(seq 100); do [ -s "$dir/port" ] && break; sleep 0.1; done
}
stop_api() { kill "$server"; wait "$server" 2>/dev/null || true; server=; }
claude() {
  (cd "$dir/work" && env -i "${offline[@]}" "PATH=$PATH" "HOME=$dir/home" "TMPDIR=$dir/tmp" ANTHROPIC_API_KEY=dummy \
    "ANTHROPIC_BASE_URL=http://127.0.0.1:$(cat "$dir/port")" CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 DISABLE_AUTOUPDATER=1 \
    timeout 90 "$dir/npm/node_modules/.bin/claude" --model claude-opus-4-8 -p "$@" </dev/null >/dev/null 2>&1) || true
}
cat > "$dir/read.js" <<'J'
const fs = require('fs'), [, , root, mode] = process.argv;
const file = fs.readdirSync(root, { recursive: true }).find(f => f.endsWith('.jsonl'));
const rows = fs.readFileSync(`${root}/${file}`, 'utf8').trim().split('\n').map(l => JSON.parse(l));
const u = rows.find(r => r.type === 'assistant').message.usage, [c] = Object.values(rows.find(r => r.type === 'cost-state').modelUsage);
console.log(`${mode}: log ${u.input_tokens} + ${u.cache_creation_input_tokens} + ${u.cache_read_input_tokens}, output ${u.output_tokens}`);
console.log(`${mode}: cost-state ${c.inputTokens} + ${c.cacheCreationInputTokens} + ${c.cacheReadInputTokens}`);
J
got=$(for mode in hit_then_miss miss_then_hit; do
  rm -rf "${dir:?}/home"; mkdir "$dir/home"
  start_api "$mode" >/dev/null
  claude 'say hello'
  stop_api
  node "$dir/read.js" "$dir/home/.claude/projects" "$mode"
done)
want='hit_then_miss: log 25010 + 5000 + 20000, output 500
hit_then_miss: cost-state 25010 + 5000 + 20000
miss_then_hit: log 10 + 5000 + 20000, output 500
miss_then_hit: cost-state 10 + 5000 + 20000'
echo "Claude Code 2.1.332"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
