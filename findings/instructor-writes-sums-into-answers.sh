#!/usr/bin/env bash
# Instructor changes the usage of each answer to the sum of all tries so far, in place, for chat completions and not for the Responses API.
#
# Guess of an expert: a completion that instructor hands over or keeps is as the API sent it. If the tries are summed, the sum stands in an
#           object of its own (`total_usage`), and it does not matter which API of OpenAI was asked.
# Truth:    after the hook `completion:response` was called, the `usage` of that same answer becomes the sum of this and all earlier tries,
#           with cached tokens, and with the cost that a router stated. Whoever kept the answers sees 10000, 21000, 33000 for tries
#           of 10000, 11000 and 12000. So do the failed attempts of an exception. With the Responses API nothing is summed: the final
#           answer has the last try alone, the hook `completion:usage` is silent, and `total_usage` of the exception is 0.
# Versions: instructor 1.17.0 with openai 2.54.0 (PyPI). Seen on 2026-11-30.
# Output seen (input tokens; three tries of 10000, 11000 and 12000, the third is valid, for 0.01 dollars each; then three that fail):
#   chat: 3 requests; the answer 33000, 0.03 dollars; in the hook 10000 11000 12000; kept by the hook 10000 21000 33000; usage hook 10000 21000 33000
#   chat, all fail: 3 requests; attempts 10000 21000 33000; last completion 33000; total usage 33000
#   responses: 3 requests; the answer 12000; in the hook 10000 11000 12000; kept by the hook 10000 11000 12000; usage hook none
#   responses, all fail: 3 requests; attempts 10000 11000 12000; last completion 12000; total usage 0
# Why it matters: a log that keeps answers in a list and writes them later books 64000 for 33000 tokens, one that writes in the hook is
#           right. After a move to the Responses API the first is right, and a log of final answers, right before, lacks all failed
#           tries. The id of the answer is that of the last try each time.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
python3.11 -m venv "$dir/v"
"$dir/v/bin/pip" install --quiet instructor==1.17.0 openai==2.54.0 2>/dev/null

cat > "$dir/run.py" <<'P'
import http.server
import json
import threading

import instructor
import openai
from instructor.core import InstructorRetryException
from pydantic import BaseModel


class Api(http.server.BaseHTTPRequestHandler):
    asked = 0
    valid = 3

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        Api.asked += 1
        arguments = '{"age": 5}' if Api.asked >= Api.valid else '{"age": "old"}'
        spent = 9000 + 1000 * Api.asked
        [tool] = asked["tools"]
        if self.path.endswith("/responses"):
            call = {"type": "function_call", "id": "f", "call_id": "t", "name": tool["name"], "arguments": arguments, "status": "completed"}
            answer = {
                "id": f"a{Api.asked}", "object": "response", "created_at": 1, "model": "gpt-4.1", "status": "completed",
                "output": [call], "parallel_tool_calls": False, "tool_choice": "auto", "tools": [],
                "usage": {
                    "input_tokens": spent, "output_tokens": 50, "total_tokens": spent + 50,
                    "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0},
                },
            }
        else:
            function = {"name": tool["function"]["name"], "arguments": arguments}
            message = {"role": "assistant", "content": None, "tool_calls": [{"id": "t", "type": "function", "function": function}]}
            answer = {
                "id": f"a{Api.asked}", "object": "chat.completion", "created": 1, "model": "gpt-4.1",
                "choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}],
                "usage": {"prompt_tokens": spent, "completion_tokens": 50, "total_tokens": spent + 50, "cost": 0.01},
            }
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class User(BaseModel):
    age: int


def tokens(usage):
    return getattr(usage, "input_tokens", None) or getattr(usage, "prompt_tokens", 0)


def listed(numbers):
    return " ".join(map(str, numbers)) or "none"


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=server.serve_forever, daemon=True).start()
api = openai.OpenAI(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="dummy")
for name, mode in [("chat", instructor.Mode.TOOLS), ("responses", instructor.Mode.RESPONSES_TOOLS)]:
    client = instructor.from_openai(api, mode=mode)
    kept, at_once, summed = [], [], []
    client.on("completion:response", lambda answer, to=(kept, at_once): (to[0].append(answer), to[1].append(tokens(answer.usage))))
    client.on("completion:usage", lambda usage, to=summed, **_: to.append(tokens(usage)))
    question = {"model": "gpt-4.1", "response_model": User, "messages": [{"role": "user", "content": "x"}], "max_retries": 2}
    Api.asked, Api.valid = 0, 3
    user, answer = client.create_with_completion(**question)
    assert user.age == 5 and answer.id == "a3" and answer is kept[-1]
    cost = f", {answer.usage.cost} dollars" if name == "chat" else ""
    print(
        f"{name}: {Api.asked} requests; the answer {tokens(answer.usage)}{cost}; in the hook {listed(at_once)}; "
        f"kept by the hook {listed(tokens(one.usage) for one in kept)}; usage hook {listed(summed)}"
    )
    Api.asked, Api.valid = 0, 9
    try:
        client.create(**question)
    except InstructorRetryException as failure:
        attempts = listed(tokens(one.completion.usage) for one in failure.failed_attempts)
        print(
            f"{name}, all fail: {Api.asked} requests; attempts {attempts}; "
            f"last completion {tokens(failure.last_completion.usage)}; total usage {tokens(failure.total_usage)}"
        )
P
got=$(cd "$dir" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" HTTPS_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1 \
  timeout 120 "$dir/v/bin/python" run.py 2>/dev/null)
want='chat: 3 requests; the answer 33000, 0.03 dollars; in the hook 10000 11000 12000; kept by the hook 10000 21000 33000; usage hook 10000 21000 33000
chat, all fail: 3 requests; attempts 10000 21000 33000; last completion 33000; total usage 33000
responses: 3 requests; the answer 12000; in the hook 10000 11000 12000; kept by the hook 10000 11000 12000; usage hook none
responses, all fail: 3 requests; attempts 10000 11000 12000; last completion 12000; total usage 0'
echo "instructor 1.17.0 with openai 2.54.0"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
