#!/usr/bin/env bash
# Claude Code stamps `end_turn` on answers whose stream broke before any stop reason was sent.
#
# Guess of an expert: a broken answer has `stop_reason` null, so a row with a stop reason holds final numbers.
# Truth:    the stream ends after `content_block_stop`, without `message_delta` and `message_stop`. Claude Code 2.1.332
#           then writes the row with `stop_reason: "end_turn"` and the placeholder 1 from `message_start` as output.
#           It asks four times for one prompt, each time with the broken answer added to the conversation.
#           Only an error row without tokens (`<synthetic>`) follows the last one. The rows look like four complete answers.
# Versions: @anthropic-ai/claude-code 2.1.332 (npm). Seen on 2026-11-28.
# Output seen:
#   messages sent with each request: 2, 4, 6, 8
#   claude-opus-4-8: stop_reason end_turn, output 1, text of more than 300 characters
#   claude-opus-4-8: stop_reason end_turn, output 1, text of more than 300 characters
#   claude-opus-4-8: stop_reason end_turn, output 1, text of more than 300 characters
#   claude-opus-4-8: stop_reason end_turn, output 1, text of more than 300 characters
#   <synthetic>: stop_reason stop_sequence, output 0, text of less than 300 characters
# Why it matters: a reader that trusts a stop reason books 4 output tokens as a fact. An output of 1 beside a
#           text of 400 characters is "unknown", with a stop reason, too.
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
    fs.appendFileSync(truth, `${r.messages.length}\n`);
    const usage = { input_tokens: 10, cache_creation_input_tokens: 5000, cache_read_input_tokens: 20000, output_tokens: 1 };
    s.writeHead(200, { 'content-type': 'text/event-stream', 'request-id': `req_${id}` });
    send('message_start', { message: message(usage) });
    send('content_block_start', { index: 0, content_block: { type: 'text', text: '' } });
    send('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'word '.repeat(80) } });
    send('content_block_stop', { index: 0 });
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
start_api end
claude 'say hello'
stop_api
cat > "$dir/read.js" <<'J'
const fs = require('fs'), [, , root, truth] = process.argv;
console.log(`messages sent with each request: ${fs.readFileSync(truth, 'utf8').trim().split('\n').join(', ')}`);
const file = fs.readdirSync(root, { recursive: true }).find(f => f.endsWith('.jsonl'));
for (const line of fs.readFileSync(`${root}/${file}`, 'utf8').trim().split('\n')) {
  const { type, message: m } = JSON.parse(line);
  if (type === 'assistant') console.log(`${m.model}: stop_reason ${m.stop_reason}, output ${m.usage.output_tokens}, text of ${m.content[0].text.length > 300 ? 'more' : 'less'} than 300 characters`);
}
J
got=$(node "$dir/read.js" "$dir/home/.claude/projects" "$dir/truth")
want='messages sent with each request: 2, 4, 6, 8
claude-opus-4-8: stop_reason end_turn, output 1, text of more than 300 characters
claude-opus-4-8: stop_reason end_turn, output 1, text of more than 300 characters
claude-opus-4-8: stop_reason end_turn, output 1, text of more than 300 characters
claude-opus-4-8: stop_reason end_turn, output 1, text of more than 300 characters
<synthetic>: stop_reason stop_sequence, output 0, text of less than 300 characters'
echo "Claude Code 2.1.332"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
