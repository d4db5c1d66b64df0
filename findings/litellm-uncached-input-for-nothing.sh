#!/usr/bin/env bash
# litellm prices Anthropic's own numbers without their uncached input: 0, 1,000 and 25,000 tokens of it cost the same.
#
# Guess of an expert: arguments called `cache_read_input_tokens` and `cache_creation_input_tokens` are Anthropic's, so `prompt_tokens` beside
#           them is Anthropic's `input_tokens`, without the cache; or a cache larger than the prompt raises.
# Truth:    in litellm 1.110.2 `prompt_tokens` of `cost_per_token` contains both kinds of cache, for each provider. With Anthropic's numbers
#           the cache is taken off once more, what falls below zero becomes zero, and nothing is said. So the uncached input is
#           free up to the size of the cache, and too small by the cache above.
# Versions: litellm 1.110.2 (PyPI), with the price file in the package. Seen on 2026-11-30.
# Output seen (claude-opus-4-8, read 20,000, written 5,000, no output; dollars, "contained" is uncached + 25,000 as `prompt_tokens`):
#   uncached 0: as Anthropic states it 0.0413, contained 0.0413, without the cache 0.0000
#   uncached 1000: as Anthropic states it 0.0413, contained 0.0462, without the cache 0.0050
#   uncached 25000: as Anthropic states it 0.0413, contained 0.1663, without the cache 0.1250
#   uncached 30000: as Anthropic states it 0.0663, contained 0.1913, without the cache 0.1500
#   uncached 100000: as Anthropic states it 0.4163, contained 0.5413, without the cache 0.5000
# Why it matters: 25,000 tokens cost less with 25,000 cached ones beside them than alone. In an agent nearly all input is cached, so a log in
#           Anthropic's numbers always falls into the free range, and the cost looks plausible, as the uncached part is small.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
python3.11 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet litellm==1.110.2 2>/dev/null

cat > "$dir/run.py" <<'P'
from litellm import cost_per_token

CACHE = {"cache_read_input_tokens": 20000, "cache_creation_input_tokens": 5000}


def cost(prompt, **cache):
    return f"{sum(cost_per_token(model='claude-opus-4-8', prompt_tokens=prompt, completion_tokens=0, **cache)):.4f}"


for uncached in 0, 1000, 25000, 30000, 100000:
    print(f"uncached {uncached}: as Anthropic states it {cost(uncached, **CACHE)}, contained {cost(uncached + 25000, **CACHE)}, "
          f"without the cache {cost(uncached)}")
P
got=$(cd "$dir" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" HTTPS_PROXY=http://127.0.0.1:9 LITELLM_LOCAL_MODEL_COST_MAP=True \
  timeout 200 "$dir/venv/bin/python" run.py 2>/dev/null)
want='uncached 0: as Anthropic states it 0.0413, contained 0.0413, without the cache 0.0000
uncached 1000: as Anthropic states it 0.0413, contained 0.0462, without the cache 0.0050
uncached 25000: as Anthropic states it 0.0413, contained 0.1663, without the cache 0.1250
uncached 30000: as Anthropic states it 0.0663, contained 0.1913, without the cache 0.1500
uncached 100000: as Anthropic states it 0.4163, contained 0.5413, without the cache 0.5000'
echo "litellm 1.110.2"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
