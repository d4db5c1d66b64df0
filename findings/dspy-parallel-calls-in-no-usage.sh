#!/usr/bin/env bash
# DSPy tracks no usage of calls that its own `Parallel`, `batch` and `Evaluate` make: the total stays empty, and the predictions have none either.
#
# Guess of an expert: `dspy.track_usage()` counts all calls of its block, and `track_usage=True` all calls of a module, also those of
#           `dspy.Parallel`, which hands the settings of its caller on to its threads. At the least each prediction has its own usage.
# Truth:    `Parallel` gives each thread a deep copy of the tracker and throws the copy away. And since a tracker is there, a module in
#           the thread sets no usage at its prediction. So the tokens stand neither in the total nor at the predictions. There is no
#           warning. `batch` and `Evaluate` do the same, since they use `Parallel`. A `gather` of the same calls is counted.
# Versions: dspy 3.4.1 (PyPI). Seen on 2026-11-30.
# Output seen (four calls each time, one more before those of `batch`; 26,000 tokens of input in each answer):
#   a module with a loop: 4 requests; its prediction 104000
#   a module with dspy.Parallel: 4 requests; its prediction nothing
#   a module with one call, then batch: 5 requests; its prediction 26000
#   track_usage() around a gather: 4 requests; tracker 104000; predictions none none none none
#   track_usage() around dspy.Parallel: 4 requests; tracker nothing; predictions none none none none
#   track_usage() around dspy.Evaluate: 4 requests; tracker nothing; predictions none none none none
#   dspy.Parallel alone: 4 requests; predictions 26000 26000 26000 26000
# Why it matters: a program that goes parallel seems to become cheaper. Here one module reports 26,000 of 130,000 tokens, a plausible number.
#           Evaluations and optimizers, which make most of the calls, report nothing. Only `lm.history` has all of them.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
python3.11 -m venv "$dir/v"
"$dir/v/bin/pip" install --quiet dspy==3.4.1 2>/dev/null

cat > "$dir/run.py" <<'P'
import asyncio
import http.server
import json
import threading

import dspy


class Api(http.server.BaseHTTPRequestHandler):
    asked = 0
    lock = threading.Lock()

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        with Api.lock:
            Api.asked += 1
        message = {"role": "assistant", "content": "[[ ## answer ## ]]\nx\n\n[[ ## completed ## ]]"}
        body = json.dumps({
            "id": "c1", "object": "chat.completion", "created": 1, "model": "gpt-4.1",
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {"prompt_tokens": 26000, "completion_tokens": 500, "total_tokens": 26500},
        }).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=server.serve_forever, daemon=True).start()
lm = dspy.LM("openai/gpt-4.1", api_base=f"http://127.0.0.1:{server.server_port}/v1", api_key="dummy", cache=False)
dspy.configure(lm=lm, track_usage=True)
FOUR = [{"question": str(number)} for number in range(4)]
EXAMPLES = [dspy.Example(**one, answer="x").with_inputs("question") for one in FOUR]
predict = dspy.Predict("question -> answer")


def parallel():
    return dspy.Parallel(num_threads=2, disable_progress_bar=True)([(predict, one) for one in FOUR])


def batch():
    predict(question="first")
    predict.batch(EXAMPLES, num_threads=2, disable_progress_bar=True)


def evaluate():
    evaluation = dspy.Evaluate(devset=EXAMPLES, metric=lambda *_: True, num_threads=2, display_progress=False)
    return [prediction for _, prediction, _ in evaluation(predict).results]


def gather():
    async def all_four():
        return await asyncio.gather(*[predict.acall(**one) for one in FOUR])

    return asyncio.run(all_four())


class Program(dspy.Module):
    def __init__(self, work):
        super().__init__()
        self.work = work

    def forward(self):
        self.work()
        return dspy.Prediction(answer="x")


def tokens(usage, nothing):
    return usage["openai/gpt-4.1"]["prompt_tokens"] if usage else nothing


def asked():
    count, Api.asked = Api.asked, 0
    assert len(lm.history) == count
    lm.history.clear()
    return f"{count} requests"


def own(predictions):
    return "predictions " + " ".join(str(tokens(one.get_lm_usage(), "none")) for one in predictions)


for name, work in [("a loop", lambda: [predict(**one) for one in FOUR]), ("dspy.Parallel", parallel), ("one call, then batch", batch)]:
    prediction = Program(work)()
    print(f"a module with {name}: {asked()}; its prediction {tokens(prediction.get_lm_usage(), 'nothing')}")
for name, work in [("a gather", gather), ("dspy.Parallel", parallel), ("dspy.Evaluate", evaluate)]:
    with dspy.track_usage() as tracker:
        predictions = work()
    print(f"track_usage() around {name}: {asked()}; tracker {tokens(tracker.get_total_tokens(), 'nothing')}; {own(predictions)}")
predictions = parallel()
print(f"dspy.Parallel alone: {asked()}; {own(predictions)}")
P
got=$(cd "$dir" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" HTTPS_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1 \
  timeout 120 "$dir/v/bin/python" run.py 2>/dev/null)
want='a module with a loop: 4 requests; its prediction 104000
a module with dspy.Parallel: 4 requests; its prediction nothing
a module with one call, then batch: 5 requests; its prediction 26000
track_usage() around a gather: 4 requests; tracker 104000; predictions none none none none
track_usage() around dspy.Parallel: 4 requests; tracker nothing; predictions none none none none
track_usage() around dspy.Evaluate: 4 requests; tracker nothing; predictions none none none none
dspy.Parallel alone: 4 requests; predictions 26000 26000 26000 26000'
echo "dspy 3.4.1"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
