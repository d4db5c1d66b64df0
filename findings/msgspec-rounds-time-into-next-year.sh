#!/usr/bin/env bash
# msgspec moves a moment with more than six decimals into the next second, and so into the next month or year.
#
# Guess of an expert: a datetime holds microseconds, so more decimals are cut off, as `datetime.fromisoformat` does.
# Truth:    msgspec 0.22.0 rounds the seventh decimal. `2026-12-31T23:59:59.9999995Z` becomes
#           2027-01-01 00:00:00. Python itself and pydantic cut, and stay in 2026.
#           In the last second of the year 9999 the same text is refused as "Invalid RFC3339".
# Versions: msgspec 0.22.0, pydantic 2.14.4 (PyPI), Python 3.11. Seen on 2026-11-28.
# Output seen:
#   2026-11-28T10:00:00.1234567Z datetime 2026-11-28 10:00:00.123456
#   2026-11-28T10:00:00.1234567Z pydantic 2026-11-28 10:00:00.123456
#   2026-11-28T10:00:00.1234567Z msgspec 2026-11-28 10:00:00.123457
#   2026-12-31T23:59:59.9999995Z datetime 2026-12-31 23:59:59.999999
#   2026-12-31T23:59:59.9999995Z pydantic 2026-12-31 23:59:59.999999
#   2026-12-31T23:59:59.9999995Z msgspec 2027-01-01 00:00:00.000000
#   9999-12-31T23:59:59.9999995Z datetime 9999-12-31 23:59:59.999999
#   9999-12-31T23:59:59.9999995Z pydantic 9999-12-31 23:59:59.999999
#   9999-12-31T23:59:59.9999995Z msgspec Invalid RFC3339 encoded datetime
# Why it matters: tools written in Go or Rust log seven to nine decimals. A cost then moves to another day,
#           month or year, by the parser alone. A key that contains the time differs by a microsecond between
#           a reader on msgspec and one on the standard library, so the same answer counts twice.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.11 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet msgspec==0.22.0 pydantic==2.14.4 2>/dev/null

cat > "$dir/run.py" <<'P'
import datetime
import msgspec
import pydantic

readers = {
    "datetime": datetime.datetime.fromisoformat,
    "pydantic": pydantic.TypeAdapter(datetime.datetime).validate_python,
    "msgspec": lambda text: msgspec.json.decode(f'"{text}"', type=datetime.datetime),
}
for text in ("2026-11-28T10:00:00.1234567Z", "2026-12-31T23:59:59.9999995Z", "9999-12-31T23:59:59.9999995Z"):
    for name, read in readers.items():
        try:
            print(text, name, read(text).strftime("%Y-%m-%d %H:%M:%S.%f"))
        except msgspec.ValidationError as error:
            print(text, name, str(error))
P
got=$(cd "$dir" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" timeout 100 "$dir/venv/bin/python" run.py 2>"$dir/err") || { cat "$dir/err"; got="$got (failed)"; }
want='2026-11-28T10:00:00.1234567Z datetime 2026-11-28 10:00:00.123456
2026-11-28T10:00:00.1234567Z pydantic 2026-11-28 10:00:00.123456
2026-11-28T10:00:00.1234567Z msgspec 2026-11-28 10:00:00.123457
2026-12-31T23:59:59.9999995Z datetime 2026-12-31 23:59:59.999999
2026-12-31T23:59:59.9999995Z pydantic 2026-12-31 23:59:59.999999
2026-12-31T23:59:59.9999995Z msgspec 2027-01-01 00:00:00.000000
9999-12-31T23:59:59.9999995Z datetime 9999-12-31 23:59:59.999999
9999-12-31T23:59:59.9999995Z pydantic 9999-12-31 23:59:59.999999
9999-12-31T23:59:59.9999995Z msgspec Invalid RFC3339 encoded datetime'
echo "msgspec 0.22.0, pydantic 2.14.4"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
