#!/usr/bin/env bash
# genai-prices gives some models that do not exist the price of a neighbour, and refuses others of the same shape.
#
# Guess of an expert: an unknown model raises LookupError, so whatever has a price is the model that was asked for.
# Truth:    genai-prices 0.2.3 holds one match rule per model, and the rules differ. `claude-opus-4-80`
#           is priced as `claude-opus-4-8`, and `gemini-2.5-pro-ultra` as `gemini-2.5-pro`. `gpt-5.55` raises.
#           `gpt-5.5-codex` is priced as `gpt-5.5`, but `gpt-5.5-foo` raises. The suffix `[1m]`, which Claude Code
#           uses for a long context, is accepted for an older model and raises for a newer one.
# Versions: genai-prices 0.2.3 (PyPI). Seen on 2026-11-28.
# Output seen:
#   claude-opus-4-80: priced as claude-opus-4-8
#   gemini-2.5-pro-ultra: priced as gemini-2.5-pro
#   gpt-5.55: LookupError
#   gpt-5.5-codex: priced as gpt-5.5
#   gpt-5.5-foo: LookupError
#   claude-sonnet-4-5[1m]: priced as claude-sonnet-4-5
#   claude-haiku-5-5[1m]: LookupError
# Why it matters: a log may name a model that is newer than the installed prices. A reader that only catches
#           LookupError books a neighbour's price as a fact. It must keep the matched id and show it when it differs.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.11 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet genai-prices==0.2.3 2>/dev/null

cat > "$dir/run.py" <<'P'
from genai_prices import Usage, calc_price

for model in ("claude-opus-4-80", "gemini-2.5-pro-ultra", "gpt-5.55", "gpt-5.5-codex", "gpt-5.5-foo",
              "claude-sonnet-4-5[1m]", "claude-haiku-5-5[1m]"):
    try:
        price = calc_price(Usage(input_tokens=1000, output_tokens=1000), model_ref=model)
        print(f"{model}: priced as {price.model.id}")
    except LookupError:
        print(f"{model}: LookupError")
P
got=$(cd "$dir" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" timeout 100 "$dir/venv/bin/python" run.py 2>"$dir/err") || { cat "$dir/err"; got="$got (failed)"; }
want='claude-opus-4-80: priced as claude-opus-4-8
gemini-2.5-pro-ultra: priced as gemini-2.5-pro
gpt-5.55: LookupError
gpt-5.5-codex: priced as gpt-5.5
gpt-5.5-foo: LookupError
claude-sonnet-4-5[1m]: priced as claude-sonnet-4-5
claude-haiku-5-5[1m]: LookupError'
echo "genai-prices 0.2.3"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
