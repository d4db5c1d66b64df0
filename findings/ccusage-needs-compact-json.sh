#!/usr/bin/env bash
# ccusage reads a log line only if no space follows its colons.
#
# Guess of an expert: a log line is JSON, so white space between its tokens has no meaning.
# Truth:    ccusage 20.0.24 counts nothing for a Claude Code line with a space after each colon. The exit
#           code is 0 and no warning is printed. The same line without the spaces counts all its
#           tokens. A Codex line behaves alike. It acts as if it searched for bytes before it parses.
# Versions: ccusage 20.0.24 (npm). Seen on 2026-11-28.
# Output seen:
#   claude compact: exit 0, 150 tokens
#   claude spaced: exit 0, 0 tokens
#   codex compact: exit 0, 1200 tokens
#   codex spaced: exit 0, 0 tokens
# Why it matters: backup, redaction and merge scripts rewrite logs with the default settings of
#           Python's json.dumps, which put a space there. A reader that takes ccusage as its oracle
#           sees an empty home. A reader that copies the byte search inherits the loss.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
npm install --prefix "$dir/npm" --silent --no-audit --no-fund ccusage@20.0.24 >/dev/null
chmod +x "$dir"/npm/node_modules/@ccusage/*/bin/ccusage
ccusage() { env -i "PATH=$PATH" "HOME=$dir/$1" timeout 60 "$dir/npm/node_modules/.bin/ccusage" "$2" daily --json --offline; }

for style in compact spaced; do
  claude="$dir/$style/.claude/projects/-home-u-p"
  codex="$dir/$style/.codex/sessions/2026/11/20"
  mkdir -p "$claude" "$codex"
  cat > "$claude/11111111-1111-4111-8111-111111111111.jsonl" <<'J'
{"type":"assistant","sessionId":"11111111-1111-4111-8111-111111111111","uuid":"a1","timestamp":"2026-11-20T10:00:00.000Z","version":"2.1.332","requestId":"req_1","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[{"type":"text","text":"x"}],"stop_reason":"end_turn","usage":{"input_tokens":100,"output_tokens":50,"cache_read_input_tokens":0,"cache_creation_input_tokens":0}}}
J
  cat > "$codex/rollout-2026-11-20T10-00-00-01a22315-e937-7d61-8bf5-51fc0de66357.jsonl" <<'J'
{"timestamp":"2026-11-20T10:00:00.100Z","type":"session_meta","payload":{"id":"01a22315-e937-7d61-8bf5-51fc0de66357","timestamp":"2026-11-20T10:00:00.100Z","cwd":"/w","originator":"codex_exec","cli_version":"0.171.0","source":"exec"}}
{"timestamp":"2026-11-20T10:00:00.200Z","type":"turn_context","payload":{"turn_id":"t1","model":"gpt-5.5"}}
{"timestamp":"2026-11-20T10:00:05.000Z","type":"event_msg","payload":{"type":"token_count","info":{"total_token_usage":{"input_tokens":1000,"cached_input_tokens":400,"output_tokens":200,"reasoning_output_tokens":150,"total_tokens":1200},"last_token_usage":{"input_tokens":1000,"cached_input_tokens":400,"output_tokens":200,"reasoning_output_tokens":150,"total_tokens":1200}}}}
J
done
# The values hold no ":" that touches a quotation mark, so sed makes the same JSON with spaces.
find "$dir/spaced" -name '*.jsonl' -exec sed -i.old 's/":/": /g' {} \;
find "$dir/spaced" -name '*.old' -delete

got=$(for tool in claude codex; do for style in compact spaced; do
  rc=0; ccusage "$style" "$tool" > "$dir/out" 2> "$dir/err" || rc=$?
  [ -s "$dir/err" ] && echo "a warning was printed"
  echo "$tool $style: exit $rc, $(node -p 'JSON.parse(require("fs").readFileSync(process.argv[1])).totals.totalTokens' "$dir/out") tokens"
done; done)
want='claude compact: exit 0, 150 tokens
claude spaced: exit 0, 0 tokens
codex compact: exit 0, 1200 tokens
codex spaced: exit 0, 0 tokens'
echo "ccusage 20.0.24"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
