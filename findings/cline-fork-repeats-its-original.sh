#!/usr/bin/env bash
# Cline gives a forked session the usage of its original at once, before it has asked for anything.
#
# Guess of an expert: a new session begins with no usage and shows its own alone; or its `parent_session_id` names the
#           original, so that a reader can tell.
# Truth:    `/fork` in Cline CLI 3.0.65 writes a second row in `sessions` at once, whose `usage` repeats that of the
#           original, without a request. From there it is a running total, which never leaves the inherited part.
#           `parent_session_id` stays NULL. Only `fork.forkedFromSessionId` inside `metadata_json` names the original.
# Versions: @cline/cli-linux-x64 3.0.65 (npm), the program in the package cline. Seen on 2026-11-29.
# Output seen:
#   after /fork: billed 1200 tokens, original 1200, fork 1200
#   the fork names the original: parent_session_id False, fork.forkedFromSessionId True
#   one prompt later: billed 2400 tokens, original 1200, fork 2400, sum of sessions 3600
# Why it matters: the row of a session looks like its bill, and has no part that is its own. A sum over sessions bills
#           the whole past of the original once more for each fork. The usage at the fork must be taken off, and no
#           later row says what it was: the original may go on.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
mkdir -p "$dir/home" "$dir/tmp" "$dir/work"
# The package `cline` brings hundreds more, and starts this program.
npm install --prefix "$dir/npm" --silent --no-audit --no-fund @cline/cli-linux-x64@3.0.65 >/dev/null 2>&1

cat > "$dir/drive.py" <<'P'
import fcntl
import http.server
import json
import os
import pathlib
import pty
import select
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import termios
import threading
import time

root = pathlib.Path(sys.argv[1])
program = str(root / "npm/node_modules/.bin/cline")
answers = 0


class Api(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_error(404)

    def do_POST(self):
        global answers
        model = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["model"]
        if not self.path.endswith("/chat/completions"):
            return self.send_error(404)
        answers += 1
        head = {"id": f"c{answers}", "object": "chat.completion.chunk", "created": 1795000000, "model": model}
        said = {"index": 0, "delta": {"role": "assistant", "content": "hello"}, "finish_reason": None}
        usage = {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200}
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for piece in ({"choices": [said]}, {"choices": [{**said, "delta": {}, "finish_reason": "stop"}]}, {"choices": [], "usage": usage}):
            self.wfile.write(f"data: {json.dumps({**head, **piece})}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")


api = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=api.serve_forever, daemon=True).start()
with socket.create_server(("127.0.0.1", 0)) as free:
    hub = free.getsockname()[1]
# A proxy port that nobody serves keeps the tool from every address but loopback. Its advertisement would take the keys.
nowhere = "http://127.0.0.1:9"
clean = {"PATH": os.environ["PATH"], "HOME": str(root / "home"), "TMPDIR": str(root / "tmp"), "TERM": "xterm-256color",
         "HTTPS_PROXY": nowhere, "HTTP_PROXY": nowhere, "NO_PROXY": "127.0.0.1",
         "CLINE_HUB_PORT": str(hub), "CLINE_DISABLE_CLINE_PASS_NOTICE": "1"}
subprocess.run([program, "auth", "openai-compatible", "-k", "dummy", "-b", f"http://127.0.0.1:{api.server_port}/v1", "-m", "m1"],
               env=clean, cwd=root / "work", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, timeout=60)


def sessions():
    """Ask for each session, the oldest first: id, parent, what it was forked from, tokens."""
    try:
        store = sqlite3.connect(f"file:{root}/home/.cline/data/db/sessions.db?mode=ro", uri=True)
        rows = store.execute("SELECT session_id, parent_session_id, metadata_json FROM sessions ORDER BY started_at").fetchall()
        store.close()
    except sqlite3.Error:
        return []
    return [(key, parent, json.loads(text or "{}")) for key, parent, text in rows]


def tokens(meta):
    usage = meta.get("usage") or {}
    return usage.get("inputTokens", 0) + usage.get("outputTokens", 0)


screen, keys = pty.fork()
if screen == 0:
    os.chdir(root / "work")
    os.execve(program, [program], clean)
child = screen
fcntl.ioctl(keys, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
shown = b""


def look(seconds):
    global shown
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select([keys], [], [], left)[0]:
            shown += os.read(keys, 65536)


def enter(text, is_done):
    """Type a line, and press return until it has shown its effect."""
    os.write(keys, text.encode())
    for _ in range(45):
        look(1)
        if is_done():
            return look(1)
        os.write(keys, b"\r")
    raise SystemExit(f"nothing came of: {text}")


try:
    for _ in range(60):
        look(0.5)
        if b"What can I do for you?" in shown:
            break
    look(1)
    enter("say hello", lambda: [tokens(meta) for *_, meta in sessions()] == [1200])
    enter("/fork", lambda: len(sessions()) == 2)
    (old, _, before), (new, parent, fork) = sessions()
    print(f"after /fork: billed {1200 * answers} tokens, original {tokens(before)}, fork {tokens(fork)}")
    print(f"the fork names the original: parent_session_id {parent == old}, fork.forkedFromSessionId {fork['fork']['forkedFromSessionId'] == old}")
    enter("go on", lambda: tokens(sessions()[1][2]) > 1200)
    numbers = [tokens(meta) for *_, meta in sessions()]
    print(f"one prompt later: billed {1200 * answers} tokens, original {numbers[0]}, fork {numbers[1]}, sum of sessions {sum(numbers)}")
finally:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    # A process of Cline in the background would outlive the terminal.
    subprocess.run([program, "hub", "stop"], env=clean, cwd=root / "work", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, timeout=60)
P
got=$(python3.11 "$dir/drive.py" "$dir")
want='after /fork: billed 1200 tokens, original 1200, fork 1200
the fork names the original: parent_session_id False, fork.forkedFromSessionId True
one prompt later: billed 2400 tokens, original 1200, fork 2400, sum of sessions 3600'
echo "Cline CLI 3.0.65"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
