"""An answer says the same whether its usage is as every version writes it, or is looked at field by field."""

from __future__ import annotations

import json
from unittest.mock import patch

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from aico.core.usage import AnyRecord, Rejection, UsageEvent
from aico.features.files.line_format import LineFile
from aico.features.sources.claude_code import lines
from aico.features.sources.claude_code.parser import TranscriptParser

COUNTS = st.sampled_from([None, 0, 1, 30, 4_000])
ODD_COUNTS = st.sampled_from([-1, "7", 1.5, True, [], 10**13])
SPLITS = st.one_of(
    st.none(),
    st.fixed_dictionaries({}, optional={f"ephemeral_{life}_input_tokens": COUNTS for life in ("5m", "1h")}),
)
WORDS = st.sampled_from([None, "standard", "priority", "fast", 7])
USAGES = st.fixed_dictionaries(
    {},
    optional={
        "input_tokens": st.one_of(COUNTS, ODD_COUNTS),
        "cache_creation_input_tokens": COUNTS,
        "cache_read_input_tokens": COUNTS,
        "output_tokens": COUNTS,
        "cache_creation": SPLITS,
        "output_tokens_details": st.one_of(st.none(), st.fixed_dictionaries({"thinking_tokens": COUNTS})),
        "service_tier": WORDS,
        "inference_geo": st.sampled_from([None, "", "not_available", "global", "us", "eu", "of many words", 7, []]),
        "speed": WORDS,
        "server_tool_use": st.just({"web_search_requests": 0}),
    },
)
ANSWERS = st.fixed_dictionaries(
    {"id": st.sampled_from(["msg_1", "msg_2"]), "model": st.sampled_from(["claude-opus-4-8", "<synthetic>"])},
    optional={
        "stop_reason": st.sampled_from([None, "tool_use"]),
        "stop_details": st.none(),
        "usage": st.one_of(st.none(), USAGES),
        "": st.just({"output_tokens": 1}),
    },
)
SESSION = "61b0f35a-9b61-4f23-9450-83b221a40db3"


class NeverPlain:
    """A decoder to which nothing is as every version writes it."""

    def decode(self, _data: object) -> object:
        """Refuse whatever comes."""
        raise msgspec.ValidationError


def read(answers: list[dict[str, object]]) -> list[AnyRecord | Rejection]:
    """Return what a transcript says of ``answers``, each on a line of its own."""
    parser = TranscriptParser(LineFile((f"{SESSION}.jsonl",), 0, 0), None)
    said: list[AnyRecord | Rejection] = []
    for index, answer in enumerate(answers):
        line = {"type": "assistant", "message": answer, "timestamp": "2026-11-28T14:31:49.432Z", "version": "2.1.200"}
        said += parser.parse(memoryview(json.dumps(line).encode()), index)
    return said


@given(st.lists(ANSWERS, max_size=4))
def test_answers_say_the_same_whichever_way_they_are_decoded(answers: list[dict[str, object]]) -> None:
    """Records and rejections. A repeated answer is told once more if its usage is odd, and counts once anyway."""
    plain = read(answers)
    with patch.object(lines, "_LINE", NeverPlain()), patch.object(lines, "_MESSAGE", NeverPlain()):
        thorough = read(answers)
    assert list(dict.fromkeys(map(repr, plain))) == list(dict.fromkeys(map(repr, thorough)))


def test_each_request_asks_for_the_model_that_it_names() -> None:
    """The parameters of the last request are known again, and no others."""
    parser = TranscriptParser(LineFile((f"{SESSION}.jsonl",), 0, 0), None)
    asked = ["claude-opus-4-8", "claude-opus-4-8", "claude-haiku-5-5", None, "claude-opus-4-8", 7, 7]
    models = []
    for index, model in enumerate(asked):
        line = {"type": "api-request", "id": f"ref-{index}", "timestamp": "2026-11-28T14:31:49.432Z", "params": {}}
        line["params"] = {} if model is None else {"model": model}
        said = parser.parse(memoryview(json.dumps(line).encode()), index)
        models.append(said[-1].model if isinstance(said[-1], UsageEvent) else None)
    expected = ["claude-opus-4-8", "claude-opus-4-8", "claude-haiku-5-5", None, "claude-opus-4-8", None, None]
    assert models == expected
