#!/usr/bin/env bash
# Through LangChain, Langfuse gets the cache writes of an answer twice if it was not streamed, and under other names if it was.
#
# Guess of an expert: the handler turns the usage of each provider into the same parts, which add up to the total, streamed or not.
# Truth:    of a whole answer of Anthropic, langfuse 5.0.4 sends the cache writes as one part and once more by lifetime, and no
#           total. Its server sums up all parts if there is no total, says its documentation: 31,500 for 26,500 tokens. The same
#           answer streamed has the true total, and of its five parts of input only `input` keeps its name. OpenAI's is right both ways.
# Versions: langfuse 5.0.4, langchain 1.5.2, langchain-anthropic 1.7.10, langchain-openai 1.7.4, anthropic 2.14.0, openai 3.57.0 (PyPI).
#           Seen on 2026-11-30.
# Output seen (input 1,000, read 20,000, written 1,000 for five minutes and 4,000 for an hour, output 500: 26,500):
#   anthropic: total none, parts 31500
#     cache_creation_ephemeral_1h_input_tokens 4000, cache_creation_ephemeral_5m_input_tokens 1000, cache_creation_input_tokens 5000, cache_read_input_tokens 20000, input 1000, output 500
#   anthropic streamed: total 26500, parts 26500
#     input 1000, input_cache_creation 0, input_cache_read 20000, input_ephemeral_1h_input_tokens 4000, input_ephemeral_5m_input_tokens 1000, output 500
#   openai: total 26500, parts 26500
#     input 1000, input_cache_creation 5000, input_cache_read 20000, output 500
#   openai streamed: total 26500, parts 26500
#     input 1000, input_cache_creation 5000, input_cache_read 20000, output 500
# Why it matters: tokens of agents that write their cache are too many by each write, and the same prompt is another number after a change of
#           `invoke` to `stream`. A list of prices must know all names, and not price both `cache_creation_input_tokens` and its two
#           parts: at 6.25 and 10 dollars per million these writes would cost 0.0775 instead of 0.0463 dollars.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
python3.11 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet langfuse==5.0.4 langchain==1.5.2 langchain-anthropic==1.7.10 langchain-openai==1.7.4 anthropic==2.14.0 \
  openai==3.57.0 2>/dev/null

cat > "$dir/run.py" <<'P'
import http.server
import json
import logging
import threading

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

logging.disable(logging.CRITICAL)
CLAUDE = {"input_tokens": 1000, "cache_read_input_tokens": 20000, "cache_creation_input_tokens": 5000, "output_tokens": 500,
          "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 4000}}
GPT = {"prompt_tokens": 26000, "completion_tokens": 500, "total_tokens": 26500,
       "prompt_tokens_details": {"cached_tokens": 20000, "cache_write_tokens": 5000}}


def claude(streamed):
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-8", "stop_sequence": None}
    text = {"type": "text", "text": "x"}
    if not streamed:
        return message | {"content": [text], "stop_reason": "end_turn", "usage": CLAUDE}
    return [{"type": "message_start", "message": message | {"content": [], "stop_reason": None, "usage": CLAUDE | {"output_tokens": 1}}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": CLAUDE},
            {"type": "message_stop"}]


def gpt(streamed):
    head, message = {"id": "c1", "created": 1, "model": "gpt-5"}, {"role": "assistant", "content": "x"}
    if not streamed:
        return head | {"object": "chat.completion", "choices": [{"index": 0, "finish_reason": "stop", "message": message}], "usage": GPT}
    head["object"] = "chat.completion.chunk"
    return [head | {"choices": [{"index": 0, "finish_reason": "stop", "delta": message}]}, head | {"choices": [], "usage": GPT}]


class Api(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = self.rfile.read(int(self.headers["content-length"]))
        answer = {}
        if self.path.endswith(("/messages", "/completions")):
            answer = (claude if self.path.endswith("/messages") else gpt)(json.loads(asked).get("stream"))
        streamed = isinstance(answer, list)
        text = "".join(f"event: {e.get('type', 'message')}\ndata: {json.dumps(e)}\n\n" for e in answer) if streamed else json.dumps(answer)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if streamed else "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"

from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI
from langfuse import Langfuse
from langfuse.langchain import CallbackHandler

kept, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(kept))
Langfuse(public_key="dummy", secret_key="dummy", base_url=url, tracer_provider=provider)
asked = {"config": {"callbacks": [CallbackHandler()]}}
models = {"anthropic": ChatAnthropic(model="claude-opus-4-8", base_url=url, api_key="dummy"),
          "openai": ChatOpenAI(model="gpt-5", base_url=f"{url}/v1", api_key="dummy", stream_usage=True)}
for name, model in models.items():
    for way in "", " streamed":
        kept.clear()
        list(model.stream("x", **asked)) if way else model.invoke("x", **asked)
        [found] = [s.attributes for s in kept.get_finished_spans() if "langfuse.observation.usage_details" in s.attributes]
        parts = json.loads(found["langfuse.observation.usage_details"])
        total = parts.pop("total", "none")
        print(f"{name}{way}: total {total}, parts {sum(parts.values())}")
        print("  " + ", ".join(f"{part} {parts[part]}" for part in sorted(parts)))
P
got=$(cd "$dir" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" HTTPS_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1 \
  timeout 200 "$dir/venv/bin/python" run.py 2>/dev/null)
want='anthropic: total none, parts 31500
  cache_creation_ephemeral_1h_input_tokens 4000, cache_creation_ephemeral_5m_input_tokens 1000, cache_creation_input_tokens 5000, cache_read_input_tokens 20000, input 1000, output 500
anthropic streamed: total 26500, parts 26500
  input 1000, input_cache_creation 0, input_cache_read 20000, input_ephemeral_1h_input_tokens 4000, input_ephemeral_5m_input_tokens 1000, output 500
openai: total 26500, parts 26500
  input 1000, input_cache_creation 5000, input_cache_read 20000, output 500
openai streamed: total 26500, parts 26500
  input 1000, input_cache_creation 5000, input_cache_read 20000, output 500'
echo "langfuse 5.0.4, langchain 1.5.2, langchain-anthropic 1.7.10, langchain-openai 1.7.4"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
