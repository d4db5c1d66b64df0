#!/usr/bin/env bash
# litellm prices a model that does not exist at 0 without an error if its name looks like the next one, and raises for the rest.
#
# Guess of an expert: a model without a price raises, as the message "This model isn't mapped yet" promises, so a caller that catches
#           the error knows all that has no price.
# Truth:    litellm 1.110.2 takes an unknown Claude, GPT or Gemini of a coming generation for a known model, with what it
#           can do and a price of 0: cost and model information come without an error. Only names that fit no rule
#           raise. `completion_cost` does the same as `cost_per_token`.
# Versions: litellm 1.110.2 (PyPI). Seen on 2026-11-30.
# Output seen (1000 tokens of input and of output; none of the names exists, but for the first):
#   claude-sonnet-4-5: 0.018000, input price 3e-06
#   claude-sonnet-4-5-20990101: 0.000000, input price 0
#   claude-opus-9: 0.000000, input price 0
#   anthropic/claude-opus-9: 0.000000, input price 0
#   openai/gpt-9: 0.000000, input price 0
#   gemini/gemini-9-pro: 0.000000, input price 0
#   openai/some-model: ModelNotMappedError
#   anthropic/some-model: ModelNotMappedError
#   deepseek/deepseek-v9: ModelNotMappedError
#   xai/grok-9: ModelNotMappedError
# Why it matters: gateways and counters take their cost from this library. A new model is free until the library is updated, a
#           check for the error finds nothing, and the rules are for the makers whose new models are used most.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
python3.11 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet litellm==1.110.2 2>/dev/null

cat > "$dir/run.py" <<'P'
from litellm import ModelResponse, Usage, completion_cost, cost_per_token, get_model_info

NAMES = ("claude-sonnet-4-5", "claude-sonnet-4-5-20990101", "claude-opus-9", "anthropic/claude-opus-9", "openai/gpt-9",
         "gemini/gemini-9-pro", "openai/some-model", "anthropic/some-model", "deepseek/deepseek-v9", "xai/grok-9")


def by_tokens(model):
    return sum(cost_per_token(model=model, prompt_tokens=1000, completion_tokens=1000))


def by_answer(model):
    usage = Usage(prompt_tokens=1000, completion_tokens=1000, total_tokens=2000)
    return completion_cost(ModelResponse(model=model, usage=usage), model=model)


def told(cost, model):
    try:
        return f"{cost(model):.6f}, input price {get_model_info(model)['input_cost_per_token']}"
    except Exception as error:
        return type(error).__name__


for name in NAMES:
    answers = {told(by_tokens, name), told(by_answer, name)}
    print(f"SEEN {name}: {' and '.join(sorted(answers))}")
P
# The table inside of the package, and no address but loopback.
got=$(cd "$dir" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" LITELLM_LOCAL_MODEL_COST_MAP=True HTTPS_PROXY=http://127.0.0.1:9 \
  timeout 100 "$dir/venv/bin/python" run.py 2>/dev/null | sed -n 's/^SEEN //p')
want='claude-sonnet-4-5: 0.018000, input price 3e-06
claude-sonnet-4-5-20990101: 0.000000, input price 0
claude-opus-9: 0.000000, input price 0
anthropic/claude-opus-9: 0.000000, input price 0
openai/gpt-9: 0.000000, input price 0
gemini/gemini-9-pro: 0.000000, input price 0
openai/some-model: ModelNotMappedError
anthropic/some-model: ModelNotMappedError
deepseek/deepseek-v9: ModelNotMappedError
xai/grok-9: ModelNotMappedError'
echo "litellm 1.110.2"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
