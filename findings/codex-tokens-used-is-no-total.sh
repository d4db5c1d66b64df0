#!/usr/bin/env bash
# Codex prints "tokens used" at the end of a run, and the number equals no field of the API or of its own log.
#
# Guess of an expert: `codex exec` prints the `total_tokens` of the run, which is in the log, too.
# Truth:    Codex CLI 0.171.0 prints the total of the THREAD without cached input. A run of 1,200 tokens, 100 of them
#           from the cache, prints 1,100. A `resume` of 1,200 more prints 2,200: the earlier run is in it again.
# Versions: @openai/codex 0.171.0 (npm). Seen on 2026-11-28.
# Output seen:
#   run 1: printed 1,100, log usage 1200, turn 1200, thread 1200
#   run 2: printed 2,200, log usage 1200, turn 1200, thread 2400
# Why it matters: scripts and CI logs collect this line. Added up over this resumed thread it gives 3,300
#           for 2,400 tokens. It cannot serve as a check of a reader's sums.
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
    send('response.completed', { response: { id, object: 'response', status: 'completed', output: [item], usage: { ...usage, input_tokens_details: { cached_tokens: 100 } } } });
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
printed() { codex "$@" | grep -A1 '^tokens used' | tail -1; }
first=$(printed 'say hello')
second=$(printed resume --last 'say it again')
cat > "$dir/read.js" <<'J'
const fs = require('fs'), [, , root, ...printed] = process.argv;
const file = fs.readdirSync(root, { recursive: true }).find(f => f.endsWith('.jsonl'));
fs.readFileSync(`${root}/${file}`, 'utf8').trim().split('\n').map(l => JSON.parse(l).payload).filter(p => p.thread_token_usage)
  .forEach((p, i) => console.log(`run ${i + 1}: printed ${printed[i]}, log usage ${p.usage.total_tokens}, turn ${p.turn_token_usage.total_tokens}, thread ${p.thread_token_usage.total_tokens}`));
J
got=$(node "$dir/read.js" "$dir/home/.codex/sessions" "$first" "$second")
want='run 1: printed 1,100, log usage 1200, turn 1200, thread 1200
run 2: printed 2,200, log usage 1200, turn 1200, thread 2400'
echo "Codex CLI 0.171.0"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
