#!/usr/bin/env bash
# Two tools tell of the same answer by the conventions of OpenTelemetry, and one of them leaves out nine tenths of the output.
#
# Guess of an expert: `gen_ai.usage.output_tokens` has one meaning. The conventions say that it contains the reasoning, and what
#           Gemini CLI names by them follows them, whatever its own names mean.
# Truth:    Gemini CLI 0.61.0 writes the tokens without thoughts under that name, and under `output` in the metric
#           `gen_ai.client.token.usage`. No other name of the conventions holds the thoughts; only its own metric has them, as
#           another type. Copilot CLI 1.0.102 puts the reasoning in, and uses another metric altogether, so a sum over the
#           attribute mixes both meanings and a sum over the metric has Gemini CLI alone. The result of `-o stream-json` has the
#           same gap: input and output do not make the total.
# Versions: @google/gemini-cli 0.61.0, @github/copilot 1.0.102 (npm). Seen on 2026-11-29.
# Output seen (of each tool one answer: input 1000; 100 of text and 900 of thoughts, which is an output of 1000):
#   Gemini CLI, gen_ai.usage.output_tokens: 100
#   Gemini CLI, gen_ai.client.token.usage: input 1000, output 100
#   Gemini CLI, gemini_cli.token.usage: cache 0, input 1000, output 100, thought 900, tool 0
#   Gemini CLI, -o stream-json: input_tokens 1000, output_tokens 100, total_tokens 2000
#   Copilot CLI, gen_ai.usage.output_tokens: 1000
#   Copilot CLI, gen_ai.client.token.usage: not there
#   Copilot CLI, gen_ai.client.inference.usage.output_tokens: 1000
# Why it matters: dashboards and collectors for many tools are built on these names so that they need not know each tool.
#           Thoughts are billed as output; the more a model thinks, the more of the cost is missing, for one tool only.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
mkdir -p "$dir/home/.gemini" "$dir/tmp" "$dir/work"
npm install --prefix "$dir/npm" --silent --no-audit --no-fund @google/gemini-cli@0.61.0 @github/copilot@1.0.102 >/dev/null 2>&1

cat > "$dir/drive.py" <<'P'
import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import threading

root = pathlib.Path(sys.argv[1])


