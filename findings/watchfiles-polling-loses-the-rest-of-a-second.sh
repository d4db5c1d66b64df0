#!/usr/bin/env bash
# watchfiles by polling reports one change of a file per second of the clock, and never what was appended later in that second.
#
# Guess of an expert: polling is slow and not blind. With a poll each 50 ms every append is reported, at most a poll late;
#           several appends may come as one change, the last of them included.
# Truth:    the polling watcher of watchfiles 1.3.0 compares the time of a file in whole seconds, and not its length. After it
#           has seen a file within a second, all that is appended in the rest of that second is no change, and is not reported
#           later either. What a reader knows stays behind the file until somebody writes in a later second. Across the end of a
#           second the same distance between two appends is no matter.
# Versions: watchfiles 1.3.0 (PyPI). Seen on 2026-11-29, on a file system that keeps times in nanoseconds.
# Output seen (appends 0.3 s apart to a file of one line, then 3 s of waiting, then one more append):
#   polling, 3 appends within a second: 2 lines known, file has 4; all known after the next append: True
#   polling, 2 appends across its end: 3 lines known, file has 3; all known after the next append: True
#   inotify, 3 appends within a second: 4 lines known, file has 4; all known after the next append: True
# Why it matters: polling is what WATCHFILES_FORCE_POLLING asks for on network drives and in containers, and what is taken by
#           itself in WSL. Tools write the last lines of a turn, with its usage, within milliseconds of each other. The last
#           line of a log is the one most likely to be missed, and it stays missing until the next prompt.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.11 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet watchfiles==1.3.0 2>/dev/null

cat > "$dir/run.py" <<'P'
import pathlib
import sys
import threading
import time

from watchfiles import watch


def follow(folder, is_polling, begin, times, what):
    folder.mkdir(parents=True)
    log = folder / "session.jsonl"
    log.write_text("line\n")
    known = [1]
    stop = threading.Event()

    def listen():
        """Count the lines at each notice, as a reader of logs does."""
        options = {"force_polling": is_polling, "poll_delay_ms": 50, "debounce": 100, "step": 20, "rust_timeout": 100}
        for _ in watch(folder, stop_event=stop, **options):
            known.append(len(log.read_text().splitlines()))

    def append():
        with log.open("a") as file:
            file.write("line\n")

    listener = threading.Thread(target=listen)
    listener.start()
    time.sleep(1.5)
    time.sleep(1 + begin - time.time() % 1)
    for _ in range(times):
        append()
        time.sleep(0.3)
    time.sleep(3)
    seen, has = known[-1], len(log.read_text().splitlines())
    append()
    time.sleep(1)
    is_told = known[-1] == has + 1
    stop.set()
    listener.join()
    kind = "polling" if is_polling else "inotify"
    print(f"{kind}, {times} appends {what}: {seen} lines known, file has {has}; all known after the next append: {is_told}")


logs = pathlib.Path(sys.argv[1]) / "logs"
# Where within a second the first append falls.
follow(logs / "1", True, 0.05, 3, "within a second")
follow(logs / "2", True, 0.85, 2, "across its end")
follow(logs / "3", False, 0.05, 3, "within a second")
P
got=$(cd "$dir" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" timeout 60 "$dir/venv/bin/python" run.py "$dir")
want='polling, 3 appends within a second: 2 lines known, file has 4; all known after the next append: True
polling, 2 appends across its end: 3 lines known, file has 3; all known after the next append: True
inotify, 3 appends within a second: 4 lines known, file has 4; all known after the next append: True'
echo "watchfiles 1.3.0"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
