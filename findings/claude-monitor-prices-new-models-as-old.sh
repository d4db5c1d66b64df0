#!/usr/bin/env bash
# claude-monitor prices a new Opus as Claude 3 Opus, and a new Haiku as Claude 3 Haiku, though it has a rate for unknown models.
#
# Guess of an expert: a model that is newer than the tool gets the current rate of its family, as its table of such rates says,
#           and so it is wrong by the small difference between two generations.
# Truth:    claude-monitor 4.0.0 first turns each name without a "4-" into that of the third generation. So Opus 5 costs
#           three times its price and Haiku 5.5 two and a half times, and the rates of the families are for names with "4-" only.
#           Cache writes cost the rate of five minutes, also those of an hour. Fable, which the third generation lacks, is right.
# Versions: claude-monitor 4.0.0, genai-prices 0.2.3 (PyPI) for the list. Seen on 2026-11-30.
# Output seen (one answer each, input 100000, output 10000; the last with 100000 tokens written into a cache of an hour besides):
#   claude-opus-4-8: cost 0.7500, list 0.7500
#   claude-opus-5: cost 2.2500, list 0.7500
#   claude-opus-5-5: cost 2.2500, list 0.6000
#   claude-haiku-4-5: cost 0.1500, list 0.1500
#   claude-haiku-5-5: cost 0.0375, list 0.0150
#   claude-fable-5: cost 1.5000, list 1.5000
#   claude-opus-4-8, an hour of cache: cost 1.3750, list 1.7500
# Why it matters: a user who changes from Opus 4.8 to Opus 5, at the same price, sees the cost treble in the chart and the forecast,
#           and one who changes from Haiku 4.5 to 5.5 saves nine tenths and is shown three quarters. It is all in the name.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
python3.11 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet claude-monitor==4.0.0 genai-prices==0.2.3 2>/dev/null

cat > "$dir/drive.py" <<'P'
import datetime
import json
import os
import pathlib
import subprocess
import sys

from genai_prices import Usage, calc_price

root = pathlib.Path(sys.argv[1])
NOW = datetime.datetime.now(datetime.timezone.utc)
SESSION = "11111111-1111-4111-8111-111111111111"


def shown(model, hour):
    """Return the cost that the tool shows for a home with one answer."""
    home = root / f"{model}-{hour}"
    log = home / f".claude/projects/-home-u-p/{SESSION}.jsonl"
    log.parent.mkdir(parents=True)
    usage = {"input_tokens": 100000, "cache_read_input_tokens": 0, "cache_creation_input_tokens": hour, "output_tokens": 10000,
             "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": hour}}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": [{"type": "text", "text": "x"}],
               "stop_reason": "end_turn", "usage": usage}
    at = (NOW - datetime.timedelta(minutes=1)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    row = {"type": "assistant", "sessionId": SESSION, "uuid": "a1", "timestamp": at, "version": "2.1.332", "requestId": "req_1", "message": message}
    log.write_text(json.dumps(row, separators=(",", ":")) + "\n")
    clean = {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(home), "HTTPS_PROXY": "http://127.0.0.1:9"}
    command = ["timeout", "60", str(root / "venv/bin/claude-monitor"), "--once", "--output", "json", "--timezone", "UTC"]
    printed = subprocess.run(command, env=clean, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, text=True)
    assert printed.returncode in (0, 10, 11), printed.returncode  # its states: below, near and at the limit
    local = json.loads(printed.stdout)["local"]
    assert local["tokens"]["total_tokens"] == 110000 + hour, local
    return local["cost_usd"]


def listed(model, hour):
    usage = Usage(input_tokens=100000 + hour, cache_write_tokens=hour, cache_write_1h_tokens=hour, output_tokens=10000)
    at = datetime.datetime(2026, 11, 30, tzinfo=datetime.timezone.utc)
    return calc_price(usage, model_ref=model, provider_id="anthropic", genai_request_timestamp=at).total_price


for model, hour in (
    ("claude-opus-4-8", 0),
    ("claude-opus-5", 0),
    ("claude-opus-5-5", 0),
    ("claude-haiku-4-5", 0),
    ("claude-haiku-5-5", 0),
    ("claude-fable-5", 0),
    ("claude-opus-4-8", 100000),
):
    what = f"{model}, an hour of cache" if hour else model
    print(f"{what}: cost {shown(model, hour):.4f}, list {listed(model, hour):.4f}")
P
got=$("$dir/venv/bin/python" "$dir/drive.py" "$dir")
want='claude-opus-4-8: cost 0.7500, list 0.7500
claude-opus-5: cost 2.2500, list 0.7500
claude-opus-5-5: cost 2.2500, list 0.6000
claude-haiku-4-5: cost 0.1500, list 0.1500
claude-haiku-5-5: cost 0.0375, list 0.0150
claude-fable-5: cost 1.5000, list 1.5000
claude-opus-4-8, an hour of cache: cost 1.3750, list 1.7500'
echo "claude-monitor 4.0.0, genai-prices 0.2.3"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
