#!/usr/bin/env bash
# Claude Code states a cost for a model that it has never heard of, at prices that no model has.
#
# Guess of an expert: a model without a known price (a gateway's GLM or Kimi) costs 0, or null, or nothing is stated.
# Truth:    Claude Code 2.1.332 takes 4 dollars a million input tokens and 20 a million output tokens, whatever the name.
#           Result and `cost-state` say so as for a known model. `hasUnknownModelCost` is true, one for a whole session: a
#           session with a known and an unknown model does not tell which amount is invented.
#           Claude Code 1.0.3 takes the price of Sonnet, writes it as `costUSD` behind the answer, and has no such mark.
# Versions: @anthropic-ai/claude-code 2.1.332 and 1.0.3 (npm). Seen on 2026-11-29.
# Output seen:
#   2.1.332 glm-4.6: a million input tokens 4, a tenth of a million output tokens 2, mark true
#   2.1.332 never-heard-of: a million input tokens 4, a tenth of a million output tokens 2, mark true
#   2.1.332 claude-opus-4-8: a million input tokens 5, a tenth of a million output tokens 2.5, mark false
#   1.0.3 glm-4.6: a million input tokens 3, a tenth of a million output tokens 1.5, mark none
# Why it matters: "the tool's own cost" is what a reader trusts most. Behind a gateway it is a guess that looks recorded.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$dir" || true' EXIT
for version in 2.1.332 1.0.3; do
  npm install --prefix "$dir/$version" --silent --no-audit --no-fund "@anthropic-ai/claude-code@$version" >/dev/null 2>&1
done
node "$dir/2.1.332/node_modules/@anthropic-ai/claude-code/install.cjs"

cat > "$dir/fake.js" <<'J'
// Answers every question, with the usage that the first argument holds; writes its port into the second.
const http = require('http'), fs = require('fs');
const [, , counts, portFile] = process.argv;
const usage = { cache_creation_input_tokens: 0, cache_read_input_tokens: 0, ...JSON.parse(counts) };
http.createServer((question, answer) => {
  let body = '';
  question.on('data', part => body += part).on('end', () => {
    if (question.method !== 'POST' || !question.url.startsWith('/v1/messages')) { answer.writeHead(404); return answer.end('{}'); }
    const { model } = JSON.parse(body);
    const send = (type, more) => answer.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`);
    answer.writeHead(200, { 'content-type': 'text/event-stream', 'request-id': 'req_1' });
    send('message_start', { message: { id: 'msg_1', type: 'message', role: 'assistant', model, content: [], stop_reason: null, stop_sequence: null, usage } });
    send('content_block_start', { index: 0, content_block: { type: 'text', text: '' } });
    send('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'hello' } });
    send('content_block_stop', { index: 0 });
    send('message_delta', { delta: { stop_reason: 'end_turn', stop_sequence: null }, usage });
    send('message_stop', {});
    answer.end();
  });
}).listen(0, '127.0.0.1', function () { fs.writeFileSync(portFile, String(this.address().port)); });
J
cat > "$dir/read.js" <<'J'
// Prints the cost of the model and the mark: of the result, of the line `cost-state` or of the answer's own line.
const fs = require('fs'), [, , home, result] = process.argv;
const root = `${home}/.claude/projects`;
const rows = fs.readdirSync(root, { recursive: true }).filter(f => f.endsWith('.jsonl'))
  .flatMap(f => fs.readFileSync(`${root}/${f}`, 'utf8').trim().split('\n').map(l => JSON.parse(l)));
const state = rows.findLast(r => r.type === 'cost-state'), answer = rows.findLast(r => r.type === 'assistant');
const said = JSON.parse(fs.readFileSync(result, 'utf8')), total = said.total_cost_usd ?? said.total_cost;
const cost = state ? Object.values(state.modelUsage)[0].costUSD : answer.costUSD;
console.log(cost === total ? cost : `${cost}, result ${total}`, state ? state.hasUnknownModelCost : 'none');
J
ask() { # version model usage: prints "cost mark"
  local home="$dir/home"
  rm -rf "$home" "$dir/port"
  mkdir -p "$home/work" "$home/tmp"
  node "$dir/fake.js" "$3" "$dir/port" >/dev/null & server=$!
  for _ in $(seq 100); do [ -s "$dir/port" ] && break; sleep 0.1; done
  # Old versions lead also loopback through a proxy, so none is named; the machine's own ones do not come along.
  (cd "$home/work" && env -i "PATH=$PATH" "HOME=$home" "TMPDIR=$home/tmp" ANTHROPIC_API_KEY=dummy DISABLE_AUTOUPDATER=1 \
    "ANTHROPIC_BASE_URL=http://127.0.0.1:$(cat "$dir/port")" CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 \
    timeout 90 "$dir/$1/node_modules/.bin/claude" --model "$2" -p hello --output-format json </dev/null >"$dir/result" 2>/dev/null)
  kill "$server"; wait "$server" 2>/dev/null || true; server=
  node "$dir/read.js" "$home" "$dir/result"
}
said() { # version model
  local input output
  input=$(ask "$1" "$2" '{"input_tokens":1000000,"output_tokens":0}')
  output=$(ask "$1" "$2" '{"input_tokens":0,"output_tokens":100000}')
  echo "$1 $2: a million input tokens ${input% *}, a tenth of a million output tokens ${output% *}, mark ${output##* }"
}
got=$(said 2.1.332 glm-4.6; said 2.1.332 never-heard-of; said 2.1.332 claude-opus-4-8; said 1.0.3 glm-4.6)
want='2.1.332 glm-4.6: a million input tokens 4, a tenth of a million output tokens 2, mark true
2.1.332 never-heard-of: a million input tokens 4, a tenth of a million output tokens 2, mark true
2.1.332 claude-opus-4-8: a million input tokens 5, a tenth of a million output tokens 2.5, mark false
1.0.3 glm-4.6: a million input tokens 3, a tenth of a million output tokens 1.5, mark none'
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
