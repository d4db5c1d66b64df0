#!/usr/bin/env bash
# The usage of a run of smolagents holds the runs before it and lacks its managed agents, which forget their own with each new call.
#
# Guess of an expert: `RunResult.token_usage`, "count of tokens used during the run", is the sum of the requests of that run, those of managed
#           agents included; the monitor of the agent, which prints the running totals, ends with the same number.
# Truth:    the usage is a sum over the agent's memory. With `reset=False`, which continues a conversation, the memory holds earlier
#           runs, so their tokens are counted again (`timing` beside it is this run alone). A managed agent has a memory and a monitor of
#           its own, which are in no sum of its caller, and each new call empties them. A monitor counts steps and no plans.
# Versions: smolagents 1.26.0 with openai 2.54.0 (PyPI). Seen on 2026-11-30.
# Output seen (input tokens; 10,000 in each answer):
#   one run: billed 10000; result 10000, monitor 10000
#   continued: billed 10000; result 20000, monitor 20000
#   continued again: billed 10000; result 30000, monitor 30000
#   a run with a plan: billed 20000; result 20000, monitor 10000
#   a run that calls a managed agent twice: billed 70000; result 30000, monitor 30000; monitor of the managed agent 20000
#   its steps: 3 with tokens, 30000
# Why it matters: a log of results books 60000 for the first three runs, which were 30000, and more with each turn of a conversation. A
#           team of agents books the manager alone; of the last run 20000 tokens stand in no number of any agent.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
python3.11 -m venv "$dir/v"
"$dir/v/bin/pip" install --quiet 'smolagents[openai]==1.26.0' openai==2.54.0 2>/dev/null

cat > "$dir/run.py" <<'P'
import http.server
import json
import threading

from smolagents import OpenAIModel, ToolCallingAgent, tool


class Api(http.server.BaseHTTPRequestHandler):
    asked = 0

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        Api.asked += 1
        tools = [one["function"]["name"] for one in asked.get("tools", [])]
        text = json.dumps(asked["messages"])
        if not tools:
            message = {"role": "assistant", "content": "a plan"}
        else:
            missing = [part for part in ["first", "second"] if f"{part} part is done" not in text]
            if "helper" in tools and missing:
                call = {"name": "helper", "arguments": json.dumps({"task": f"the {missing[0]} part"})}
            elif "look" in tools and "seen it" not in text:
                call = {"name": "look", "arguments": "{}"}
            else:
                part = "second" if "the second part" in text else "first"
                call = {"name": "final_answer", "arguments": json.dumps({"answer": f"the {part} part is done"})}
            message = {"role": "assistant", "content": None, "tool_calls": [{"id": f"t{Api.asked}", "type": "function", "function": call}]}
        body = json.dumps({
            "id": f"a{Api.asked}", "object": "chat.completion", "created": 1, "model": "gpt-4.1",
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {"prompt_tokens": 10000, "completion_tokens": 500, "total_tokens": 10500},
        }).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@tool
def look() -> str:
    """Look at something."""
    return "seen it"


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=server.serve_forever, daemon=True).start()
model = OpenAIModel("gpt-4.1", api_base=f"http://127.0.0.1:{server.server_port}/v1", api_key="dummy")


def agent(tools=(), **more):
    return ToolCallingAgent(tools=list(tools), model=model, verbosity_level=0, return_full_result=True, **more)


def monitor(of):
    return of.monitor.get_total_token_counts().input_tokens


def run(name, of, **more):
    Api.asked = 0
    result = of.run("do the work", **more)
    assert result.state == "success"
    print(f"{name}: billed {10000 * Api.asked}; result {result.token_usage.input_tokens}, monitor {monitor(of)}", end="")
    return result


alone = agent()
run("one run", alone)
print()
run("continued", alone, reset=False)
print()
run("continued again", alone, reset=False)
print()
run("a run with a plan", agent(planning_interval=5))
print()
helper = ToolCallingAgent(tools=[look], model=model, verbosity_level=0, name="helper", description="It helps.")
result = run("a run that calls a managed agent twice", agent(managed_agents=[helper]))
print(f"; monitor of the managed agent {monitor(helper)}")
spent = [step["token_usage"]["input_tokens"] for step in result.steps if step.get("token_usage")]
print(f"its steps: {len(spent)} with tokens, {sum(spent)}")
P
got=$(cd "$dir" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" HTTPS_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1 \
  timeout 120 "$dir/v/bin/python" run.py 2>/dev/null)
want='one run: billed 10000; result 10000, monitor 10000
continued: billed 10000; result 20000, monitor 20000
continued again: billed 10000; result 30000, monitor 30000
a run with a plan: billed 20000; result 20000, monitor 10000
a run that calls a managed agent twice: billed 70000; result 30000, monitor 30000; monitor of the managed agent 20000
its steps: 3 with tokens, 30000'
echo "smolagents 1.26.0 with openai 2.54.0"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
