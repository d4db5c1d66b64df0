#!/usr/bin/env bash
# Claude Code writes a cache split of zeros that the API never sent, and ccusage then counts no cache writes.
#
# Guess of an expert: where a gateway sends `cache_creation_input_tokens` without the newer object `cache_creation`,
#           the log has no such object either, or it puts the whole number under five minutes.
# Truth:    Claude Code 2.1.332 adds `cache_creation` with two zeros beside the right total, and
#           also the `service_tier` and `speed` that nobody sent. Its own `cost-state` line prices the total.
#           ccusage 20.0.24 believes the zeros: 5,000 billed tokens become 0, and the cost falls by 58 %.
# Versions: @anthropic-ai/claude-code 2.1.332, ccusage 20.0.24 (npm). Seen on 2026-11-28.
# Output seen:
#   log: total 5000, split {"ephemeral_1h_input_tokens":0,"ephemeral_5m_input_tokens":0}
#   log: service_tier standard, speed standard
#   cost-state: 0.05380 USD
#   ccusage: 0 cache writes, 0.02255 USD
# Why it matters: cache writes are the dearest input. Two correct-looking programs lose them together.
#           A reader may use the split only if its parts add up to the total.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$dir" || true' EXIT
mkdir -p "$dir/home" "$dir/tmp" "$dir/work"
npm install --prefix "$dir/npm" --silent --no-audit --no-fund @anthropic-ai/claude-code@2.1.332 ccusage@20.0.24 >/dev/null 2>&1
node "$dir/npm/node_modules/@anthropic-ai/claude-code/install.cjs"
chmod +x "$dir"/npm/node_modules/@ccusage/*/bin/ccusage

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
    const usage = { input_tokens: 10, cache_creation_input_tokens: 5000, cache_read_input_tokens: 20000, output_tokens: 1 };
    s.writeHead(200, { 'content-type': 'text/event-stream', 'request-id': `req_${id}` });
    send('message_start', { message: message(usage) });
    send('content_block_start', { index: 0, content_block: { type: 'text', text: '' } });
    send('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'hello' } });
    send('content_block_stop', { index: 0 });
    send('message_delta', { delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 500 } });
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
start_api split
claude 'say hello'
stop_api
env -i "PATH=$PATH" "HOME=$dir/home" timeout 60 "$dir/npm/node_modules/.bin/ccusage" claude daily --json --offline > "$dir/peer"
cat > "$dir/read.js" <<'J'
const fs = require('fs'), [, , root, peer] = process.argv;
const file = fs.readdirSync(root, { recursive: true }).find(f => f.endsWith('.jsonl'));
const rows = fs.readFileSync(`${root}/${file}`, 'utf8').trim().split('\n').map(l => JSON.parse(l));
const { usage } = rows.find(r => r.type === 'assistant').message;
console.log(`log: total ${usage.cache_creation_input_tokens}, split ${JSON.stringify(usage.cache_creation)}`);
console.log(`log: service_tier ${usage.service_tier}, speed ${usage.speed}`);
console.log(`cost-state: ${rows.find(r => r.type === 'cost-state').totalCostUSD.toFixed(5)} USD`);
const { totals } = JSON.parse(fs.readFileSync(peer));
console.log(`ccusage: ${totals.cacheCreationTokens} cache writes, ${totals.totalCost.toFixed(5)} USD`);
J
got=$(node "$dir/read.js" "$dir/home/.claude/projects" "$dir/peer")
want='log: total 5000, split {"ephemeral_1h_input_tokens":0,"ephemeral_5m_input_tokens":0}
log: service_tier standard, speed standard
cost-state: 0.05380 USD
ccusage: 0 cache writes, 0.02255 USD'
echo "Claude Code 2.1.332, ccusage 20.0.24"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
