#!/usr/bin/env bash
# ccusage gives three answers to "how much was it on Sunday", and puts that Sunday into two different weeks.
#
# Guess of an expert: `--since DAY --until DAY` keeps what was used on that day, so each report has the same total, and
#           a report with the tool's name in front (`claude weekly`) is the common one (`weekly`) for that tool alone.
# Truth:    in ccusage 20.0.24 the two dates pick answers by their own day in `daily` and `claude session`, whole
#           sessions by the day of their last answer in `session`, and whole blocks of five hours by the day of their start
#           in `blocks`. A session that goes on to Monday is not in `session` of Sunday at all, and with the first date alone it
#           is there with its Saturday. A block of Saturday night takes its part of Sunday away. `weekly` begins on Monday,
#           `claude weekly` on Sunday.
# Versions: ccusage 20.0.24 (npm). Seen on 2026-11-29.
# Output seen (one session: 3,000 tokens on Saturday night, 28,000 on Sunday, 32,000 on Monday):
#   Sunday: daily 28000, claude daily 28000, claude session 28000, session nothing, blocks 16000
#   since Sunday: daily 60000, claude daily 60000, claude session 60000, session 63000, blocks 48000
#   weekly: 2026-11-16 31000, 2026-11-23 32000
#   claude weekly: 2026-11-15 3000, 2026-11-22 60000
# Why it matters: people check one report by another, and other readers by ccusage. Only sums over all time agree in all
#           reports. Work at night is lost from `blocks`, a long session from `session`, and two charts of weeks differ by a day.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
npm install --prefix "$dir/npm" --silent --no-audit --no-fund ccusage@20.0.24 >/dev/null 2>&1
chmod +x "$dir"/npm/node_modules/@ccusage/*/bin/ccusage
logs="$dir/home/.claude/projects/-work"
mkdir -p "$logs"

cat > "$dir/write.js" <<'J'
// Six answers of one session, as Claude Code writes them.
const sessionId = '11111111-1111-4111-8111-111111111111';
const answers = [['21T22:30', 1000], ['21T23:30', 2000], ['22T00:30', 4000], ['22T02:30', 8000], ['22T12:00', 16000], ['23T12:00', 32000]];
answers.forEach(([time, input], n) => console.log(JSON.stringify({
  type: 'assistant', timestamp: `2026-11-${time}:00.000Z`, sessionId, requestId: `req_${n}`, uuid: `u${n}`, cwd: '/work', version: '2.1.332',
  message: { id: `msg_${n}`, type: 'message', role: 'assistant', model: 'claude-sonnet-4-5', content: [], stop_reason: 'end_turn',
    usage: { input_tokens: input, output_tokens: 0, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 } },
})));
J
node "$dir/write.js" > "$logs/11111111-1111-4111-8111-111111111111.jsonl"
cat > "$dir/show.js" <<'J'
// Prints the total of a report, or each of its weeks with its own.
const report = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const rows = Object.values(report).find(Array.isArray).filter(row => !row.isGap);
const weeks = rows.map(row => `${row.week ?? row.period} ${row.totalTokens}`).join(', ');
console.log(process.argv[2] === 'weeks' ? weeks : rows.reduce((sum, row) => sum + row.totalTokens, 0) || 'nothing');
J
ccusage() { env -i "PATH=$PATH" "HOME=$dir/home" TZ=UTC timeout 60 "$dir/npm/node_modules/.bin/ccusage" "$@" --json --offline --timezone UTC; }
totals() { # dates
  local report all=
  for report in daily 'claude daily' 'claude session' session blocks; do
    # shellcheck disable=SC2086 # a report may be of two words
    all="$all, $report $(ccusage $report "$@" | node "$dir/show.js" total)"
  done
  echo "${all#, }"
}
got="Sunday: $(totals --since 20261122 --until 20261122)
since Sunday: $(totals --since 20261122)
weekly: $(ccusage weekly | node "$dir/show.js" weeks)
claude weekly: $(ccusage claude weekly | node "$dir/show.js" weeks)"
want='Sunday: daily 28000, claude daily 28000, claude session 28000, session nothing, blocks 16000
since Sunday: daily 60000, claude daily 60000, claude session 60000, session 63000, blocks 48000
weekly: 2026-11-16 31000, 2026-11-23 32000
claude weekly: 2026-11-15 3000, 2026-11-22 60000'
echo "ccusage 20.0.24"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
