#!/usr/bin/env bash
# Claude Code starts the cost of a forked session at the cost of its parent.
#
# Guess of an expert: `cost-state` carries the session's own id, so the sum of the last one of each session is the bill.
# Truth:    after `--resume ID --fork-session` Claude Code 2.1.332 writes the copy under a new session id, and its
#           `cost-state` begins with all that the parent had cost. Two answers were billed, the two files say three.
#           The transcript rows have the same trap in another place: the parent's row is copied, with the
#           same message id, under the new session id.
# Versions: @anthropic-ai/claude-code 2.1.332 (npm). Seen on 2026-11-28.
# Output seen:
#   billed: msg_fork_1, msg_fork_2
#   parent: rows msg_fork_1; cost-state 500 output tokens
#   fork: rows msg_fork_1, msg_fork_2; cost-state 1000 output tokens
#   sum of cost-state: 1500 output tokens
# Why it matters: `cost-state` is the only line of the log that knows hidden calls. A reader that adds it per session bills
#           a parent once more for each fork. It must subtract the parent's last total before the fork.
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
    fs.appendFileSync(truth, `msg_${id}\n`);
    const usage = { input_tokens: 10, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 1 };
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
start_api fork
claude 'say hello'
parent=$(basename "$(find "$dir/home/.claude/projects" -name '*.jsonl')" .jsonl)
claude 'say it again' --resume "$parent" --fork-session
stop_api
cat > "$dir/read.js" <<'J'
const fs = require('fs'), [, , root, truth, parent] = process.argv;
console.log(`billed: ${fs.readFileSync(truth, 'utf8').trim().split('\n').join(', ')}`);
const files = fs.readdirSync(root, { recursive: true }).filter(f => f.endsWith('.jsonl'));
files.sort((a, b) => b.includes(parent) - a.includes(parent));
let sum = 0;
for (const file of files) {
  const rows = fs.readFileSync(`${root}/${file}`, 'utf8').trim().split('\n').map(l => JSON.parse(l));
  const [u] = Object.values(rows.findLast(r => r.type === 'cost-state').modelUsage);
  sum += u.outputTokens;
  console.log(`${file.includes(parent) ? 'parent' : 'fork'}: rows ${rows.filter(r => r.type === 'assistant').map(r => r.message.id).join(', ')}; cost-state ${u.outputTokens} output tokens`);
}
console.log(`sum of cost-state: ${sum} output tokens`);
J
got=$(node "$dir/read.js" "$dir/home/.claude/projects" "$dir/truth" "$parent")
want='billed: msg_fork_1, msg_fork_2
parent: rows msg_fork_1; cost-state 500 output tokens
fork: rows msg_fork_1, msg_fork_2; cost-state 1000 output tokens
sum of cost-state: 1500 output tokens'
echo "Claude Code 2.1.332"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
