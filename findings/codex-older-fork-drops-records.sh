#!/usr/bin/env bash
# An older Codex that forks a newer thread copies the running totals, and drops every usage record, in silence.
#
# Guess of an expert: an older program refuses a line type that it does not know, or copies the line as it stands. So
#           a copy holds the same usage lines as its original.
# Truth:    Codex CLI 0.171.0 writes a `token_usage_record` and a `token_count` for each answer. The app server of
#           0.128.0 forks such a thread without an error or a notification about it, and writes the copy anew from
#           what it understands: no `token_usage_record` is left, each `token_count` is. Its own answer has a total only,
#           which goes on from that of the original. Both files say `cli_version` of their own writer, no line tells
#           that something is missing.
# Versions: @openai/codex 0.171.0 and 0.128.0 (npm). Seen on 2026-11-29.
# Output seen:
#   billed: 3 answers, 3600 tokens
#   original, cli_version 0.171.0: records [1200, 1200], totals [1200, 2400]
#   fork, cli_version 0.128.0: records [], totals [1200, 2400, 3600]
#   sum of all records: 2400
#   records, or the last total where a file has none: 6000
#   errors, or words about a record, from the app server: 0
# Why it matters: a command line and an older editor extension share one folder. A reader of records, which are exact
#           where they exist, misses all that the fork asked for. One that falls back to totals where a file has no
#           records counts the past of the original twice. Each sum is wrong, and in another direction.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
mkdir -p "$dir/home/.codex" "$dir/tmp" "$dir/work"
npm install --prefix "$dir/npm" --silent --no-audit --no-fund newer@npm:@openai/codex@0.171.0 older@npm:@openai/codex@0.128.0 >/dev/null 2>&1

cat > "$dir/drive.py" <<'P'
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading

root = pathlib.Path(sys.argv[1])
answers = 0


class Api(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_error(404)

    def do_POST(self):
        global answers
        self.rfile.read(int(self.headers["Content-Length"]))
        if not self.path.endswith("/responses"):
            return self.send_error(404)
        answers += 1
        text = {"type": "output_text", "text": "hello", "annotations": []}
        item = {"type": "message", "id": f"m{answers}", "role": "assistant", "status": "completed", "content": [text]}
        usage = {"input_tokens": 1000, "input_tokens_details": {"cached_tokens": 400}, "output_tokens": 200,
                 "output_tokens_details": {"reasoning_tokens": 150}, "total_tokens": 1200}
        reply = {"id": f"resp_{answers}", "object": "response", "output": []}
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
(root / "home/.codex/config.toml").write_text(f"""
model = "gpt-5.5"
model_provider = "fake"
[model_providers.fake]
name = "fake"
base_url = "http://127.0.0.1:{api.server_port}/v1"
env_key = "FAKE_KEY"
wire_api = "responses"
""")
# A proxy port that nobody serves keeps the tool from every address but loopback.
nowhere = "http://127.0.0.1:9"
clean = {"PATH": os.environ["PATH"], "HOME": str(root / "home"), "TMPDIR": str(root / "tmp"), "FAKE_KEY": "dummy",
         "HTTPS_PROXY": nowhere, "HTTP_PROXY": nowhere, "NO_PROXY": "127.0.0.1"}


def codex(which):
    return ["timeout", "60", "node", str(root / "npm/node_modules" / which / "bin/codex.js")]


def run(*arguments):
    subprocess.run([*codex("newer"), "exec", "--skip-git-repo-check", *arguments], env=clean, cwd=root / "work",
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


def rollouts():
    return sorted((root / "home/.codex/sessions").rglob("rollout-*.jsonl"))


run("say hello")
[original] = rollouts()
run("resume", original.stem[-36:], "say it again")

older = subprocess.Popen([*codex("older"), "app-server"], env=clean, cwd=root / "work", text=True,
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
told = []


def ask(number, method, **params):
    print(json.dumps({"id": number, "method": method, "params": params}), file=older.stdin, flush=True)
    return wait(lambda said: said.get("id") == number and "method" not in said)


def wait(is_wanted):
    for line in older.stdout:
        told.append(json.loads(line))
        if is_wanted(told[-1]):
            return told[-1]
    raise SystemExit("the app server ended")


ask(1, "initialize", clientInfo={"name": "editor", "title": "editor", "version": "1"})
print('{"method":"initialized"}', file=older.stdin, flush=True)
fork = ask(2, "thread/fork", threadId=original.stem[-36:])["result"]["thread"]["id"]
ask(3, "turn/start", threadId=fork, input=[{"type": "text", "text": "go on"}])
wait(lambda said: said.get("method") == "turn/completed")
older.stdin.close()
older.wait(20)

print(f"billed: {answers} answers, {1200 * answers} tokens")
by_record = mixed = 0
for path in sorted(rollouts(), key=lambda each: fork in each.name):
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    version = next(row["payload"]["cli_version"] for row in rows if row["type"] == "session_meta")
    records = [row["payload"]["usage"]["total_tokens"] for row in rows if row["type"] == "token_usage_record"]
    counts = [row["payload"]["info"] for row in rows if row["payload"].get("type") == "token_count"]
    totals = sorted({info["total_token_usage"]["total_tokens"] for info in counts if info})
    print(f"{'fork' if fork in path.name else 'original'}, cli_version {version}: records {records}, totals {totals}")
    by_record += sum(records)
    mixed += sum(records) or totals[-1]
print(f"sum of all records: {by_record}")
print(f"records, or the last total where a file has none: {mixed}")
lost = [said for said in told if "error" in said or said.get("method") == "error" or "token_usage_record" in json.dumps(said)]
print(f"errors, or words about a record, from the app server: {len(lost)}")
P
got=$(python3.11 "$dir/drive.py" "$dir")
want='billed: 3 answers, 3600 tokens
original, cli_version 0.171.0: records [1200, 1200], totals [1200, 2400]
fork, cli_version 0.128.0: records [], totals [1200, 2400, 3600]
sum of all records: 2400
records, or the last total where a file has none: 6000
errors, or words about a record, from the app server: 0'
echo "Codex CLI 0.171.0 and 0.128.0"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
