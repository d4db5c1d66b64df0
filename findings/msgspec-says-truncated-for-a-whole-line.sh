#!/usr/bin/env bash
# msgspec calls a whole line "truncated" if half of a surrogate pair stands close to its end.
#
# Guess of an expert: "Input data was truncated" means that more bytes follow, so a reader of a growing log may wait.
# Truth:    msgspec 0.22.0 says so, too, for a complete JSON text in which an escaped high surrogate has
#           fewer than six bytes behind it. The same text with a longer tail is "malformed". Python's json and
#           JavaScript accept both, and JavaScript writes such a text itself whenever it cuts a string
#           between the two halves. The number beside the text is lost, although the struct does not ask for the text.
# Versions: msgspec 0.22.0 (PyPI), Python 3.11. Seen on 2026-11-28.
# Output seen:
#   {"output_tokens":7,"text":"cut \ud83d"} -> json 7, msgspec Input data was truncated
#   {"output_tokens":7,"text":"cut \ud83d and more"} -> json 7, msgspec JSON is malformed
#   {"text":"cut \ud83d","output_tokens":7} -> json 7, msgspec JSON is malformed
#   {"output_tokens":7,"te -> json refuses, msgspec Input data was truncated
# Why it matters: most tools of this field are written in JavaScript and shorten texts by UTF-16 units. A tailing
#           reader that waits after "truncated" waits for this line until the file grows no more, and hides what follows.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.11 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet msgspec==0.22.0 2>/dev/null

cat > "$dir/run.py" <<'P'
import json
import msgspec

class Usage(msgspec.Struct):  # asks for the number only
    output_tokens: int

high = "\\ud83d"
for line in (
    '{"output_tokens":7,"text":"cut ' + high + '"}',
    '{"output_tokens":7,"text":"cut ' + high + ' and more"}',
    '{"text":"cut ' + high + '","output_tokens":7}',
    '{"output_tokens":7,"te',
):
    try:
        first = f"json {json.loads(line)['output_tokens']}"
    except json.JSONDecodeError:
        first = "json refuses"
    try:
        second = f"msgspec {msgspec.json.decode(line, type=Usage).output_tokens}"
    except msgspec.DecodeError as error:
        second = f"msgspec {str(error).partition(':')[0]}"
    print(f"{line} -> {first}, {second}")
P
got=$(cd "$dir" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" timeout 100 "$dir/venv/bin/python" run.py 2>"$dir/err") || { cat "$dir/err"; got="$got (failed)"; }
want='{"output_tokens":7,"text":"cut \ud83d"} -> json 7, msgspec Input data was truncated
{"output_tokens":7,"text":"cut \ud83d and more"} -> json 7, msgspec JSON is malformed
{"text":"cut \ud83d","output_tokens":7} -> json 7, msgspec JSON is malformed
{"output_tokens":7,"te -> json refuses, msgspec Input data was truncated'
echo "msgspec 0.22.0"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
