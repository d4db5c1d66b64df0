#!/usr/bin/env bash
# Codex's telemetry calls the total of an answer "tool tokens", tells of each answer twice, and its metric counts a token up to three times.
#
# Guess of an expert: `tool_token_count` is what tools used, 0 where none was called; there is one event `response.completed` for an
#           answer; the types of the metric `codex.turn.token_usage` are parts, so that their sum is what was used.
# Truth:    in the logs of Codex CLI 0.171.0 `tool_token_count` is input plus output. An answer leaves two events of the
#           kind `response.completed` at the same moment, one with numbers and one without. Of the six types of the metric,
#           `cached_input` and `cache_write_input` lie within `input`, `reasoning_output` lies within `output`, and `total` is both.
# Versions: @openai/codex 0.171.0 (npm). Seen on 2026-11-29.
# Output seen (one answer without a tool: input 1000, 400 of it cached; output 200, 150 of it reasoning):
#   requests answered: 1
#   event with numbers: input 1000, cached 400, cache_write 0, output 200, reasoning 150, tool 1200
#   events response.completed: 2, with numbers 1
#   metric: cache_write_input 0, cached_input 400, input 1000, output 200, reasoning_output 150, total 1200
#   sum of the event's counts 2950, sum of the metric 2950, log of the thread 1200
# Why it matters: telemetry is the way to count on many machines without reading files. Gemini CLI has an attribute of the very
#           same name, and there it is 0. Who sums all counts has 2.5 times the truth; who counts events has twice the calls.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
mkdir -p "$dir/home/.codex" "$dir/tmp" "$dir/work"
npm install --prefix "$dir/npm" --silent --no-audit --no-fund @openai/codex@0.171.0 >/dev/null 2>&1

cat > "$dir/drive.py" <<'P'
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading

root = pathlib.Path(sys.argv[1])
answered, logs, metrics = [], [], []


def attributes(of):
    return {each["key"]: next(iter(each["value"].values())) for each in of["attributes"]}


class Api(http.server.BaseHTTPRequestHandler):
    """Answers as the API does, and collects telemetry as a collector does."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_error(404)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/otel/logs":
            logs.extend(attributes(r) for a in body["resourceLogs"] for b in a["scopeLogs"] for r in b["logRecords"])
        elif self.path == "/otel/metrics":
            metrics.extend(m for a in body["resourceMetrics"] for b in a["scopeMetrics"] for m in b["metrics"])
        elif self.path == "/v1/responses":
            return self.answer()
        else:
            return self.send_error(404)
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(b"{}")

    def answer(self):
        answered.append(1)
        text = {"type": "output_text", "text": "hello", "annotations": []}
        item = {"type": "message", "id": "m1", "role": "assistant", "status": "completed", "content": [text]}
        usage = {"input_tokens": 1000, "input_tokens_details": {"cached_tokens": 400}, "output_tokens": 200,
                 "output_tokens_details": {"reasoning_tokens": 150}, "total_tokens": 1200}
        reply = {"id": "resp_1", "object": "response", "output": []}
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for kind, rest in (
            ("response.created", {"response": {**reply, "status": "in_progress"}}),
            ("response.output_item.done", {"output_index": 0, "item": item}),
            ("response.completed", {"response": {**reply, "status": "completed", "output": [item], "usage": usage}}),
        ):
            self.wfile.write(f"event: {kind}\ndata: {json.dumps({'type': kind, **rest})}\n\n".encode())


api = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=api.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{api.server_port}"
(root / "home/.codex/config.toml").write_text(f"""
model = "gpt-5.5"
model_provider = "fake"
[model_providers.fake]
name = "fake"
base_url = "{url}/v1"
env_key = "FAKE_KEY"
wire_api = "responses"
[otel]
exporter = {{ otlp-http = {{ endpoint = "{url}/otel/logs", protocol = "json" }} }}
metrics_exporter = {{ otlp-http = {{ endpoint = "{url}/otel/metrics", protocol = "json" }} }}
""")
# A proxy port that nobody serves keeps the tool from every address but loopback.
nowhere = "http://127.0.0.1:9"
clean = {"PATH": os.environ["PATH"], "HOME": str(root / "home"), "TMPDIR": str(root / "tmp"), "FAKE_KEY": "dummy",
         "HTTPS_PROXY": nowhere, "HTTP_PROXY": nowhere, "NO_PROXY": "127.0.0.1"}
command = ["timeout", "90", "node", str(root / "npm/node_modules/@openai/codex/bin/codex.js"), "exec", "--skip-git-repo-check", "say hello"]
subprocess.run(command, env=clean, cwd=root / "work", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)

print(f"requests answered: {len(answered)}")
ends = [event for event in logs if event.get("event.kind") == "response.completed"]
[numbers] = [event for event in ends if "input_token_count" in event]
counts = {name: int(numbers[f"{name}_token_count"]) for name in ("input", "cached", "cache_write", "output", "reasoning", "tool")}
print("event with numbers: " + ", ".join(f"{name} {count}" for name, count in counts.items()))
print(f"events response.completed: {len(ends)}, with numbers {len([e for e in ends if 'input_token_count' in e])}")
[metric] = [m for m in metrics if m["name"] == "codex.turn.token_usage"]
types = {attributes(point)["token_type"]: int(point["sum"]) for point in metric["histogram"]["dataPoints"]}
print("metric: " + ", ".join(f"{name} {count}" for name, count in sorted(types.items())))
[path] = (root / "home/.codex/sessions").rglob("rollout-*.jsonl")
rows = [json.loads(line) for line in path.read_text().splitlines()]
[told] = [row["payload"] for row in rows if row["type"] == "token_usage_record"]
print(f"sum of the event's counts {sum(counts.values())}, sum of the metric {sum(types.values())}, log of the thread {told['usage']['total_tokens']}")
P
got=$(python3.11 "$dir/drive.py" "$dir")
want='requests answered: 1
event with numbers: input 1000, cached 400, cache_write 0, output 200, reasoning 150, tool 1200
events response.completed: 2, with numbers 1
metric: cache_write_input 0, cached_input 400, input 1000, output 200, reasoning_output 150, total 1200
sum of the event'"'"'s counts 2950, sum of the metric 2950, log of the thread 1200'
echo "Codex CLI 0.171.0"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
