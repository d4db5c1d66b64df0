#!/usr/bin/env bash
# tokenlens bills cached input at the full price and then again at the price for reading the cache.
#
# Guess of an expert: a library that knows both prices and reads "cached" out of the usage takes the cached tokens out of the input, which
#           contains them for OpenAI and for the AI SDK, whose usage it is made for.
# Truth:    tokenlens 1.3.1 multiplies the whole input with the full price and adds the cached tokens at theirs. It is right for the
#           usage of Anthropic alone, whose input excludes the cache. In the usage of OpenAI's Responses API it does not see the
#           cached tokens, which comes closer to the truth than where it sees them.
# Versions: tokenlens 1.3.1 (npm), genai-prices 0.2.3 (PyPI) for comparison. Seen on 2026-11-30.
# Output seen (dollars; input 26,000 of which 20,000 read from the cache, for Anthropic 5,000 written; output 500):
#   AI SDK, openai:gpt-5: 0.0401 (input 0.0325, cached 0.0026), genai-prices 0.0150
#   AI SDK, openai:o3: 0.0660 (input 0.0520, cached 0.0100), genai-prices 0.0260
#   AI SDK, google:gemini-2.5-flash: 0.0105 (input 0.0078, cached 0.0015), genai-prices 0.0036
#   chat, openai:gpt-5: 0.0401 (input 0.0325, cached 0.0026), genai-prices 0.0150
#   responses, openai:gpt-5: 0.0375 (input 0.0325, cached none), genai-prices 0.0150
#   Anthropic, anthropic:claude-opus-4-1-20250805: 0.1762 (input 0.0150, cached 0.0300), genai-prices 0.1762
# Why it matters: an agent reads most of its input from the cache. Here 0.0401 instead of 0.0150 dollars is 2.7 times the price, and
#           the more is cached, the nearer it comes to eleven times: caching seems to make requests dearer.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
npm install --prefix "$dir/npm" --silent --no-audit --no-fund --ignore-scripts tokenlens@1.3.1 >/dev/null 2>&1
python3.11 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet genai-prices==0.2.3 2>/dev/null

cat > "$dir/npm/run.mjs" <<'J'
import { getUsage } from "tokenlens";

const sdk = { inputTokens: 26000, cachedInputTokens: 20000, outputTokens: 500, reasoningTokens: 400, totalTokens: 26500 };
const chat = { prompt_tokens: 26000, completion_tokens: 500, total_tokens: 26500, prompt_tokens_details: { cached_tokens: 20000 },
  completion_tokens_details: { reasoning_tokens: 400 } };
const responses = { input_tokens: 26000, output_tokens: 500, total_tokens: 26500, input_tokens_details: { cached_tokens: 20000 },
  output_tokens_details: { reasoning_tokens: 400 } };
const anthropic = { input_tokens: 1000, cache_read_input_tokens: 20000, cache_creation_input_tokens: 5000, output_tokens: 500 };
const cases = [["AI SDK", "openai:gpt-5", sdk], ["AI SDK", "openai:o3", sdk], ["AI SDK", "google:gemini-2.5-flash", sdk],
  ["chat", "openai:gpt-5", chat], ["responses", "openai:gpt-5", responses], ["Anthropic", "anthropic:claude-opus-4-1-20250805", anthropic]];
const amount = (n) => (n === undefined ? "none" : n.toFixed(4));
for (const [form, modelId, usage] of cases) {
  const { totalUSD, inputUSD, cacheReadUSD } = getUsage({ modelId, usage }).costUSD;
  console.log(`${form}|${modelId}|${amount(totalUSD)} (input ${amount(inputUSD)}, cached ${amount(cacheReadUSD)})`);
}
J
cat > "$dir/run.py" <<'P'
import sys

from genai_prices import Usage, calc_price

for line in sys.stdin:
    form, model, found = line.rstrip("\n").split("|")
    provider, name = model.split(":")
    written = 5000 if form == "Anthropic" else 0
    usage = Usage(input_tokens=26000, cache_read_tokens=20000, cache_write_tokens=written, output_tokens=500)
    print(f"{form}, {model}: {found}, genai-prices {calc_price(usage, name, provider_id=provider).total_price:.4f}")
P
got=$(cd "$dir/npm" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" HTTPS_PROXY=http://127.0.0.1:9 timeout 100 node run.mjs \
  | env -i "PATH=$PATH" "HOME=$dir" HTTPS_PROXY=http://127.0.0.1:9 timeout 100 "$dir/venv/bin/python" "$dir/run.py")
want='AI SDK, openai:gpt-5: 0.0401 (input 0.0325, cached 0.0026), genai-prices 0.0150
AI SDK, openai:o3: 0.0660 (input 0.0520, cached 0.0100), genai-prices 0.0260
AI SDK, google:gemini-2.5-flash: 0.0105 (input 0.0078, cached 0.0015), genai-prices 0.0036
chat, openai:gpt-5: 0.0401 (input 0.0325, cached 0.0026), genai-prices 0.0150
responses, openai:gpt-5: 0.0375 (input 0.0325, cached none), genai-prices 0.0150
Anthropic, anthropic:claude-opus-4-1-20250805: 0.1762 (input 0.0150, cached 0.0300), genai-prices 0.1762'
echo "tokenlens 1.3.1"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
