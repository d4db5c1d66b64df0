#!/usr/bin/env bash
# Claude Code pays for each cut answer, writes no usage for it, and knows the sum all the same.
#
# Guess of an expert: a stream that breaks is tried once more, and the broken try leaves a row with its input tokens.
# Truth:    Claude Code 2.1.332 sends one prompt three times when the streams break inside the first block: two streams, then one
#           plain request without a stream. The transcript holds three `api-request` lines and ONE usage row, of the third.
#           The input of the two broken answers (25,010 tokens each) stands in no row. The cumulative `cost-state`
#           line of a clean exit counts all three.
# Versions: @anthropic-ai/claude-code 2.1.332 (npm). Seen on 2026-11-28.
# Output seen:
#   requests: stream, stream, plain
#   transcript: 3 api-request lines, 1 usage row, 25010 input tokens
#   cost-state: 75030 input tokens
# Why it matters: a reader that adds up the rows shows a third of what was billed. The difference between
#           `cost-state` and the rows is the only trace, and it exists only after a clean exit.
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
    fs.appendFileSync(truth, `${r.stream ? 'stream' : 'plain'}\n`);
    const usage = { input_tokens: 10, cache_creation_input_tokens: 5000, cache_read_input_tokens: 20000, output_tokens: 1 };
    if (!r.stream) {
      s.writeHead(200, { 'content-type': 'application/json', 'request-id': `req_${id}` });
      return s.end(JSON.stringify(message({ ...usage, output_tokens: 500 }, [{ type: 'text', text: 'hello' }], 'end_turn')));
    }
    s.writeHead(200, { 'content-type': 'text/event-stream', 'request-id': `req_${id}` });
    send('message_start', { message: message(usage) });
    send('content_block_start', { index: 0, content_block: { type: 'text', text: '' } });
    send('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'hel' } });
    setTimeout(() => s.end(), 50);
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
start_api cut
claude 'say hello'
stop_api
cat > "$dir/read.js" <<'J'
const fs = require('fs'), [, , root, truth] = process.argv;
console.log(`requests: ${fs.readFileSync(truth, 'utf8').trim().split('\n').join(', ')}`);
const file = fs.readdirSync(root, { recursive: true }).find(f => f.endsWith('.jsonl'));
const rows = fs.readFileSync(`${root}/${file}`, 'utf8').trim().split('\n').map(l => JSON.parse(l));
const of = type => rows.filter(r => r.type === type);
const all = u => u.input_tokens + u.cache_creation_input_tokens + u.cache_read_input_tokens;
console.log(`transcript: ${of('api-request').length} api-request lines, ${of('assistant').length} usage row, ${of('assistant').map(r => all(r.message.usage))} input tokens`);
const [u] = Object.values(of('cost-state').at(-1).modelUsage);
console.log(`cost-state: ${u.inputTokens + u.cacheReadInputTokens + u.cacheCreationInputTokens} input tokens`);
J
got=$(node "$dir/read.js" "$dir/home/.claude/projects" "$dir/truth")
want='requests: stream, stream, plain
transcript: 3 api-request lines, 1 usage row, 25010 input tokens
cost-state: 75030 input tokens'
echo "Claude Code 2.1.332"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
