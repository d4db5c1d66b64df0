#!/usr/bin/env bash
# SQLite asks an authorizer about the function in a column's default, though the statement only selects that column.
#
# Guess of an expert: an authorizer that allows SELECT and READ of named columns and denies every function lets
#           `SELECT a, b FROM t` pass: the statement calls none. A DEFAULT is of interest to INSERT alone.
# Truth:    SQLite 3.54.1 asks for SQLITE_FUNCTION `datetime` while it prepares that SELECT, if b has the default
#           (datetime('now')). Denied, the whole statement fails. 3.50.4 does not ask. The table need not hold a row.
# Versions: apsw 3.50.4.0 and 3.54.1.0 (PyPI), each with its own SQLite. Seen on 2026-11-29.
# Output seen:
#   3.50.4: asked for nothing, rows read
#   3.54.1: asked for datetime, not authorized to use function: datetime
# Why it matters: a reader that guards a foreign database by an authorizer breaks with an update of SQLite alone, or when the tool
#           adds such a column. What is allowed must follow the defaults of the tables, not the statement.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat > "$dir/ask.py" <<'P'
import apsw

asked = []
con = apsw.Connection(":memory:")
con.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT DEFAULT (datetime('now')))")


def judge(action, _first, second, _database, _inside):
    if action == apsw.SQLITE_FUNCTION:
        asked.append(second)
        return apsw.SQLITE_DENY
    return apsw.SQLITE_OK


con.authorizer = judge
try:
    said = "rows read" if con.execute("SELECT a, b FROM t").fetchall() == [] else "?"
except apsw.Error as error:
    said = str(error)
print(f"{apsw.sqlite_lib_version()}: asked for {', '.join(asked) or 'nothing'}, {said}")
P
: > "$dir/seen"
for version in 3.50.4.0 3.54.1.0; do
  python3 -m venv "$dir/$version"
  "$dir/$version/bin/pip" install --quiet --disable-pip-version-check "apsw==$version" >/dev/null 2>&1
  "$dir/$version/bin/python" "$dir/ask.py" | tee -a "$dir/seen"
done
cat > "$dir/expected" <<'T'
3.50.4: asked for nothing, rows read
3.54.1: asked for datetime, not authorized to use function: datetime
T
if cmp -s "$dir/seen" "$dir/expected"; then echo "confirmed"; else echo "changed"; exit 1; fi
