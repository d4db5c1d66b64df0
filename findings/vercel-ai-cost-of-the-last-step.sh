#!/usr/bin/env bash
# In one result of the AI SDK `usage` is the whole run, and the cost that the provider stated beside it is the last step alone.
#
# Guess of an expert: `usage` and `providerMetadata` of one result cover the same, the last step, as in version 6, where `totalUsage` is
#           the sum; so a cost beside the tokens is the cost of these tokens.
# Truth:    in ai 7.0.173 `usage` became the sum of all steps, as `totalUsage` is. `providerMetadata`, with the cost that OpenRouter billed,
#           stayed the last step. The raw usage, which has the cost, too, is there after one step and gone after two. Streamed or not
#           is the same. Only a sum over `steps` gives the cost.
# Versions: ai 7.0.173 with @openrouter/ai-sdk-provider 3.1.0, and ai 6.0.326 with 2.10.0 (npm). Seen on 2026-11-30.
# Output seen (a call of a tool for 0.08 dollars without cache, then an answer for 0.02 dollars that reads 9,000; 10,500 tokens each):
#   ai 7: usage 21000 with 9000 cached, totalUsage 21000, cost beside it 0.02, raw none; steps 10500 for 0.08, 10500 for 0.02
#   ai 7 streamed: usage 21000 with 9000 cached, totalUsage 21000, cost beside it 0.02, raw none; steps 10500 for 0.08, 10500 for 0.02
#   ai 7, one step: usage 10500 with 9000 cached, totalUsage 10500, cost beside it 0.02, raw 0.02; steps 10500 for 0.02
#   ai 6: usage 10500 with 9000 cached, totalUsage 21000, cost beside it 0.02, raw 0.02; steps 10500 for 0.08, 10500 for 0.02
# Why it matters: a log that keeps `usage` and the stated cost of a result books 21,000 tokens for 0.02 dollars, a fifth of the 0.10 that were
#           billed. With version 6 the same code booked half of the tokens, at a fitting cost. No field tells the two apart.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
npm install --prefix "$dir/7" --silent --no-audit --no-fund ai@7.0.173 @openrouter/ai-sdk-provider@3.1.0 zod@4 >/dev/null 2>&1
npm install --prefix "$dir/6" --silent --no-audit --no-fund ai@6.0.326 @openrouter/ai-sdk-provider@2.10.0 zod@4 >/dev/null 2>&1

cat > "$dir/run.mjs" <<'J'
import http from 'node:http';
import { createOpenRouter } from '@openrouter/ai-sdk-provider';
import { generateText, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';

const answer = (body) => {
  const last = JSON.stringify(body.messages).includes('"tool"') || !body.tools;
  const call = { index: 0, id: 'call_1', type: 'function', function: { name: 'look', arguments: '{}' } };
  return {
    head: { id: 'gen-1', provider: 'Anthropic', model: body.model, created: 1 },
    message: last ? { role: 'assistant', content: 'x' } : { role: 'assistant', content: null, tool_calls: [call] },
    finish_reason: last ? 'stop' : 'tool_calls',
    usage: { prompt_tokens: 10000, completion_tokens: 500, total_tokens: 10500, cost: last ? 0.02 : 0.08, prompt_tokens_details: { cached_tokens: last ? 9000 : 0 } },
  };
};
const server = http.createServer((q, s) => {
  let text = '';
  q.on('data', d => text += d).on('end', () => {
    const body = JSON.parse(text), { head, message, finish_reason, usage } = answer(body);
    if (!body.stream) {
      s.writeHead(200, { 'content-type': 'application/json' });
      return s.end(JSON.stringify({ ...head, object: 'chat.completion', choices: [{ index: 0, message, finish_reason }], usage }));
    }
    const send = (more) => s.write(`data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', ...more })}\n\n`);
    s.writeHead(200, { 'content-type': 'text/event-stream' });
    send({ choices: [{ index: 0, delta: message, finish_reason: null }] });
    send({ choices: [{ index: 0, delta: {}, finish_reason }] });
    send({ choices: [], usage });
    s.end('data: [DONE]\n\n');
  });
}).listen(0, '127.0.0.1');
await new Promise(done => server.on('listening', done));

const openrouter = createOpenRouter({ apiKey: 'dummy', baseURL: `http://127.0.0.1:${server.address().port}/v1` });
const [, , kind] = process.argv;
const asked = { model: openrouter('anthropic/claude-opus-4.8'), prompt: 'x', stopWhen: stepCountIs(3) };
if (kind !== 'short') asked.tools = { look: tool({ inputSchema: z.object({}), execute: async () => 'seen' }) };
const result = kind === 'streamed' ? streamText(asked) : await generateText(asked);
if (kind === 'streamed') for await (const part of result.fullStream) void part;
const usage = await result.usage, total = await result.totalUsage, metadata = await result.providerMetadata, steps = await result.steps;
const cost = (of) => of.openrouter.usage.cost;
console.log(`usage ${usage.totalTokens} with ${usage.inputTokenDetails.cacheReadTokens} cached, totalUsage ${total.totalTokens}, `
  + `cost beside it ${cost(metadata)}, raw ${usage.raw?.cost ?? 'none'}; `
  + `steps ${steps.map(step => `${step.usage.totalTokens} for ${cost(step.providerMetadata)}`).join(', ')}`);
server.close();
server.closeAllConnections();
J
seen() { # version, kind
  cp "$dir/run.mjs" "$dir/$1/run.mjs"
  (cd "$dir/$1" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" HTTPS_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1 \
    timeout 60 node run.mjs "$2" 2>/dev/null)
}
got=$(
  echo "ai 7: $(seen 7 whole)"
  echo "ai 7 streamed: $(seen 7 streamed)"
  echo "ai 7, one step: $(seen 7 short)"
  echo "ai 6: $(seen 6 whole)"
)
want='ai 7: usage 21000 with 9000 cached, totalUsage 21000, cost beside it 0.02, raw none; steps 10500 for 0.08, 10500 for 0.02
ai 7 streamed: usage 21000 with 9000 cached, totalUsage 21000, cost beside it 0.02, raw none; steps 10500 for 0.08, 10500 for 0.02
ai 7, one step: usage 10500 with 9000 cached, totalUsage 10500, cost beside it 0.02, raw 0.02; steps 10500 for 0.02
ai 6: usage 10500 with 9000 cached, totalUsage 21000, cost beside it 0.02, raw 0.02; steps 10500 for 0.08, 10500 for 0.02'
echo "ai 7.0.173 and 6.0.326, @openrouter/ai-sdk-provider 3.1.0 and 2.10.0"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
