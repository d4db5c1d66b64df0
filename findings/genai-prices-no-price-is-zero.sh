#!/usr/bin/env bash
# genai-prices answers 0 dollars, not an error, for a model that it knows but has no price for.
#
# Guess of an expert: a price that is not in the table raises, or gives None. Only an id that ends in ":free" costs 0.
# Truth:    genai-prices 0.2.3 holds 2,330 entries. 179 of them have no price at all. `calc_price` gives 0 for
#           each, with the same types as a real price. 18 of the 179 do not carry ":free" in their id, such as
#           `qwen-3-coder-480b` of cerebras or `gpt-4.1` of github-copilot. The same missing number inside
#           a priced entry acts the other way: tokens read from the cache then cost the full input price.
# Versions: genai-prices 0.2.3 (PyPI). Seen on 2026-11-28.
# Output seen:
#   2330 entries, 179 without a price, 18 of them not named free
#   cerebras qwen-3-coder-480b: Decimal 0
#   github-copilot gpt-4.1: Decimal 0
#   openai gpt-4.1: Decimal 10
#   no cache price: a cached million costs 100% of a fresh one
# Why it matters: a dashboard shows "$0.00" and means "unknown". A reader must look for an input and an output
#           price in the matched entry before it calls the result a cost.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.11 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet genai-prices==0.2.3 2>/dev/null

cat > "$dir/run.py" <<'P'
from datetime import datetime, timezone
from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import get_snapshot

def last_prices(model):
    prices = model.prices[-1].prices if isinstance(model.prices, list) else model.prices
    return {k: v for k, v in vars(prices).items() if v is not None and not k.startswith("_")}

def price(model, provider, **tokens):
    return calc_price(Usage(**tokens), model_ref=model, provider_id=provider,
                      genai_request_timestamp=datetime(2026, 11, 28, 12, tzinfo=timezone.utc))

entries = [(p.id, m) for p in get_snapshot().providers for m in p.models]
empty = [(p, m.id) for p, m in entries if not last_prices(m)]
print(f"{len(entries)} entries, {len(empty)} without a price, {sum(':free' not in m for _, m in empty)} of them not named free")
for model, provider in (("qwen-3-coder-480b", "cerebras"), ("gpt-4.1", "github-copilot"), ("gpt-4.1", "openai")):
    result = price(model, provider, input_tokens=1_000_000, output_tokens=1_000_000)
    print(f"{provider} {model}: {type(result.total_price).__name__} {result.total_price.normalize():f}")
uncached = next(m for p, m in entries if p == "groq" and {"input_mtok", "output_mtok"} == set(last_prices(m)))
full = price(uncached.id, "groq", input_tokens=1_000_000).total_price
read = price(uncached.id, "groq", input_tokens=1_000_000, cache_read_tokens=1_000_000).total_price
print(f"no cache price: a cached million costs {read / full:.0%} of a fresh one")
P
got=$(cd "$dir" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" timeout 100 "$dir/venv/bin/python" run.py 2>"$dir/err") || { cat "$dir/err"; got="$got (failed)"; }
want='2330 entries, 179 without a price, 18 of them not named free
cerebras qwen-3-coder-480b: Decimal 0
github-copilot gpt-4.1: Decimal 0
openai gpt-4.1: Decimal 10
no cache price: a cached million costs 100% of a fresh one'
echo "genai-prices 0.2.3"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
