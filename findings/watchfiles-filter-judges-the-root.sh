#!/usr/bin/env bash
# watchfiles reports nothing below a root that was given explicitly, if any folder ABOVE the root has an ignored name.
#
# Guess of an expert: the default filter skips `node_modules`, `.git`, `.venv` and the like below the watched root.
#           The path of the root itself was chosen by the caller, so it is not judged.
# Truth:    watchfiles 1.3.0 tests each part of the absolute path. A root below `.venv/` or
#           `node_modules/` is accepted, and no event ever arrives.
#           A relative root (".") is judged by its absolute path, too. Nothing is raised or logged.
# Versions: watchfiles 1.3.0 (PyPI), Python 3.11. Seen on 2026-11-28.
# Output seen:
#   root home/logs: 3 of 3 files
#   root node_modules/home/logs: 0 of 3 files
#   the same without a filter: 3 of 3 files
#   root . in it: 0 of 3 files
# Why it matters: Gemini CLI names a folder of its logs after the project's folder, and homes of test runs lie
#           below such folders. A watcher with the default filter is silent there for ever.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.11 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet watchfiles==1.3.0 2>/dev/null

cat > "$dir/run.py" <<'P'
import os
import threading
import time
from pathlib import Path
from watchfiles import watch

def events(folder, **options):
    Path(folder).mkdir(parents=True, exist_ok=True)
    stop = threading.Event()
    def write():
        for n in range(3):
            time.sleep(0.4)
            Path(folder, f"session-{n}.jsonl").write_text("{}\n")
        time.sleep(0.6)
        stop.set()
    writer = threading.Thread(target=write)
    writer.start()
    seen = {Path(path).name for changes in watch(folder, stop_event=stop, **options) for _, path in changes}
    writer.join()
    return len(seen)

print("root home/logs:", events("home/logs"), "of 3 files")
print("root node_modules/home/logs:", events("node_modules/home/logs"), "of 3 files")
print("the same without a filter:", events("node_modules/home/logs2", watch_filter=None), "of 3 files")
os.chdir("node_modules/home")
print("root . in it:", events("."), "of 3 files")
P
got=$(cd "$dir" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" timeout 100 "$dir/venv/bin/python" run.py 2>"$dir/err") || { cat "$dir/err"; got="$got (failed)"; }
want='root home/logs: 3 of 3 files
root node_modules/home/logs: 0 of 3 files
the same without a filter: 3 of 3 files
root . in it: 0 of 3 files'
echo "watchfiles 1.3.0"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
