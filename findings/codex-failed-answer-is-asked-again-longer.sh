#!/usr/bin/env bash
# Codex throws away the usage of a failed answer, and sends its text back as input of the next try.
#
# Guess of an expert: a retry repeats the same request, and usage that the API names in `response.failed` is written.
# Truth:    the API fails after the text was sent, and names 1,200 tokens. Codex CLI 0.171.0 tries again twice. Each try
#           carries one more message, the failed answer, so its input grows. The rollout then holds three
#           `token_count` lines with `info` null, no `token_usage_record`, and each failed text as if it were an answer.
# Versions: @openai/codex 0.171.0 (npm). Seen on 2026-11-28.
# Output seen:
#   assistant messages in the input of each request: 0 1 2
#   token_count info: null null null
#   token_usage_record lines: 0
#   assistant messages in the rollout: 3
# Why it matters: 3,600 billed tokens stand in no file. A null `info` is the trace of a lost call, not the absence
#           of one. A reader that estimates lost calls must not assume that the tries are equal.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$dir" || true' EXIT
mkdir -p "$dir/home/.codex" "$dir/tmp" "$dir/work"
npm install --prefix "$dir/npm" --silent --no-audit --no-fund @openai/codex@0.171.0 >/dev/null 2>&1

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
    fs.appendFileSync(truth, `${r.input.filter(i => i.role === 'assistant').length} `);
    send('response.failed', { response: { id, object: 'response', status: 'failed', error: { code: 'server_error', message: 'boom' }, output: [item], usage } });
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
cat > "$dir/read.js" <<'J'
const fs = require('fs'), [, , root, truth] = process.argv;
console.log(`assistant messages in the input of each request: ${fs.readFileSync(truth, 'utf8').trim()}`);
const file = fs.readdirSync(root, { recursive: true }).find(f => f.endsWith('.jsonl'));
const rows = fs.readFileSync(`${root}/${file}`, 'utf8').trim().split('\n').map(l => JSON.parse(l).payload);
console.log(`token_count info: ${rows.filter(p => p.type === 'token_count').map(p => JSON.stringify(p.info)).join(' ')}`);
console.log(`token_usage_record lines: ${rows.filter(p => p.thread_token_usage).length}`);
console.log(`assistant messages in the rollout: ${rows.filter(p => p.type === 'message' && p.role === 'assistant').length}`);
J
got=$(node "$dir/read.js" "$dir/home/.codex/sessions" "$dir/truth")
want='assistant messages in the input of each request: 0 1 2
token_count info: null null null
token_usage_record lines: 0
assistant messages in the rollout: 3'
echo "Codex CLI 0.171.0"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
