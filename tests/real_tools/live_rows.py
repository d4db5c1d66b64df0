"""``python -m tests.real_tools.live_rows [STREAM_S]``: how long after its commit a row of a tool's database is shown.

Writes answers as OpenCode does, each after ``STREAM_S`` seconds of pieces that are written beside it, into a database
of its own beside our service: so the times of the real tool can be told from ours.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from websockets.sync.client import connect

from tests.e2e.server_process import ServerProcess, prepare_database
from tests.real_tools.beside import ORDINARY
from tests.sources.opencode.fake_message_store import MessageStore

ANSWERS = 12
_PIECE_S = 0.04
_HANG_S = 60.0


def measure(stream_s: float) -> None:
    """Print the times from the commit of each answer to its frame."""
    with tempfile.TemporaryDirectory(prefix="aico-live-") as name:
        home = Path(name).resolve()
        prepare_database(home)
        store = MessageStore(home / ".local/share/opencode/opencode.db", checkpoints=True)
        store.session("s", now_ms())
        with (
            ServerProcess(home, {**ORDINARY, "AICO_SOURCES": "opencode"}) as server,
            connect(f"{server.url.replace('http', 'ws', 1)}/ws", open_timeout=_HANG_S) as socket,
        ):
            took: list[float] = []
            frame = threading.Event()
            shown: list[float] = []

            def listen() -> None:
                for text in socket:
                    message = json.loads(text)
                    if message.get("type") == "usage_updated" and any(
                        row["spent"]["output_tokens"] for row in message["rows"]
                    ):
                        shown.append(time.monotonic())
                        frame.set()

            listener = threading.Thread(target=listen)
            listener.start()
            for _ in range(ANSWERS):
                created = now_ms()
                answer = store.answer("s", created)
                until = time.monotonic() + stream_s
                while time.monotonic() < until:
                    time.sleep(_PIECE_S)
                    store.connection.execute("UPDATE part SET data = data || '.' WHERE message_id = ?", (answer,))
                store.answer("s", created, now_ms(), (10, 5, 1, 7, 0), name=answer)
                committed = time.monotonic()
                frame.clear()
                frame.wait(_HANG_S)
                took.append((shown[-1] - committed) * 1e3)
                time.sleep(0.5)
            socket.close()
            listener.join()
        store.close()
    told = ", ".join(f"{each:.0f}" for each in took)
    print(f"{stream_s:g} s of pieces, load {os.getloadavg()[0]:.1f}; ms from the commit to the frame: {told}")
    print(f"median {statistics.median(took):.0f}, most {max(took):.0f}")


def now_ms() -> int:
    """Return the time, epoch milliseconds."""
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    measure(float(sys.argv[1]) if len(sys.argv) > 1 else 0.0)
