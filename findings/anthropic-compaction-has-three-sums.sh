#!/usr/bin/env bash
# One answer of the Anthropic API with a compaction has 24,000, 57,500 or 207,500 tokens, by the library that was asked.
#
# Guess of an expert: the `usage` of an answer is what was billed, so each library reports its four numbers; or a library knows of
#           `usage.iterations` and adds all of the compaction, and then it is right.
# Truth:    the top level of `usage` does not include the compaction, which the server makes before the answer; it stands in
#           `usage.iterations` alone. LangChain reads the top level. Pydantic AI adds all of it. The AI SDK adds uncached input and
#           output of the compaction and not the input that it read from the cache. Without cache the last two agree.
# Versions: langchain-anthropic 1.7.10 and pydantic-ai-slim 2.68.0 with anthropic 2.14.0 (PyPI), ai 7.0.173 with @ai-sdk/anthropic
#           4.0.105 (npm). Seen on 2026-11-30.
# Output seen (a compaction with 180,000 tokens of input and 3,500 of output, then an answer with 23,000 and 1,000):
#   LangChain, no cache: input 23000, of it cached 0, output 1000; total 24000
#   LangChain, 150,000 read from the cache: input 23000, of it cached 0, output 1000; total 24000
#   Pydantic AI, no cache: input 203000, of it cached 0, output 4500; total 207500
#   Pydantic AI, 150,000 read from the cache: input 203000, of it cached 150000, output 4500; total 207500
#   AI SDK, no cache: input 203000, of it cached 0, output 4500; total 207500
#   AI SDK, 150,000 read from the cache: input 53000, of it cached 0, output 4500; total 57500
# Why it matters: a compaction is the largest request of a long session, and it happens inside an ordinary answer with one id. A log of
#           LangChain's numbers lacks nine tenths of its tokens. The AI SDK's looks mended, and is, until a prompt is cached.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$dir" || true' EXIT
python3.11 -m venv "$dir/v"
"$dir/v/bin/pip" install --quiet langchain-anthropic==1.7.10 'pydantic-ai-slim[anthropic]==2.68.0' anthropic==2.14.0 2>/dev/null
npm install --prefix "$dir" --silent --no-audit --no-fund ai@7.0.173 @ai-sdk/anthropic@4.0.105 >/dev/null 2>&1

cat > "$dir/api.py" <<'P'
import http.server
import json
import sys


def usage(given, cached, out):
    return {"input_tokens": given, "cache_read_input_tokens": cached, "cache_creation_input_tokens": 0, "output_tokens": out}


class Api(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        assert asked["context_management"]["edits"][0]["type"] == "compact_20260112"
        assert "compact-2026-01-12" in self.headers["anthropic-beta"]
        cached = 150000 if "cached" in json.dumps(asked["messages"]) else 0
        iterations = [{"type": "compaction", **usage(180000 - cached, cached, 3500)}, {"type": "message", **usage(23000, 0, 1000)}]
        body = json.dumps({
            "id": "msg_1", "type": "message", "role": "assistant", "model": asked["model"], "stop_reason": "end_turn", "stop_sequence": None,
            "content": [{"type": "compaction", "content": "A summary."}, {"type": "text", "text": "x"}],
            "usage": {**usage(23000, 0, 1000), "iterations": iterations},
        }).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
with open(sys.argv[1], "w") as file:
    file.write(str(server.server_port))
server.serve_forever()
P
python3.11 "$dir/api.py" "$dir/port" & server=$!
for _ in $(seq 100); do [ -s "$dir/port" ] && break; sleep 0.1; done
url=http://127.0.0.1:$(cat "$dir/port")

cat > "$dir/run.py" <<'P'
import sys

from langchain_anthropic import ChatAnthropic
from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicCompaction, AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider

url = sys.argv[1]
CASES = {"no cache": "x", "150,000 read from the cache": "cached"}
chat = ChatAnthropic(
    model="claude-opus-4-6", base_url=url, api_key="dummy",
    betas=["compact-2026-01-12"], context_management={"edits": [{"type": "compact_20260112"}]},
)
for name, text in CASES.items():
    seen = chat.invoke(text).usage_metadata
    cached = seen["input_token_details"]["cache_read"]
    print(f"LangChain, {name}: input {seen['input_tokens']}, of it cached {cached}, output {seen['output_tokens']}; total {seen['total_tokens']}")
model = AnthropicModel("claude-opus-4-6", provider=AnthropicProvider(base_url=url, api_key="dummy"))
agent = Agent(model, capabilities=[AnthropicCompaction()], model_settings={"max_tokens": 4096})
for name, text in CASES.items():
    seen = agent.run_sync(text).usage
    print(
        f"Pydantic AI, {name}: input {seen.input_tokens}, of it cached {seen.cache_read_tokens}, output {seen.output_tokens}; "
        f"total {seen.total_tokens}"
    )
P
cat > "$dir/run.mjs" <<'J'
import { createAnthropic } from '@ai-sdk/anthropic';
import { generateText } from 'ai';

const anthropic = createAnthropic({ apiKey: 'dummy', baseURL: `${process.argv[2]}/v1` });
const providerOptions = { anthropic: { contextManagement: { edits: [{ type: 'compact_20260112' }] } } };
for (const [name, prompt] of [['no cache', 'x'], ['150,000 read from the cache', 'cached']]) {
  const { usage } = await generateText({ model: anthropic('claude-opus-4-6'), prompt, providerOptions });
  console.log(`AI SDK, ${name}: input ${usage.inputTokens}, of it cached ${usage.inputTokenDetails.cacheReadTokens}, `
    + `output ${usage.outputTokens}; total ${usage.totalTokens}`);
}
J
alone() {
  (cd "$dir" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" HTTPS_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1 timeout 120 "$@" 2>/dev/null)
}
got=$(
  alone "$dir/v/bin/python" run.py "$url"
  alone node run.mjs "$url"
)
want='LangChain, no cache: input 23000, of it cached 0, output 1000; total 24000
LangChain, 150,000 read from the cache: input 23000, of it cached 0, output 1000; total 24000
Pydantic AI, no cache: input 203000, of it cached 0, output 4500; total 207500
Pydantic AI, 150,000 read from the cache: input 203000, of it cached 150000, output 4500; total 207500
AI SDK, no cache: input 203000, of it cached 0, output 4500; total 207500
AI SDK, 150,000 read from the cache: input 53000, of it cached 0, output 4500; total 57500'
echo "langchain-anthropic 1.7.10, pydantic-ai-slim 2.68.0, ai 7.0.173 with @ai-sdk/anthropic 4.0.105"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
