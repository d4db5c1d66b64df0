#!/usr/bin/env bash
# Codex writes an incomplete answer into its total, but not into `last_token_usage`, and ccusage counts it as nothing.
#
# Guess of an expert: each `token_count` line says twice what happened, so the sum of all `last_token_usage` is the last
#           `total_token_usage`.
# Truth:    an answer that ends with `response.incomplete` (the output limit) is billed. Codex CLI 0.171.0 raises the total by it
#           and writes six zeros as `last_token_usage`. The newer `token_usage_record` has the right numbers.
#           ccusage 20.0.24 reads `last_token_usage` here: 0 of 1,200 tokens, no cost, no warning.
# Versions: @openai/codex 0.171.0, ccusage 20.0.24 (npm). Seen on 2026-11-28.
# Output seen:
#   total_token_usage: input 1000, output 200
#   last_token_usage: input 0, output 0
#   token_usage_record: input 1000, output 200
#   ccusage: 0 tokens, 0 USD
# Why it matters: the answers that hit the limit are the longest and dearest ones. A reader has to take the rise of
#           the total, or the record, and not the line that looks made for it.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$dir" || true' EXIT
mkdir -p "$dir/home/.codex" "$dir/tmp" "$dir/work"
npm install --prefix "$dir/npm" --silent --no-audit --no-fund @openai/codex@0.171.0 ccusage@20.0.24 >/dev/null 2>&1
chmod +x "$dir"/npm/node_modules/@ccusage/*/bin/ccusage

# A proxy port that nobody serves keeps the tool from every address but loopback.
offline=(HTTPS_PROXY=http://127.0.0.1:9 HTTP_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1)
cat > "$dir/fake.js" <<'J'
const http = require('http'), fs = require('fs');
const [, , portFile, truth] = process.argv;
let n = 0;
http.createServer((q, s) => {
  let body = '';
  q.on('data', d => body += d).on('end', () => {
    if (q.method !== 'POST' || !q.url.endsWith('/responses')) { s.writeHead(404); return s.end('{}'); }
    const r = JSON.parse(body), id = `resp_${++n}`;
    const send = (type, more) => s.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`);
    const item = { type: 'message', id: `m${n}`, role: 'assistant', status: 'completed', content: [{ type: 'output_text', text: 'hello', annotations: [] }] };
    const usage = { input_tokens: 1000, input_tokens_details: { cached_tokens: 400 }, output_tokens: 200, output_tokens_details: { reasoning_tokens: 150 }, total_tokens: 1200 };
    s.writeHead(200, { 'content-type': 'text/event-stream' });
    send('response.created', { response: { id, object: 'response', status: 'in_progress', output: [] } });
    send('response.output_item.added', { output_index: 0, item: { ...item, status: 'in_progress', content: [] } });
    send('response.output_text.delta', { item_id: item.id, output_index: 0, content_index: 0, delta: 'hello' });
    send('response.output_item.done', { output_index: 0, item });
    send('response.incomplete', { response: { id, object: 'response', status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' }, output: [item], usage } });
    s.end();
  });
}).listen(0, '127.0.0.1', function () { fs.writeFileSync(portFile, String(this.address().port)); });
J
node "$dir/fake.js" "$dir/port" "$dir/truth" & server=$!
for _ in $(seq 100); do [ -s "$dir/port" ] && break; sleep 0.1; done
cat > "$dir/home/.codex/config.toml" <<T
model = "gpt-5.5"
model_provider = "fake"
[model_providers.fake]
name = "fake"
base_url = "http://127.0.0.1:$(cat "$dir/port")/v1"
env_key = "FAKE_KEY"
wire_api = "responses"
stream_max_retries = 2
T
codex() {
  (cd "$dir/work" && env -i "${offline[@]}" "PATH=$PATH" "HOME=$dir/home" "TMPDIR=$dir/tmp" FAKE_KEY=dummy \
    timeout 60 "$dir/npm/node_modules/.bin/codex" exec --skip-git-repo-check "$@" </dev/null 2>&1) || true
}
codex 'say hello' >/dev/null
env -i "PATH=$PATH" "HOME=$dir/home" timeout 60 "$dir/npm/node_modules/.bin/ccusage" codex daily --json --offline > "$dir/peer"
cat > "$dir/read.js" <<'J'
const fs = require('fs'), [, , root, peer] = process.argv;
const file = fs.readdirSync(root, { recursive: true }).find(f => f.endsWith('.jsonl'));
const rows = fs.readFileSync(`${root}/${file}`, 'utf8').trim().split('\n').map(l => JSON.parse(l));
const { info } = rows.find(r => r.payload.type === 'token_count').payload;
const show = u => `input ${u.input_tokens}, output ${u.output_tokens}`;
console.log(`total_token_usage: ${show(info.total_token_usage)}`);
console.log(`last_token_usage: ${show(info.last_token_usage)}`);
console.log(`token_usage_record: ${show(rows.find(r => r.payload.thread_token_usage).payload.usage)}`);
const { totals } = JSON.parse(fs.readFileSync(peer));
console.log(`ccusage: ${totals.totalTokens} tokens, ${totals.costUSD} USD`);
J
got=$(node "$dir/read.js" "$dir/home/.codex/sessions" "$dir/peer")
want='total_token_usage: input 1000, output 200
last_token_usage: input 0, output 0
token_usage_record: input 1000, output 200
ccusage: 0 tokens, 0 USD'
echo "Codex CLI 0.171.0, ccusage 20.0.24"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
