#!/usr/bin/env bash
# MLflow prices its traces with LiteLLM if that happens to be installed, else with a table of its own, and the two do not agree.
#
# Guess of an expert: MLflow has its own price table and its own rules, so the cost of a span follows from the version of MLflow, the
#           model and the tokens. A package that nobody imports changes nothing; at most a missing price appears.
# Truth:    MLflow imports LiteLLM when a span is stored, and takes its own table only if the import fails. Its own rules know cache writes for
#           an hour and no tier for long requests. On the other road it is the reverse: the tier is known, and MLflow does not pass the
#           hour on. Models without a price, and older ones that MLflow has a price for, cost 0 with LiteLLM, not nothing.
#           No attribute of the span says which of the two priced it.
# Versions: mlflow 3.17.2, before and after `pip install litellm==1.110.2` (PyPI). Seen on 2026-11-30. LiteLLM uses the prices of its package.
# Output seen (dollars; stored with SQLite and read back):
#   without litellm:
#     claude-opus-4-8, 100000 input, 1000 output: 0.525
#     claude-opus-4-8, 100000 written to the cache for an hour: 1.0
#     gpt-5.4, 300000 input, 1000 output: 0.765
#     gemini-2.5-pro, 300000 input, 1000 output: 0.385
#     claude-sonnet-4-20250514, 100000 input, 1000 output: 0.315
#     claude-opus-6, 100000 input, 1000 output: none
#   with litellm:
#     claude-opus-4-8, 100000 input, 1000 output: 0.525
#     claude-opus-4-8, 100000 written to the cache for an hour: 0.625
#     gpt-5.4, 300000 input, 1000 output: 1.5225
#     gemini-2.5-pro, 300000 input, 1000 output: 0.765
#     claude-sonnet-4-20250514, 100000 input, 1000 output: 0.0
#     claude-opus-6, 100000 input, 1000 output: 0.0
# Why it matters: the same trace costs twice as much, less, or 0 after an unrelated tool brought LiteLLM along, and older and newer rows of one
#           store are priced by different rules. Neither of the two prices all requests right. A stored 0 can mean "free" or "unknown".
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
python3.11 -m venv "$dir/v"
"$dir/v/bin/pip" install --quiet mlflow==3.17.2 2>/dev/null

cat > "$dir/run.py" <<'P'
import mlflow
from mlflow.tracing.constant import SpanAttributeKey, TokenUsageKey

mlflow.set_tracking_uri("sqlite:///traces.db")
mlflow.set_experiment("any")


def cost(model, provider, words, read, output, written=0):
    usage = {TokenUsageKey.INPUT_TOKENS: read + written, TokenUsageKey.OUTPUT_TOKENS: output, TokenUsageKey.TOTAL_TOKENS: read + written + output}
    if written:  # as MLflow writes it for an answer of Anthropic
        usage[TokenUsageKey.CACHE_CREATION_INPUT_TOKENS] = written
        usage[TokenUsageKey.CACHE_CREATION_INPUT_TOKENS_ABOVE_1HR] = written
    with mlflow.start_span("request", span_type="CHAT_MODEL") as span:
        span.set_attribute(SpanAttributeKey.MODEL, model)
        span.set_attribute(SpanAttributeKey.MODEL_PROVIDER, provider)
        span.set_attribute(SpanAttributeKey.CHAT_USAGE, usage)
    stored = mlflow.get_trace(span.trace_id, flush=True).data.spans[0].get_attribute(SpanAttributeKey.LLM_COST)
    print(f"  {model}, {words}: {round(stored['total_cost'], 6) if stored else 'none'}")


short, long = "100000 input, 1000 output", "300000 input, 1000 output"
cost("claude-opus-4-8", "anthropic", short, 100000, 1000)
cost("claude-opus-4-8", "anthropic", "100000 written to the cache for an hour", 0, 0, 100000)
cost("gpt-5.4", "openai", long, 300000, 1000)
cost("gemini-2.5-pro", "gemini", long, 300000, 1000)
cost("claude-sonnet-4-20250514", "anthropic", short, 100000, 1000)
cost("claude-opus-6", "anthropic", short, 100000, 1000)
P
seen() {
  (cd "$dir" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" LITELLM_LOCAL_MODEL_COST_MAP=True MLFLOW_DISABLE_TELEMETRY=true \
    HTTPS_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1 timeout 240 "$dir/v/bin/python" run.py 2>/dev/null)
}
got=$(
  echo "without litellm:"
  seen
  "$dir/v/bin/pip" install --quiet litellm==1.110.2 2>/dev/null
  echo "with litellm:"
  seen
)
want='without litellm:
  claude-opus-4-8, 100000 input, 1000 output: 0.525
  claude-opus-4-8, 100000 written to the cache for an hour: 1.0
  gpt-5.4, 300000 input, 1000 output: 0.765
  gemini-2.5-pro, 300000 input, 1000 output: 0.385
  claude-sonnet-4-20250514, 100000 input, 1000 output: 0.315
  claude-opus-6, 100000 input, 1000 output: none
with litellm:
  claude-opus-4-8, 100000 input, 1000 output: 0.525
  claude-opus-4-8, 100000 written to the cache for an hour: 0.625
  gpt-5.4, 300000 input, 1000 output: 1.5225
  gemini-2.5-pro, 300000 input, 1000 output: 0.765
  claude-sonnet-4-20250514, 100000 input, 1000 output: 0.0
  claude-opus-6, 100000 input, 1000 output: 0.0'
echo "mlflow 3.17.2, then with litellm 1.110.2"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
