#!/usr/bin/env bash
# The telemetry of Claude Code counts a continued session under an id that no file and no other metric has.
#
# Guess of an expert: the sum of `claude_code.session.count` is the number of sessions, or at least its `session.id` is that of the
#           costs and tokens, so that both can be joined.
# Truth:    the metric of Claude Code 2.1.332 counts starts of the program: two sessions of four runs are 4. A run with
#           `-c` counts under the id that it had drawn before it looked for the session to go on with. Its cost and
#           tokens come under the true id. A run with `--resume`, and one with `-c --fork-session`, count under the true one.
# Versions: @anthropic-ai/claude-code 2.1.332 (npm). Seen on 2026-11-30.
# Output seen (the ids are named in the order in which they appear):
#   fresh: session.count A 1, start_type fresh; cost.usage A
#   -c: session.count B 1, start_type continue; cost.usage A
#   -c --fork-session: session.count C 1, start_type continue; cost.usage C
#   --resume C: session.count C 1, start_type resume; cost.usage C
#   sum of session.count 4, ids in it 3, ids with a cost 2, transcripts A and C
# Why it matters: "cost per session" is the first chart of a dashboard over this telemetry. By the sum it is half as high here, a join by
#           `session.id` has rows without cost, and only the ids of the cost, or `start_type`, tell how many there were.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
mkdir -p "$dir/home" "$dir/tmp" "$dir/work"
npm install --prefix "$dir/npm" --silent --no-audit --no-fund --ignore-scripts @anthropic-ai/claude-code@2.1.332 >/dev/null 2>&1
node "$dir/npm/node_modules/@anthropic-ai/claude-code/install.cjs" >/dev/null

cat > "$dir/drive.py" <<'P'
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading

root = pathlib.Path(sys.argv[1])
metrics = []


class Api(http.server.BaseHTTPRequestHandler):
    """Answers as the API does, and collects metrics as a collector does."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_error(404)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/otel/metrics":
            metrics.extend(metric for each in body["resourceMetrics"] for part in each["scopeMetrics"] for metric in part["metrics"])
            events, kind = None, "application/json"
        elif self.path.split("?")[0].endswith("/v1/messages"):
            usage = {"input_tokens": 1000, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1}
            message = {"id": f"msg_{len(metrics)}", "type": "message", "role": "assistant", "model": body["model"], "content": [],
                       "stop_reason": None, "stop_sequence": None, "usage": usage}
            events, kind = [{"type": "message_start", "message": message},
                            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
                            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hello"}},
                            {"type": "content_block_stop", "index": 0},
                            {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 500}},
                            {"type": "message_stop"}], "text/event-stream"
        else:
            return self.send_error(404)
        self.send_response(200)
        self.send_header("content-type", kind)
        self.end_headers()
        if events is None:
            self.wfile.write(b"{}")
        for event in events or ():
            self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())


api = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=api.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{api.server_port}"
# A proxy port that nobody serves keeps the tool from every address but loopback.
nowhere = "http://127.0.0.1:9"
clean = {"PATH": os.environ["PATH"], "HOME": str(root / "home"), "TMPDIR": str(root / "tmp"), "HTTPS_PROXY": nowhere, "HTTP_PROXY": nowhere,
         "NO_PROXY": "127.0.0.1", "ANTHROPIC_API_KEY": "dummy", "ANTHROPIC_BASE_URL": url, "DISABLE_AUTOUPDATER": "1",
         "CLAUDE_CODE_ENABLE_TELEMETRY": "1", "OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
         "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"{url}/otel/metrics"}
names, counted, costly = {}, [], []


def name_of(session):
    return names.setdefault(session, "ABCDEFGH"[len(names)])


def points(metric):
    """Return the attributes and values that were sent under a name."""
    for each in metrics:
        if each["name"] == metric:
            for point in each["sum"]["dataPoints"]:
                attributes = {of["key"]: next(iter(of["value"].values())) for of in point["attributes"]}
                yield attributes, point.get("asInt", point.get("asDouble"))


def run(what, *options):
    metrics.clear()
    command = ["timeout", "90", str(root / "npm/node_modules/.bin/claude"), "--model", "claude-opus-4-8", "-p", "say hello", *options]
    subprocess.run(command, env=clean, cwd=root / "work", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    [(of, value)] = points("claude_code.session.count")
    [(spent, _)] = points("claude_code.cost.usage")
    counted.append((of["session.id"], int(value)))
    costly.append(spent["session.id"])
    print(f"{what}: session.count {name_of(of['session.id'])} {value}, start_type {of['start_type']}; cost.usage {name_of(spent['session.id'])}")


run("fresh")
run("-c", "-c")
run("-c --fork-session", "-c", "--fork-session")
fork = costly[-1]
run(f"--resume {name_of(fork)}", "--resume", fork)
files = sorted(name_of(path.stem) for path in (root / "home/.claude/projects").glob("*/*.jsonl"))
print(f"sum of session.count {sum(value for _, value in counted)}, ids in it {len({session for session, _ in counted})}, "
      f"ids with a cost {len(set(costly))}, transcripts {' and '.join(files)}")
P
got=$(python3.11 "$dir/drive.py" "$dir")
want='fresh: session.count A 1, start_type fresh; cost.usage A
-c: session.count B 1, start_type continue; cost.usage A
-c --fork-session: session.count C 1, start_type continue; cost.usage C
--resume C: session.count C 1, start_type resume; cost.usage C
sum of session.count 4, ids in it 3, ids with a cost 2, transcripts A and C'
echo "Claude Code 2.1.332"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
