#!/usr/bin/env bash
# zstandard has no single call that reads a compressed log to its end AND notices that the file is cut.
#
# Guess of an expert: as with gzip, every reading call follows all frames and raises on a cut file.
# Truth:    zstandard 0.25.0 divides the two. `decompress()` raises on a cut file, but returns the first frame
#           only and drops the rest in silence. `stream_reader()` and `zstandard.open()` follow all frames, but end
#           a cut file as if it were whole. `read_to_iter()` has both faults. gzip has neither.
# Versions: zstandard 0.25.0 (PyPI), Python 3.11. Seen on 2026-11-28.
# Output seen:
#   decompress: two frames 10000 of 20000 lines, cut file ZstdError
#   read_to_iter: two frames 10000 of 20000 lines, cut file a part, no error
#   stream_reader: two frames all lines, cut file a part, no error
#   open: two frames all lines, cut file a part, no error
#   decompressobj loop: two frames all lines, cut file EOFError
#   gzip: two frames all lines, cut file EOFError
# Why it matters: Codex can keep old rollouts as `.jsonl.zst`. A reader that opens one while it is written, or
#           after a full disk, books a part as the whole. One appended frame is dropped by the other call.
#           `decompressobj()` with its `eof` and `unused_data` is the way that sees both.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.11 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet zstandard==0.25.0 2>/dev/null

cat > "$dir/run.py" <<'P'
import gzip
import io
import zstandard

def first_error(read):
    try:
        count = read().count(bytes([10]))
        return "all lines" if count == len(lines) else f"{count} of 20000 lines" if count == half else "a part, no error"
    except (zstandard.ZstdError, EOFError) as error:
        return type(error).__name__

def safe(data):
    out = b""
    while data:
        one = zstandard.ZstdDecompressor().decompressobj()
        out += one.decompress(data)
        if not one.eof:
            raise EOFError
        data = one.unused_data
    return out

lines = [f'{{"n":{n},"id":"{n * 7919 % 10007}"}}\n'.encode() for n in range(20_000)]
half = len(lines) // 2
calls = {
    "decompress": lambda data: zstandard.ZstdDecompressor().decompress(data),
    "read_to_iter": lambda data: b"".join(zstandard.ZstdDecompressor().read_to_iter(data)),
    "stream_reader": lambda data: zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)).read(),
    "open": lambda data: zstandard.open(io.BytesIO(data)).read(),
    "decompressobj loop": safe,
    "gzip": gzip.decompress,
}
for name, call in calls.items():
    pack = gzip.compress if name == "gzip" else zstandard.ZstdCompressor().compress
    two = pack(b"".join(lines[:half])) + pack(b"".join(lines[half:]))
    whole = pack(b"".join(lines))
    print(f"{name}: two frames {first_error(lambda: call(two))}, cut file {first_error(lambda: call(whole[:-2000]))}")
P
got=$(cd "$dir" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" timeout 100 "$dir/venv/bin/python" run.py 2>"$dir/err") || { cat "$dir/err"; got="$got (failed)"; }
want='decompress: two frames 10000 of 20000 lines, cut file ZstdError
read_to_iter: two frames 10000 of 20000 lines, cut file a part, no error
stream_reader: two frames all lines, cut file a part, no error
open: two frames all lines, cut file a part, no error
decompressobj loop: two frames all lines, cut file EOFError
gzip: two frames all lines, cut file EOFError'
echo "zstandard 0.25.0"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
