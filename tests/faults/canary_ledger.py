"""A ledger full of texts that nobody may keep, each with one mark. Pure data.

The mark is repeated, so that any 15 bytes of a canary hold it once whole: a fragment is found like the whole.
"""

from __future__ import annotations

import json

MARK = "ZQXJKVWY"
"""Of everything that is passed over."""
FIELD_MARK = "BFHPWGTD"
"""Of texts in the place of one of the six fields, which cannot be used for them. These are looked at."""
HELD_MODEL = "held-model-PWNUBGTD"
"""Stands in a field that is kept: a search for canaries must find this, or is blind."""
_ESCAPED = "".join(f"\\u{ord(letter):04x}" for letter in MARK) * 4


def canary(place: str) -> str:
    """Return the canary of ``place``."""
    return f"{MARK * 8} {place}"


def private_fields() -> dict[str, object]:
    """Return everything that Cline keeps beside the six fields, and keys that it may invent."""
    return {
        "task": canary("prompt") + ' "quoted" \\ \n é 🚀 ' + canary("end of the prompt"),
        "ulid": canary("ulid"),
        "cwdOnTaskInitialization": f"/home/{canary('folder')}/project",
        "shadowGitConfigWorkTree": f"/home/{canary('work tree')}",
        "checkpointManagerErrorMessage": canary("error of Cline's"),
        "apiProvider": canary("provider"),
        canary("key"): {"nested": [canary("nested"), {canary("nested key"): canary("deep")}]},
        "conversationHistoryDeletedRange": [canary("range")],
    }


def good_entry(task_id: str, *, ts: int = 1_772_000_000_000, prompt_length: int = 1) -> str:
    """Return an entry that is imported, as JSON."""
    usage = {"id": task_id, "ts": ts, "tokensIn": 5, "tokensOut": 7, "totalCost": 0.5, "modelId": HELD_MODEL}
    text = json.dumps({**private_fields(), **usage, "more": MARK * (prompt_length // 8)}, ensure_ascii=False)
    return f'{text[:-1]},"escaped":"{_ESCAPED}","{_ESCAPED}":1}}'


def broken_elements() -> list[str]:
    """Return elements that are refused, or count in part, each with canaries beside and in what is wrong with it."""
    wrong = FIELD_MARK * 8
    bad: list[dict[str, object]] = [
        {"id": wrong * 3},
        {"id": {canary("object for an id"): 1}},
        {"id": [canary("array for an id")]},
        {"ts": wrong},
        {"ts": [canary("array for a time")]},
        {"tokensIn": wrong},
        {"tokensOut": {"x": canary("object for a count")}},
        {"totalCost": wrong},
        {"totalCost": "-1" + wrong},
        {"modelId": wrong * 4},
        {"modelId": "\n" + wrong},
    ]
    plain = {"ts": 1, "tokensIn": 1, "tokensOut": 1, "totalCost": 1}
    elements = [{**private_fields(), "id": f"bad-{number}", **plain, **fields} for number, fields in enumerate(bad)]
    return [json.dumps(element) for element in [*elements, canary("element"), [canary("array")], {canary("k"): 1}]]


def ledger(*, broken: bool = True, damage: str = "") -> bytes:
    """Return a ledger of imported tasks with prompts of all sizes, broken elements, and ``damage`` at its end."""
    longer = (good_entry(f"long-{number}", prompt_length=1 << number) for number in range(18))
    elements = [good_entry("1"), *(broken_elements() if broken else []), *longer, good_entry("2")]
    return f"[{','.join(elements)}{damage}]".encode()


DAMAGES = {
    "torn": f',{{"task":"{canary("torn")}',
    "no JSON": f',{{"task":"{canary("before")}" {canary("around")} "x":1}}',
    "no array": "]",
    "control byte": f',{{"task":"{canary("raw")}\x01{canary("raw")}"}}',
    "bad escape": f',{{"task":"{canary("escape")} \\x {canary("escape")}"}}',
    "zeros": f',{{"task":"{canary("hole")}\0\0\0{canary("hole")}"}}',
}
"""Damages after which the whole file is no ledger."""
STRANGE = {
    "lone surrogate": f',{{"task":"{canary("cut")} \\ud83d"}}',
    "too deep": f',{{"task":{"[" * 100}"{canary("deep")}"{"]" * 100}}}',
    "not finite": f',{{"task":"{canary("nan")}","x":NaN}}',
}
"""Elements that take the parser off its fast way."""
