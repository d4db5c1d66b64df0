#!/usr/bin/env bash
# ccstatusline counts an answer once for each of its blocks: a text and two tool calls are three answers.
#
# Guess of an expert: Claude Code writes one row for each block of an answer, with one id, so a reader of its log counts an id once;
#           and one that goes by the stop reason counts the last row, since the others have none.
# Truth:    Claude Code 2.1.332 writes the stop reason and the final usage into each row of an answer. ccstatusline 2.2.30 counts each row that
#           has a stop reason, and looks at no id. Its speed divides the multiplied output by the true time.
# Versions: @anthropic-ai/claude-code 2.1.332, ccstatusline 2.2.30 (npm). Seen on 2026-11-30.
# Output seen (two answers, each with input 10, written 5,000, read 20,000, output 300):
#   rows with usage: 4, with a stop reason 4, ids 2
#   once for each id: input 20, output 600, cached 50000, total 50620
#   ccstatusline: In: 40, Out: 1.2k, Cached: 100.0k, Total: 101.2k
# Why it matters: tokens and speed are twice too large here. The factor is the number of blocks in an answer, so it grows with parallel
#           tool calls, and differs from session to session: no constant mends it.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$dir" || true' EXIT
mkdir -p "$dir/home/.config/ccstatusline" "$dir/tmp" "$dir/work"
npm install --prefix "$dir/npm" --silent --no-audit --no-fund @anthropic-ai/claude-code@2.1.332 ccstatusline@2.2.30 >/dev/null 2>&1
node "$dir/npm/node_modules/@anthropic-ai/claude-code/install.cjs"

# A proxy port that nobody serves keeps the tools from every address but loopback.
offline=(HTTPS_PROXY=http://127.0.0.1:9 HTTP_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1)
cat > "$dir/fake.js" <<'J'
const http = require('http'), fs = require('fs');
let n = 0;
http.createServer((q, s) => {
  let body = '';
  q.on('data', d => body += d).on('end', () => {
    if (q.method !== 'POST' || !q.url.startsWith('/v1/messages') || q.url.includes('count_tokens')) { s.writeHead(404); return s.end('{}'); }
    const r = JSON.parse(body), first = !JSON.stringify(r.messages).includes('tool_result'), id = ++n;
    const send = (type, more) => s.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`);
    const usage = { input_tokens: 10, cache_creation_input_tokens: 5000, cache_read_input_tokens: 20000, output_tokens: 1 };
    let index = -1;
    const block = (content_block, delta) => {
      send('content_block_start', { index: ++index, content_block });
      send('content_block_delta', { index, delta });
      send('content_block_stop', { index });
    };
    s.writeHead(200, { 'content-type': 'text/event-stream', 'request-id': `req_${id}` });
    send('message_start', { message: { id: `msg_${id}`, type: 'message', role: 'assistant', model: r.model, content: [], stop_reason: null, stop_sequence: null, usage } });
    block({ type: 'text', text: '' }, { type: 'text_delta', text: 'word' });
    if (first) for (const name of ['a', 'b'])
      block({ type: 'tool_use', id: `toolu_${name}`, name: 'Glob', input: {} }, { type: 'input_json_delta', partial_json: `{"pattern":"*.${name}"}` });
    setTimeout(() => {
      send('message_delta', { delta: { stop_reason: first ? 'tool_use' : 'end_turn', stop_sequence: null }, usage: { ...usage, output_tokens: 300 } });
      send('message_stop', {});
      s.end();
    }, 200);
  });
}).listen(0, '127.0.0.1', function () { fs.writeFileSync(process.argv[2], String(this.address().port)); });
J
node "$dir/fake.js" "$dir/port" & server=$!
for _ in $(seq 100); do [ -s "$dir/port" ] && break; sleep 0.1; done
(cd "$dir/work" && env -i "${offline[@]}" "PATH=$PATH" "HOME=$dir/home" "TMPDIR=$dir/tmp" ANTHROPIC_API_KEY=dummy \
  "ANTHROPIC_BASE_URL=http://127.0.0.1:$(cat "$dir/port")" CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 DISABLE_AUTOUPDATER=1 \
  timeout 90 "$dir/npm/node_modules/.bin/claude" --model claude-opus-4-8 -p 'say hello' </dev/null >/dev/null 2>&1)

cat > "$dir/read.js" <<'J'
const fs = require('fs'), [, , root, out] = process.argv;
const file = `${root}/${fs.readdirSync(root, { recursive: true }).find(f => f.endsWith('.jsonl'))}`;
const rows = fs.readFileSync(file, 'utf8').trim().split('\n').map(l => JSON.parse(l)).filter(r => r.message?.usage);
const ids = new Map(rows.map(r => [r.message.id, r.message.usage]));
const sum = f => [...ids.values()].reduce((all, u) => all + f(u), 0);
const input = sum(u => u.input_tokens), output = sum(u => u.output_tokens);
const cached = sum(u => u.cache_creation_input_tokens + u.cache_read_input_tokens);
console.log(`rows with usage: ${rows.length}, with a stop reason ${rows.filter(r => r.message.stop_reason).length}, ids ${ids.size}`);
console.log(`once for each id: input ${input}, output ${output}, cached ${cached}, total ${input + output + cached}`);
fs.writeFileSync(out, JSON.stringify({ session_id: rows[0].sessionId, transcript_path: file, cwd: rows[0].cwd, version: rows[0].version,
  model: { id: 'claude-opus-4-8', display_name: 'Opus 4.8' }, workspace: { current_dir: rows[0].cwd, project_dir: rows[0].cwd } }));
J
kinds=(input output cached total)
widgets=$(printf '{"id":"%s","type":"tokens-%s"},{"id":"s%s","type":"separator"},' "${kinds[0]}" "${kinds[0]}" 1 "${kinds[1]}" "${kinds[1]}" 2 "${kinds[2]}" "${kinds[2]}" 3)
echo "{\"version\":3,\"lines\":[[$widgets{\"id\":\"total\",\"type\":\"tokens-total\"}],[],[]],\"colorLevel\":0,\"flexMode\":\"full\"}" \
  > "$dir/home/.config/ccstatusline/settings.json"
got=$(
  node "$dir/read.js" "$dir/home/.claude/projects" "$dir/status.json"
  line=$(cd "$dir/work" && env -i "${offline[@]}" "PATH=$PATH" "HOME=$dir/home" "TMPDIR=$dir/tmp" NO_COLOR=1 \
    timeout 60 node "$dir/npm/node_modules/ccstatusline/dist/ccstatusline.js" < "$dir/status.json")
  echo "ccstatusline: $(printf '%s' "$line" | sed -E 's/\x1b\[[0-9;]*m//g; s/[^[:alnum:]:.|]+/ /g; s/ *\| */, /g; s/^ | $//g')"
)
want='rows with usage: 4, with a stop reason 4, ids 2
once for each id: input 20, output 600, cached 50000, total 50620
ccstatusline: In: 40, Out: 1.2k, Cached: 100.0k, Total: 101.2k'
echo "Claude Code 2.1.332, ccstatusline 2.2.30"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
