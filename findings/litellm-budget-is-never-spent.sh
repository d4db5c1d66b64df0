#!/usr/bin/env bash
# The budget of LiteLLM refuses the next request once it is spent, and no answer ever spends it.
#
# Guess of an expert: `litellm.max_budget`, "the max budget across all providers", is compared with the sum of what LiteLLM priced in this
#           process. So it is late by one answer, perhaps by those that run at the same time, and then raises `BudgetExceededError`.
# Truth:    the check is there before each request, but the sum that it reads stays 0: none of the usual calls adds to it, whole or streamed,
#           awaited or not. The same answers carry their cost, a callback gets it, and a `BudgetManager` adds it up. A manager, in turn,
#           refuses nothing. No warning says that the budget has no effect.
# Versions: litellm 1.110.2 (PyPI). Seen on 2026-11-30.
# Output seen (a budget of 0.01 dollars; three calls of each kind in one process):
#   completion: 3 of 3 answered, callbacks got 0.612, counted against the budget 0.0
#   completion, streamed: 3 of 3 answered, callbacks got 0.612, counted against the budget 0.0
#   acompletion: 3 of 3 answered, callbacks got 0.612, counted against the budget 0.0
#   responses: 3 of 3 answered, callbacks got 0.612, counted against the budget 0.0
#   messages of Anthropic: 3 of 3 answered, callbacks got 1.537, counted against the budget 0.0
#   embedding: 3 of 3 answered, callbacks got 0.06, counted against the budget 0.0
#   with a budget manager: 3 of 3 answered, callbacks got 0.612, counted against the budget 0.0, manager 0.612 of 0.01
#   with the counter set by hand to 0.02: 0 of 3 answered
# Why it matters: a script that runs unattended with a budget of one cent spends without an end. A reader who takes the absence of
#           `BudgetExceededError` for "below the budget" is wrong by any factor. Only a sum over callbacks or answers is the truth.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
python3.11 -m venv "$dir/v"
"$dir/v/bin/pip" install --quiet litellm==1.110.2 2>/dev/null

cat > "$dir/run.py" <<'P'
import asyncio
import http.server
import json
import threading

import litellm
from litellm.integrations.custom_logger import CustomLogger


