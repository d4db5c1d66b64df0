#!/usr/bin/env bash
# msgspec's `decode_lines` reads values one behind the other, and takes the ends of lines for plain space.
#
# Guess of an expert: "newline-delimited JSON" means one value on each line: two values on one line, or one value over three
#           lines, raise, and the number in the path of an error is that of the line.
# Truth:    `decode_lines` of msgspec 0.22.0 reads value after value with any space between them, or none. Two records that were
#           glued together are two, a record spread over lines is one, and empty lines are nothing. The number in an error
#           counts values from 0, so it names another line as soon as one of these stood before. `decode` of each line refuses
#           all three.
# Versions: msgspec 0.22.0 (PyPI). Seen on 2026-11-29.
# Output seen (the sum of tokens 1, 2, 4; then a wrong record on the last line):
#   a record on each line: decode_lines 7, decode of each line 7
#   two glued together: decode_lines 7, decode of each line: trailing characters
#   one spread over lines: decode_lines 7, decode of each line: Input data was truncated
#   an empty line between: decode_lines 7, decode of each line: Input data was truncated
#   a wrong record on line 5, an empty line before it: error at $[3]
# Why it matters: a tool that was killed leaves a line without its end, and the next record is glued to it. Two readers of the
#           same log, one by `decode_lines` of what is new and one by line, then count differently. A reader that reports the
#           number of an error sends its user to the wrong line.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.11 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet msgspec==0.22.0 2>/dev/null

cat > "$dir/run.py" <<'P'
import re

import msgspec


class Row(msgspec.Struct):
    tokens: int


decoder = msgspec.json.Decoder(Row)
ONE, TWO, FOUR = (b'{"tokens": %d}' % count for count in (1, 2, 4))
WRONG = b'{"tokens": "many"}'


def by_line(log):
    """Return what a reader finds that takes each line for itself."""
    return sum(decoder.decode(line).tokens for line in log.splitlines())


def told(read, log):
    try:
        return f" {read(log)}"
    except msgspec.DecodeError as error:
        return ": " + re.sub(r"^JSON is malformed: | \(byte \d+\)$", "", str(error))


for title, log in (
    ("a record on each line", b"\n".join((ONE, TWO, FOUR, b""))),
    ("two glued together", ONE + TWO + b"\n" + FOUR + b"\n"),
    ("one spread over lines", ONE + b"\n" + TWO.replace(b" ", b"\n") + b"\n" + FOUR + b"\n"),
    ("an empty line between", ONE + b"\n\n" + TWO + b"\n" + FOUR + b"\n"),
):
    whole = told(lambda text: sum(row.tokens for row in decoder.decode_lines(text)), log)
    print(f"{title}: decode_lines{whole}, decode of each line{told(by_line, log)}")

log = b"\n".join((ONE, b"", TWO, FOUR, WRONG, b""))
try:
    decoder.decode_lines(log)
except msgspec.ValidationError as error:
    place = re.search(r"\$\[\d+\]", str(error))[0]
line = log.splitlines().index(WRONG) + 1
print(f"a wrong record on line {line}, an empty line before it: error at {place}")
P
got=$(cd "$dir" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" timeout 60 "$dir/venv/bin/python" run.py)
want='a record on each line: decode_lines 7, decode of each line 7
two glued together: decode_lines 7, decode of each line: trailing characters
one spread over lines: decode_lines 7, decode of each line: Input data was truncated
an empty line between: decode_lines 7, decode of each line: Input data was truncated
a wrong record on line 5, an empty line before it: error at $[3]'
echo "msgspec 0.22.0"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
