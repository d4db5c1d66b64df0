#!/usr/bin/env bash
# tokscale's report leaves the reasoning out of all its totals and bills it; its graph of the same files counts it.
#
# Guess of an expert: output is what the API calls output, so a report's total is the total that the log itself states, and the cost and
#           the tokens of a row are about the same tokens.
# Truth:    tokscale 4.17.0 takes the reasoning out of Codex's output, where it is a part. The report has no column for it: the
#           rest is called "Output", and the sums of rows and report lack it. The cost contains it. `graph` adds it to its total.
#           In JSON each entry names the reasoning and the totals below have no such field.
# Versions: @tokscale/cli-linux-x64-gnu 4.17.0 (npm). Seen on 2026-11-30.
# Output seen (two answers of Codex, each: input 26,000 of which 20,000 cached, output 1,500 of which 1,400 for reasoning, total 27,500):
#   table: output 200, total 52,200, $0.07
#   json entry: output 200, reasoning 2800, cost 0.07
#   json totals: input 12000, cacheRead 40000, output 200, cost 0.07
#   graph: total 55000, cost 0.07
#   at 1.75, 0.175 and 14 dollars per million: 0.070 with reasoning, 0.031 without
# Why it matters: 2,800 of 3,000 tokens of output are missing, so a price for each token, which the report prints too ("Cost/1M"), is
#           too high, and who multiplies the shown tokens with the prices finds 56 % less than the cost beside them.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
npm install --prefix "$dir/npm" --silent --no-audit --no-fund --ignore-scripts @tokscale/cli-linux-x64-gnu@4.17.0 >/dev/null 2>&1
logs="$dir/home/.codex/sessions/2026/11/29"
mkdir -p "$logs" "$dir/tmp"
node - > "$logs/rollout-2026-11-29T10-00-00-22222222-2222-7222-8222-222222222222.jsonl" <<'J'
const id = "22222222-2222-7222-8222-222222222222";
const line = (second, type, payload) => console.log(JSON.stringify({ timestamp: `2026-11-29T10:00:0${second}.000Z`, type, payload }));
const usage = (n) => ({ input_tokens: 26000 * n, cached_input_tokens: 20000 * n, output_tokens: 1500 * n, reasoning_output_tokens: 1400 * n, total_tokens: 27500 * n });
line(0, "session_meta", { id, timestamp: "2026-11-29T10:00:00.000Z", cwd: "/p", originator: "codex_exec", cli_version: "0.171.0", source: "exec", model_provider: "openai" });
line(1, "turn_context", { cwd: "/p", approval_policy: "never", model: "gpt-5.3-codex", effort: "medium", summary: "auto" });
for (const n of [1, 2]) {
  const info = { total_token_usage: usage(n), last_token_usage: usage(1), model_context_window: 258400 };
  line(n + 1, "event_msg", { type: "token_count", info, rate_limits: null });
}
J
# A proxy port that nobody serves: the price of this model is inside of the program.
tokscale() {
  env -i "PATH=$PATH" "HOME=$dir/home" "TMPDIR=$dir/tmp" NO_COLOR=1 HTTPS_PROXY=http://127.0.0.1:9 HTTP_PROXY=http://127.0.0.1:9 \
    timeout 100 "$dir/npm/node_modules/@tokscale/cli-linux-x64-gnu/bin/tokscale" "$@" 2>/dev/null
}
tokscale --light > "$dir/table"
tokscale --json > "$dir/json"
tokscale graph > "$dir/graph"
got=$(node - "$dir" <<'J'
const { readFileSync } = require("fs");
const read = (name) => readFileSync(`${process.argv[2]}/${name}`, "utf8");
const cells = read("table").replace(/\x1b\[[0-9;]*m/g, "").split("\n").find((l) => l.includes("Codex CLI")).split("│").map((c) => c.trim());
const heads = read("table").replace(/\x1b\[[0-9;]*m/g, "").split("\n").find((l) => l.includes("Cache Write")).split("│").map((c) => c.trim());
const cell = (name) => cells[heads.indexOf(name)];
const report = JSON.parse(read("json"));
const [entry] = report.entries;
const round = (n) => Number(n.toFixed(6));
console.log(`table: output ${cell("Output")}, total ${cell("Total")}, ${cell("Cost")}`);
console.log(`json entry: output ${entry.output}, reasoning ${entry.reasoning}, cost ${round(entry.cost)}`);
const totals = Object.entries(report).filter(([k]) => k.startsWith("total") && k !== "totalMessages" && k !== "totalCacheWrite");
const named = Object.fromEntries(totals.map(([k, v]) => [k.slice(5, 6).toLowerCase() + k.slice(6), round(v)]));
console.log(`json totals: ${["input", "cacheRead", "output", "cost", ...Object.keys(named).filter((k) => !["input", "cacheRead", "output", "cost"].includes(k))].map((k) => `${k} ${named[k]}`).join(", ")}`);
const { summary } = JSON.parse(read("graph"));
console.log(`graph: total ${summary.totalTokens}, cost ${round(summary.totalCost)}`);
const price = (output) => ((12000 * 1.75 + 40000 * 0.175 + output * 14) / 1e6).toFixed(3);
console.log(`at 1.75, 0.175 and 14 dollars per million: ${price(3000)} with reasoning, ${price(200)} without`);
J
)
want='table: output 200, total 52,200, $0.07
json entry: output 200, reasoning 2800, cost 0.07
json totals: input 12000, cacheRead 40000, output 200, cost 0.07
graph: total 55000, cost 0.07
at 1.75, 0.175 and 14 dollars per million: 0.070 with reasoning, 0.031 without'
echo "tokscale 4.17.0"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