class Api(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        usage = {"prompt_tokens": 100000, "completion_tokens": 500, "total_tokens": 100500}
        head = {"id": "a", "created": 1, "model": "gpt-4.1"}
        message = {"role": "assistant", "content": "x"}
        if asked.get("stream"):
            parts = [
                {"choices": [{"index": 0, "delta": message, "finish_reason": None}]},
                {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
                {"choices": [], "usage": usage},
            ]
            rows = [json.dumps({**head, "object": "chat.completion.chunk", **part}) for part in parts]
            return self.say("text/event-stream", "".join(f"data: {row}\n\n" for row in [*rows, "[DONE]"]))
        if self.path.endswith("/embeddings"):
            body = {
                "object": "list", "model": "text-embedding-3-small", "data": [{"object": "embedding", "index": 0, "embedding": [0.1]}],
                "usage": {"prompt_tokens": 1000000, "total_tokens": 1000000},
            }
        elif self.path.endswith("/responses"):
            body = {
                "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "gpt-4.1", "tools": [],
                "tool_choice": "auto", "parallel_tool_calls": True,
                "output": [{
                    "type": "message", "id": "m", "role": "assistant", "status": "completed",
                    "content": [{"type": "output_text", "text": "x", "annotations": []}],
                }],
                "usage": {
                    "input_tokens": 100000, "input_tokens_details": {"cached_tokens": 0},
                    "output_tokens": 500, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 100500,
                },
            }
        elif self.path.endswith("/messages"):
            body = {
                "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-5", "content": [{"type": "text", "text": "x"}],
                "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 100000, "output_tokens": 500},
            }
        else:
            body = {**head, "object": "chat.completion", "choices": [{"index": 0, "finish_reason": "stop", "message": message}], "usage": usage}
        self.say("application/json", json.dumps(body))

    def say(self, kind, text):
        body = text.encode()
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Priced(CustomLogger):
    """The costs that callbacks get, which LiteLLM calls after it did its own counting."""

    def __init__(self):
        super().__init__()
        self.costs = []
        self.arrived = threading.Semaphore(0)

    def log_success_event(self, kwargs, response_obj, start_time, end_time):
        if kwargs.get("response_cost") is not None:
            self.costs.append(kwargs["response_cost"])
            self.arrived.release()

    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        self.log_success_event(kwargs, response_obj, start_time, end_time)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=server.serve_forever, daemon=True).start()
root = f"http://127.0.0.1:{server.server_port}"
openai = {"api_base": f"{root}/v1", "api_key": "dummy"}
words = [{"role": "user", "content": "x"}]
gpt = {"model": "openai/gpt-4.1", "messages": words, **openai}
priced = Priced()
litellm.callbacks = [priced]
litellm.max_budget = 0.01


def streamed():
    for part in litellm.completion(**gpt, stream=True, stream_options={"include_usage": True}):
        del part


def awaited(call):
    async def once():
        await call()
        await asyncio.get_running_loop().run_in_executor(None, priced.arrived.acquire, True, 30)
        priced.arrived.release()

    return lambda: asyncio.run(once())


def three(name, call, after=lambda: ""):
    priced.costs.clear()
    answered = 0
    for _ in range(3):
        try:
            call()
        except litellm.BudgetExceededError:
            continue
        answered += 1
        assert priced.arrived.acquire(timeout=30), "no callback came"
    told = f", callbacks got {round(sum(priced.costs), 3)}, counted against the budget {litellm._current_cost}" if answered else ""
    print(f"{name}: {answered} of 3 answered{told}{after()}")


three("completion", lambda: litellm.completion(**gpt))
three("completion, streamed", streamed)
three("acompletion", awaited(lambda: litellm.acompletion(**gpt)))
three("responses", lambda: litellm.responses(model="openai/gpt-4.1", input="x", **openai))
claude = {"model": "anthropic/claude-opus-4-5", "messages": words, "max_tokens": 1000, "api_base": root, "api_key": "dummy"}
three("messages of Anthropic", awaited(lambda: litellm.anthropic.messages.acreate(**claude)))
three("embedding", lambda: litellm.embedding(model="openai/text-embedding-3-small", input=["x"], **openai))
manager = litellm.BudgetManager("any")
manager.create_budget(total_budget=0.01, user="me")
three(
    "with a budget manager",
    lambda: manager.update_cost(user="me", completion_obj=litellm.completion(**gpt)),
    lambda: f", manager {round(manager.get_current_cost('me'), 3)} of {manager.get_total_budget('me')}",
)
litellm._current_cost = 0.02
three("with the counter set by hand to 0.02", lambda: litellm.completion(**gpt))
P
got=$(cd "$dir" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" LITELLM_LOCAL_MODEL_COST_MAP=True HTTPS_PROXY=http://127.0.0.1:9 \
  NO_PROXY=127.0.0.1 timeout 120 "$dir/v/bin/python" run.py 2>/dev/null)
want='completion: 3 of 3 answered, callbacks got 0.612, counted against the budget 0.0
completion, streamed: 3 of 3 answered, callbacks got 0.612, counted against the budget 0.0
acompletion: 3 of 3 answered, callbacks got 0.612, counted against the budget 0.0
responses: 3 of 3 answered, callbacks got 0.612, counted against the budget 0.0
messages of Anthropic: 3 of 3 answered, callbacks got 1.537, counted against the budget 0.0
embedding: 3 of 3 answered, callbacks got 0.06, counted against the budget 0.0
with a budget manager: 3 of 3 answered, callbacks got 0.612, counted against the budget 0.0, manager 0.612 of 0.01
with the counter set by hand to 0.02: 0 of 3 answered'
echo "litellm 1.110.2"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
