#!/usr/bin/env bash
# ccusage prints one column "output" with two meanings, and its parts do not add up to its total.
#
# Guess of an expert: the same answer (200 output tokens, 150 of them reasoning) has the same output in each report.
# Truth:    ccusage 20.0.24 takes the output as the tool writes it. Codex writes output WITH reasoning: 200.
#           Gemini CLI and OpenCode write it WITHOUT: 50. The common report adds 200 and 50. The total and the cost of the Gemini
#           row include the 150 that no column shows, so they look wrong although they are right.
# Versions: ccusage 20.0.24 (npm). Seen on 2026-11-28.
# Output seen:
#   codex: input 600, cache read 400, output 200, total 1200, unseen 0
#   gemini: input 600, cache read 400, output 50, total 1200, unseen 150
#   both: input 1200, cache read 800, output 250, total 2400, unseen 150
# Why it matters: a reader that checks itself against these columns is wrong for one group of tools whichever meaning it takes.
#           Output per tool can be compared only after both were brought to one meaning.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
npm install --prefix "$dir/npm" --silent --no-audit --no-fund ccusage@20.0.24 >/dev/null
chmod +x "$dir"/npm/node_modules/@ccusage/*/bin/ccusage
codex="$dir/home/.codex/sessions/2026/11/20"
gemini="$dir/home/.gemini/tmp/p/chats"
mkdir -p "$codex" "$gemini"
cat > "$codex/rollout-2026-11-20T10-00-00-01a22315-e937-7d61-8bf5-51fc0de66357.jsonl" <<'J'
{"timestamp":"2026-11-20T10:00:00.100Z","type":"session_meta","payload":{"id":"01a22315-e937-7d61-8bf5-51fc0de66357","timestamp":"2026-11-20T10:00:00.100Z","cwd":"/w","originator":"codex_exec","cli_version":"0.171.0","source":"exec"}}
{"timestamp":"2026-11-20T10:00:00.200Z","type":"turn_context","payload":{"turn_id":"t1","model":"gpt-5.5"}}
{"timestamp":"2026-11-20T10:00:05.000Z","type":"event_msg","payload":{"type":"token_count","info":{"total_token_usage":{"input_tokens":1000,"cached_input_tokens":400,"output_tokens":200,"reasoning_output_tokens":150,"total_tokens":1200},"last_token_usage":{"input_tokens":1000,"cached_input_tokens":400,"output_tokens":200,"reasoning_output_tokens":150,"total_tokens":1200}}}}
J
cat > "$gemini/session-2026-11-20T10-00-a79b9b20.jsonl" <<'J'
{"sessionId":"a79b9b20-f427-4734-90e7-be0ca8e39514","projectHash":"00","startTime":"2026-11-20T10:00:00.000Z","lastUpdated":"2026-11-20T10:00:00.000Z","kind":"main"}
{"id":"24d2b2b3-2661-47fb-ac25-a7711325c4c4","timestamp":"2026-11-20T10:00:05.490Z","type":"gemini","content":"x","thoughts":[],"tokens":{"input":1000,"output":50,"cached":400,"thoughts":150,"tool":0,"total":1200},"model":"gemini-2.5-pro"}
J
cat > "$dir/read.js" <<'J'
const t = JSON.parse(require("fs").readFileSync(process.argv[2])).totals;
const seen = t.inputTokens + t.cacheReadTokens + t.cacheCreationTokens + t.outputTokens;
console.log(`${process.argv[3]}: input ${t.inputTokens}, cache read ${t.cacheReadTokens}, output ${t.outputTokens}, total ${t.totalTokens}, unseen ${t.totalTokens - seen}`);
J
report() { # name, words of the command
  name=$1; shift
  env -i "PATH=$PATH" "HOME=$dir/home" timeout 60 "$dir/npm/node_modules/.bin/ccusage" "$@" --json --offline > "$dir/out"
  node "$dir/read.js" "$dir/out" "$name"
}
got=$(report codex codex daily; report gemini gemini daily; report both daily)
want='codex: input 600, cache read 400, output 200, total 1200, unseen 0
gemini: input 600, cache read 400, output 50, total 1200, unseen 150
both: input 1200, cache read 800, output 250, total 2400, unseen 150'
echo "ccusage 20.0.24"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
