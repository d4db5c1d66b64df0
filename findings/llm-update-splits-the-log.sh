#!/usr/bin/env bash
# An update of `llm` ends the table `responses`: its old rows stay, all new usage stands in `turns`, also that of the same conversation.
#
# Guess of an expert: a program that migrates its database moves the old rows, and keeps the old table as a view or drops it, so that an
#           old query counts all or fails.
# Truth:    llm 0.32 and later write a new set of tables. They do not move the rows of `responses`, and leave the table in place. A
#           continued conversation stands in both, with its early answers in one and its late ones in the other. The
#           command `llm logs` puts the two together. A sum over `responses` stops at the day of the update, without an error.
# Versions: llm 0.31.1 and 0.36 (PyPI). Seen on 2026-11-30.
# Output seen (26,000 tokens of input in each answer):
#   llm 0.31.1, two answers in one conversation: responses 2 rows, 52000 input; turns no table; llm logs 2 rows
#   llm 0.36 continues it, and starts another: responses 2 rows, 52000 input; turns 2 rows, 52000 input; llm logs 4 rows
#   the continued conversation: 2 rows by conversation_id, 1 row by thread_id, the same id
# Why it matters: a reader that asks for `responses` shows half of the tokens here, and less with each day. One that asks for `turns`
#           alone has no history. The two tables have the same columns of usage, and both must be summed.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$dir" || true' EXIT
for version in 0.31.1 0.36; do
  python3.11 -m venv "$dir/$version"
  "$dir/$version/bin/pip" install --quiet "llm==$version" httpx==0.28.1 2>/dev/null
done

cat > "$dir/api.py" <<'P'
import http.server
import json
import sys

ANSWER = {"id": "c1", "object": "chat.completion", "created": 1, "model": "any",
          "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "x"}}],
          "usage": {"prompt_tokens": 26000, "completion_tokens": 500, "total_tokens": 26500}}


class Api(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps(ANSWER).encode()
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
mkdir "$dir/home"
cat > "$dir/home/extra-openai-models.yaml" <<Y
- model_id: any
  model_name: any
  api_base: http://127.0.0.1:$(cat "$dir/port")/v1
Y
llm() { # version, arguments
  (cd "$dir" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" "LLM_USER_PATH=$dir/home" HTTPS_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1 \
    timeout 200 "$dir/$1/bin/llm" "${@:2}" </dev/null)
}
cat > "$dir/read.py" <<'P'
import json
import sqlite3
import sys

database = sqlite3.connect(sys.argv[1])


def table(name):
    if not database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [name]).fetchone():
        return f"{name} no table"
    return "{} {} rows, {} input".format(name, *database.execute(f"SELECT count(*), sum(input_tokens) FROM {name}").fetchone())


if sys.argv[2] == "both":
    [name] = database.execute("SELECT id FROM conversations").fetchone()
    old = database.execute("SELECT count(*) FROM responses WHERE conversation_id = ?", [name]).fetchone()[0]
    new = database.execute("SELECT count(*) FROM turns WHERE thread_id = ?", [name]).fetchone()[0]
    print(f"{old} rows by conversation_id, {new} row by thread_id, the same id")
else:
    logged = json.loads(sys.argv[2])
    print(f"{table('responses')}; {table('turns')}; llm logs {len(logged)} rows")
P
tables() { python3.11 "$dir/read.py" "$dir/home/logs.db" "$1"; }
for version in 0.31.1 0.36; do
  if [ "$version" = 0.31.1 ]; then first=(); else first=(-c); fi
  if [ "$version" = 0.31.1 ]; then second=(-c); else second=(); fi
  llm "$version" -m any --no-stream "${first[@]}" 'one' >/dev/null
  llm "$version" -m any --no-stream "${second[@]}" 'two' >/dev/null
  llm "$version" logs -n 0 --json > "$dir/$version.json"
  tables "$(cat "$dir/$version.json")" > "$dir/$version.txt"
done
got=$(
  echo "llm 0.31.1, two answers in one conversation: $(cat "$dir/0.31.1.txt")"
  echo "llm 0.36 continues it, and starts another: $(cat "$dir/0.36.txt")"
  echo "the continued conversation: $(tables both)"
)
want='llm 0.31.1, two answers in one conversation: responses 2 rows, 52000 input; turns no table; llm logs 2 rows
llm 0.36 continues it, and starts another: responses 2 rows, 52000 input; turns 2 rows, 52000 input; llm logs 4 rows
the continued conversation: 2 rows by conversation_id, 1 row by thread_id, the same id'
echo "llm 0.31.1 and 0.36"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