class Api(http.server.BaseHTTPRequestHandler):
    """Answers as the API of each tool does."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_error(404)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if asked := re.search(r"/models/([^:]+):(\w+)", self.path):
            # A small model is asked first how hard the prompt is.
            is_choice = "complexity_score" in json.dumps(body.get("generationConfig"))
            text = '{"complexity_reasoning": "x", "complexity_score": 10}' if is_choice else "hello"
            parts = [{"text": "I think", "thought": True}, {"text": text}]
            usage = {"promptTokenCount": 1000, "candidatesTokenCount": 100, "thoughtsTokenCount": 900, "totalTokenCount": 2000}
            candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
            pieces = [{"candidates": [candidate], "usageMetadata": usage, "modelVersion": asked[1]}]
            is_stream = asked[2].startswith("stream")
        elif self.path.endswith("/chat/completions"):
            usage = {"prompt_tokens": 1000, "completion_tokens": 1000, "completion_tokens_details": {"reasoning_tokens": 900},
                     "total_tokens": 2000}
            head = {"id": "c1", "object": "chat.completion.chunk", "created": 1795000000, "model": body["model"]}
            delta = {"role": "assistant", "content": "hello"}
            pieces = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
                      {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
                      {**head, "choices": [], "usage": usage}]
            is_stream = True
        else:
            return self.send_error(404)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if is_stream else "application/json")
        self.end_headers()
        for piece in pieces:
            self.wfile.write(f"data: {json.dumps(piece)}\n\n".encode() if is_stream else json.dumps(piece).encode())


api = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=api.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{api.server_port}"
told = {name: root / f"{name}.telemetry" for name in ("gemini", "copilot")}
(root / "home/.gemini/settings.json").write_text(json.dumps({
    "security": {"auth": {"selectedType": "gemini-api-key"}}, "privacy": {"usageStatisticsEnabled": False},
    "telemetry": {"enabled": True, "target": "local", "outfile": str(told["gemini"])}}))
# A proxy port that nobody serves keeps the tools from every address but loopback.
nowhere = "http://127.0.0.1:9"
clean = {"PATH": os.environ["PATH"], "HOME": str(root / "home"), "TMPDIR": str(root / "tmp"), "HTTPS_PROXY": nowhere, "HTTP_PROXY": nowhere,
         "NO_PROXY": "127.0.0.1", "GEMINI_API_KEY": "dummy", "GOOGLE_GEMINI_BASE_URL": url, "GEMINI_CLI_TRUST_WORKSPACE": "true",
         "COPILOT_PROVIDER_BASE_URL": f"{url}/v1", "COPILOT_PROVIDER_API_KEY": "dummy", "COPILOT_MODEL": "fake-model",
         "COPILOT_AUTO_UPDATE": "false", "COPILOT_OTEL_ENABLED": "true", "COPILOT_OTEL_FILE_EXPORTER_PATH": str(told["copilot"])}


def run(*command):
    return subprocess.run(["timeout", "90", str(root / "npm/node_modules/.bin" / command[0]), *command[1:]], env=clean, cwd=root / "work",
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True).stdout


def objects(text):
    """Yield the JSON values of a text, one behind the other."""
    decoder, place = json.JSONDecoder(), 0
    while place < len(text):
        value, place = decoder.raw_decode(text, place)
        yield value
        place += len(text[place:]) - len(text[place:].lstrip())


printed = run("gemini", "-o", "stream-json", "-p", "say hello")
run("copilot", "-p", "say hello")

metrics, outputs = {}, set()
for each in objects(told["gemini"].read_text()):
    # Of the model that answered, not the one that was asked how hard the prompt is.
    own = each.get("attributes", {})
    if "gen_ai.usage.output_tokens" in own and "lite" not in own["gen_ai.request.model"]:
        outputs.add(own["gen_ai.usage.output_tokens"])
    for scope in each.get("scopeMetrics", []):
        for metric in scope["metrics"]:
            for point in metric["dataPoints"]:
                own, value = point["attributes"], point["value"]
                if "token.usage" in metric["descriptor"]["name"] and "lite" not in own.get("model", own.get("gen_ai.request.model")):
                    of = metrics.setdefault(metric["descriptor"]["name"], {})
                    of[own.get("type", own.get("gen_ai.token.type"))] = value["sum"] if isinstance(value, dict) else value
print(f"Gemini CLI, gen_ai.usage.output_tokens: {', '.join(map(str, sorted(outputs)))}")
for name, types in sorted(metrics.items(), reverse=True, key=lambda of: "client" in of[0]):
    print(f"Gemini CLI, {name}: " + ", ".join(f"{kind} {count}" for kind, count in sorted(types.items())))
result = json.loads(printed.strip().splitlines()[-1])["stats"]["models"]
[model] = [stats for name, stats in result.items() if "lite" not in name]
print("Gemini CLI, -o stream-json: " + ", ".join(f"{name} {model[name]}" for name in ("input_tokens", "output_tokens", "total_tokens")))

rows = list(objects(told["copilot"].read_text()))
outputs = {row["attributes"]["gen_ai.usage.output_tokens"] for row in rows if "gen_ai.usage.output_tokens" in row.get("attributes", {})}
print(f"Copilot CLI, gen_ai.usage.output_tokens: {', '.join(map(str, sorted(outputs)))}")
points = {row["name"]: row["dataPoints"] for row in rows if row["type"] == "metric"}
print(f"Copilot CLI, gen_ai.client.token.usage: {'there' if 'gen_ai.client.token.usage' in points else 'not there'}")
[point] = points["gen_ai.client.inference.usage.output_tokens"]
print(f"Copilot CLI, gen_ai.client.inference.usage.output_tokens: {point['value']}")
P
got=$(python3.11 "$dir/drive.py" "$dir")
want='Gemini CLI, gen_ai.usage.output_tokens: 100
Gemini CLI, gen_ai.client.token.usage: input 1000, output 100
Gemini CLI, gemini_cli.token.usage: cache 0, input 1000, output 100, thought 900, tool 0
Gemini CLI, -o stream-json: input_tokens 1000, output_tokens 100, total_tokens 2000
Copilot CLI, gen_ai.usage.output_tokens: 1000
Copilot CLI, gen_ai.client.token.usage: not there
Copilot CLI, gen_ai.client.inference.usage.output_tokens: 1000'
echo "Gemini CLI 0.61.0, Copilot CLI 1.0.102"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
