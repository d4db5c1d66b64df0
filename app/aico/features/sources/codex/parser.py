"""Reads usage from the lines of a rollout of Codex. Pure: no I/O, no clock, no logging.

One walk through a file takes both ways in which versions write usage, for a thread lives on through updates in both
directions: a record for each response, and the totals of the thread after it. Tokens in the totals beyond the records
are a request of its own. A key begins with the thread and the usage. A record's goes on with the id of its response; a
request's that only totals tell goes on with the number of times they had begun anew, and with them. So copies in forks,
in archives and in compressed files count once. A version without records copies the totals and drops the records. Such
a copy is known by thread and usage alone, and counts only as long as no request of these is known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from msgspec import Raw

from aico.core.usage import (
    AnyRecord,
    PromptSeen,
    Record,
    Rejection,
    RejectionCode,
    RequestState,
    Tokens,
    UsageEvent,
    digest,
    digests_behind,
    digests_of_numbers,
    make_event,
)
from aico.features.files.cells import RowJudge
from aico.features.files.line_format import LineFile, LineFormat, PlainState
from aico.features.files.raw_fields import cell_of, decode_part, identity_of, is_there, plain_moment, read_moment, says
from aico.features.sources.codex.lines import (
    ID,
    ID_LENGTH,
    NO_COUNTS,
    RECORDS,
    Item,
    Line,
    OddLine,
    Payload,
    Settings,
    Vector,
    base_of,
    born_of,
    context_of,
    decode_info,
    decode_line,
    decode_plan,
    decode_usage,
    id_of,
    is_agent,
    parent_of,
    root_of,
    version_of,
)

VERSION = 1
_Said: TypeAlias = AnyRecord | Rejection
NEEDLES = (
    b'"type":"token_usage_record"',
    b'"type":"token_count"',
    b'"type":"session_meta"',
    b'"type":"turn_context"',
    b'"type":"task_started"',
    b'"type":"user_message"',
    b'"type":"UserMessage"',
    b'"type":"agent_message"',
    b'"type":"exited_review_mode"',
    b'"type":"thread_settings_applied"',
    b'"type":"function_call"',
    b'"type":"custom_tool_call"',
    b'"role":"assistant"',
    b'"record_type":',
    b'"instructions":',
)
HEAD = re.compile(
    rb"""
    \{ "timestamp":"[^"\\\n]{1,40}", (?: "ordinal":\d{1,20}, )? "type":"
    (?: (?P<other>
            response_item","payload":\{"type":"
            (?: (?! message" | function_call" | custom_tool_call" ) \w{1,40}"
              | message", (?: "(?: status | id )":"[^"\\\n]{0,256}", )*+ "role":"(?! assistant" ) \w{1,40}" )
          | event_msg","payload":\{"type":"
            (?! token_count" | task_started" | user_message" | agent_message" | exited_review_mode" | item_completed"
              | thread_settings_applied" )
            \w{1,40}"
          | world_state" | compacted" )
      | token_usage_record" | session_meta" | turn_context"
      | response_item","payload":\{"type":"
        (?: function_call" | custom_tool_call"
          | message", (?: "(?: status | id )":"[^"\\\n]{0,256}", )*+ "role":"assistant" )
      | event_msg","payload":\{"type":"
        (?: token_count | task_started | user_message | agent_message | exited_review_mode | thread_settings_applied )"
    )
    """,
    re.VERBOSE,
)
"""How lines begin that say something, and those that do not: what tools have returned is most of a rollout."""
_RECORD, _EVENT, _HEAD, _TURN, _ITEM = (
    Raw(b'"token_usage_record"'),
    Raw(b'"event_msg"'),
    Raw(b'"session_meta"'),
    Raw(b'"turn_context"'),
    Raw(b'"response_item"'),
)
"""The types of lines."""
_KINDS = (_RECORD, _EVENT, _HEAD, _TURN)
_TOTALS, _STARTED, _COMPLETED = Raw(b'"token_count"'), Raw(b'"task_started"'), Raw(b'"item_completed"')
_PROMPT, _ANSWER = Raw(b'"user_message"'), Raw(b'"agent_message"')
_REVIEWED, _SETTINGS = Raw(b'"exited_review_mode"'), Raw(b'"thread_settings_applied"')
_PROMPT_ITEM, _ASSISTANT = Raw(b'"UserMessage"'), Raw(b'"assistant"')
_CALLS = (Raw(b'"function_call"'), Raw(b'"custom_tool_call"'))
# An enumeration is asked for a member by a function of Python; these stand on every line.
_FINAL, _UNMEASURED = RequestState.FINAL, RequestState.UNMEASURED
_named_by_response = digests_behind("response")
_NOTHING = Vector()
_COPY = digest("copy")[:8]
"""The second half of a copy's key, if the original may have said the same by records."""
_TURNS_MAX, _THREADS_MAX, _WAITING_MAX = 8, 32, 16
"""Bounds of a state: some 3 kB."""


class _Place(NamedTuple):
    """The thread that a line belongs to."""

    owner: str
    """The thread that names a line without an id of its own; for a possible copy, the thread that it may be from."""
    session: str
    parent: str | None
    claim: int
    """The older thread has the better claim to a line that several hold."""


class RolloutParser:
    """Reads one rollout; see :class:`aico.features.files.line_format.LineParser`."""

    def __init__(self, file: LineFile, state: PlainState) -> None:
        known = state if isinstance(state, dict) else {}
        self._thread = _text(known.get("thread")) or _thread_named(file)
        self._root = _text(known.get("root"))
        self._owner = _text(known.get("owner")) or ""
        self._born = {key: _number(born) for key, born in _items(known.get("born"))}
        self._born.setdefault(self._thread, born_of(self._thread) or 0)
        self._is_fork = known.get("fork") is True
        self._is_agent = known.get("agent") is True
        self._is_foreign = known.get("foreign") is True
        self._is_mute = known.get("mute") is True
        self._has_records = known.get("records") is True
        self._writes_records = known.get("writes", known.get("records")) is True
        self._has_turns = known.get("turns") is True
        self._is_recording = known.get("recording") is True
        self._models = {key: str(model) for key, model in _items(known.get("models"))}
        self._model = _text(known.get("model"))
        self._context = _text(known.get("context")) or ""
        self._total = _vector_of(known.get("total"))
        self._since = _vector_of(known.get("since"))
        self._last_record = _vector_of(known.get("last"))
        self._doubted = _text(known.get("doubted"))
        self._is_new_process = known.get("new") is True
        self._restarts = _number(known.get("restarts"))
        self._answered_at = _number(known.get("answered"))
        self._is_reviewed = known.get("reviewed") is True
        self._lost_count = _number(known.get("lost"))
        self._prompt_count = _number(known.get("prompts"))
        self._waiting = [(str(key), _number(ts)) for key, ts in _items(known.get("waiting"))]

    @property
    def state(self) -> PlainState:
        """The state that is needed to go on: numbers, digests, ids of threads and names of models."""
        return {
            "thread": self._thread,
            "root": self._root,
            "owner": self._owner,
            "born": dict(self._born),
            "fork": self._is_fork,
            "agent": self._is_agent,
            "foreign": self._is_foreign,
            "mute": self._is_mute,
            "records": self._has_records,
            "writes": self._writes_records,
            "turns": self._has_turns,
            "recording": self._is_recording,
            "models": dict(self._models),
            "model": self._model,
            "context": self._context,
            "total": None if self._total is None else list(self._total),
            "since": None if self._since is None else list(self._since),
            "last": None if self._last_record is None else list(self._last_record),
            "doubted": self._doubted,
            "new": self._is_new_process,
            "restarts": self._restarts,
            "answered": self._answered_at,
            "reviewed": self._is_reviewed,
            "lost": self._lost_count,
            "prompts": self._prompt_count,
            "waiting": dict(self._waiting),
        }

    def parse(self, line: memoryview, index: int) -> list[_Said]:
        """Return what a line says; a rejection beside a record names a field that could not be used."""
        fields = decode_line(line)
        if not isinstance(fields, Line) or fields.payload is None:
            return self._read_odd(fields, index)
        payload, kind, said = fields.payload, fields.type, list[_Said]()
        if kind == _ITEM:
            return self._read_item(fields, payload)
        judge = RowJudge(index)
        if kind == _EVENT:
            said = self._read_event(fields, payload, judge, index)
        elif kind == _RECORD:
            said = self._read_record(fields, payload, judge, index)
        elif kind == _HEAD:
            said = self._read_head(payload, judge, index)
        elif kind == _TURN:
            said = self._read_turn(payload, judge)
        return said

    def _read_odd(self, fields: Line | OddLine | None, index: int) -> list[_Said]:
        """Read a line without a payload, or with one of which nobody knows what it is."""
        if fields is None:
            return [Rejection(index, RejectionCode.NOT_AN_OBJECT, None)]
        if isinstance(fields, OddLine):
            return [] if says(fields.type, b'"compacted"') else [Rejection(index, RejectionCode.WRONG_TYPE, "payload")]
        if fields.type in _KINDS:
            return [Rejection(index, RejectionCode.MISSING, "payload")]
        return self._read_old(fields, RowJudge(index))

    def _read_event(self, line: Line, payload: Payload, judge: RowJudge, index: int) -> list[_Said]:
        kind = payload.type
        if kind == _TOTALS:
            return self._read_total(line, payload, judge, index)
        if kind == _STARTED:
            self._is_reviewed = False
            self._enter(id_of(payload.turn_id))
        elif kind == _PROMPT:
            self._is_reviewed = False
            self._prompt_count += 1
            # The totals tell two threads apart that go on from the same prompt.
            key = digest("prompt", self._place().owner, self._prompt_count, *(self._total or ()))
            self._await(key, line, judge)
        elif kind == _ANSWER:
            self._note_answer(line)
        elif kind == _REVIEWED:
            # The words of the review are repeated; its requests stand in a thread of its own.
            self._is_reviewed = True
        elif kind == _SETTINGS:
            settings = decode_part(payload.thread_settings, Settings)
            self._context = "" if settings is None else context_of(settings.service_tier)
        elif kind == _COMPLETED:
            item = decode_part(payload.item, Item)
            if item is not None and item.type == _PROMPT_ITEM and (identity := identity_of(item.id)):
                self._await(digest("prompt", identity), line, judge)
        return []

    # The threads of lines

    def _read_head(self, payload: Payload, judge: RowJudge, index: int) -> list[_Said]:
        """Read a thread's line about itself; that of another thread begins a copy of that thread."""
        thread = id_of(payload.id)
        if thread is None:
            return [Rejection(index, RejectionCode.MISSING, "id")]
        self._born[thread] = born_of(thread) or read_moment(payload.timestamp, judge) or 0
        while len(self._born) > _THREADS_MAX:
            del self._born[next(each for each in self._born if each != self._thread)]
        version = version_of(payload.cli_version) or RECORDS
        self._is_mute, self._has_records = version < NO_COUNTS, version >= RECORDS
        if thread == self._thread:
            self._writes_records = self._has_records
        if not self._owner and not ID.fullmatch(self._thread):
            self._thread = thread
        self._is_fork = self._is_fork or thread != self._thread
        base = base_of(payload)
        if thread == self._thread and not self._owner:
            self._root, self._is_agent = root_of(payload, thread), is_agent(payload)
            # Some agents begin with the history of the thread that started them, without its head.
            for kin in filter(None, (self._root, parent_of(payload))):
                self._born.setdefault(kin, born_of(kin) or 0)
        elif thread == self._thread:
            base = None
        if base is not None and base != thread:
            # Until its first turn such a thread, or a copy of it, says again what its base has said.
            self._is_fork = True
            self._born.setdefault(base, born_of(base) or 0)
            thread = base
        self._owner = thread
        return []

    def _enter(self, turn: str | None) -> None:
        """Take notice of a turn: by its id, which tells when it began, a copied one is known from an own one."""
        begin = None if turn is None or len(self._born) < 2 else born_of(turn)
        if begin is None:
            return
        begun = [(at, thread) for thread, at in self._born.items() if at <= begin]
        self._is_foreign = not begun
        before, self._owner = self._owner, max(begun)[1] if begun else self._owner
        if before != self._owner == self._thread:
            # A copy has ended, and with it the habits of the version that wrote its original.
            self._has_records = self._writes_records
        self._is_fork = self._is_fork or self._is_foreign or self._owner != self._thread

    def _place(self) -> _Place:
        return _Place(self._owner or self._thread, self._thread, self._root, self._born.get(self._thread, 0))

    # Requests

    def _read_turn(self, payload: Payload, judge: RowJudge) -> list[_Said]:
        """Read what a turn is about: the model."""
        turn = id_of(payload.turn_id)
        self._is_reviewed = False
        self._enter(turn)
        self._has_turns, self._is_recording = turn is not None, is_there(payload.root_turn_id)
        if self._is_mute:
            self._answered_at = 0
        model = judge.read_model(cell_of(payload.model), "model")
        if not self._is_recording or is_there(payload.service_tier):
            self._context = context_of(payload.service_tier)
        if model is not None:
            self._model = model
            if turn is not None:
                self._models.pop(turn, None)
                self._models[turn] = model
                while len(self._models) > _TURNS_MAX:
                    del self._models[next(iter(self._models))]
            return list(self._flush())
        return [*judge.partials, *self._flush()]

    def _read_record(self, line: Line, payload: Payload, judge: RowJudge, index: int) -> list[_Said]:
        """Read the record of a response."""
        self._answered_at, self._is_mute, self._has_records = 0, False, True
        response, ts = identity_of(payload.response_id), read_moment(line.timestamp, judge)
        turn, thread = id_of(payload.turn_id), id_of(payload.thread_id)
        self._enter(turn)
        usage = decode_usage(payload.usage, judge)
        if ts is None or response is None:
            return [_refusal(judge, index, "timestamp" if ts is None else "response_id")]
        records: list[_Said] = list(self._flush()) if self._waiting else []
        place = self._place()
        if thread is not None and thread != place.session:
            root = id_of(payload.session_id)
            place = _Place(thread, thread, None if root == thread else root, 0)
        vector = usage or _NOTHING
        half = _half_of(thread or place.owner, vector)
        key = half + _named_by_response(response)[:8]
        if judge.partials and self._doubted is None:
            # The next totals tell what it lacks.
            self._doubted = key.hex()
        else:
            self._since = vector if self._since is None else self._since.plus(vector)
            self._last_record = vector
        model = self._models.get(turn or "", self._model)
        records.append(self._event(key, place, 0, ts, model, vector, judge, former_key=half + _COPY))
        records += judge.partials
        return records

    def _read_total(self, line: Line, payload: Payload, judge: RowJudge, index: int) -> list[_Said]:
        """Read the totals of the thread: what they have beyond the records is a request."""
        ts = read_moment(line.timestamp, judge)
        if ts is None:
            return [_refusal(judge, index, "timestamp")]
        records: list[_Said] = list(self._flush()) if self._waiting else []
        place = self._place()
        is_own = place.owner == place.session
        if is_own and (plan := decode_plan(payload.rate_limits, ts)) is not None:
            records.append(plan)
        answered_at = self._answered_at
        self._answered_at, self._is_mute = 0, False
        if self._is_foreign or (not is_own and self._has_records and self._has_turns):
            self._pass_by(payload)
            return records
        if not is_there(payload.info):
            self._is_new_process = self._total is not None
            # Versions with records write it only behind a response, and only while none had a usage.
            if answered_at or (self._is_recording and self._total is None):
                records.append(self._lose(place, answered_at or ts))
            return records
        total, last = decode_info(payload.info, judge)
        if total is None or judge.partials:
            records.append(_refusal(judge, index, "total_token_usage"))
            return records
        is_head_of_copy = self._total is None and not is_own
        rise = self._rise(total, last)
        if rise is None:
            # A repetition; at the head of a copy nobody knows the totals before.
            self._total = total
            if answered_at and not is_head_of_copy:
                records.append(self._lose(place, answered_at))
            return records
        rest = self._beyond_records(rise, last)
        doubted = self._doubted
        self._total, self._since, self._last_record, self._doubted = total, None, None, None
        if any(rest):
            records.append(self._count_rest(rest, total, place, ts, doubted, judge))
        return records

    def _count_rest(
        self, rest: Vector, total: Vector, place: _Place, ts: int, doubted: str | None, judge: RowJudge
    ) -> UsageEvent:
        """Return the request that only totals tell; in a copy, a record of the original may tell the same."""
        key, former, is_bare = b"", None, False
        if doubted is not None:
            key = bytes.fromhex(doubted)
        else:
            half = _half_of(place.owner, rest)
            if place.owner != place.session:
                key, is_bare = half + _COPY, True
            else:
                key = half + _totals_of(place.owner, self._restarts)(total)[:8]
                former = half + _COPY
        claim, model = place.claim, self._model
        return self._event(key, place, claim, ts, model, rest, judge, former_key=former, is_bare=is_bare)

    def _pass_by(self, payload: Payload) -> None:
        """Pass by totals in a copy: of a thread whose responses have records, or of one that nothing names."""
        total = decode_info(payload.info, RowJudge(0)).total
        if total is not None:
            self._total, self._since, self._last_record, self._doubted = total, None, None, None

    def _rise(self, total: Vector, last: Vector | None) -> Vector | None:
        """Return by how much the totals have grown since the last ones; None if they are the same."""
        before, is_new_process = self._total, self._is_new_process
        self._is_new_process = False
        if before is None and self._is_fork:
            # They begin with those of another thread, and repeat its words if responses have records. If turns have no
            # ids nobody knows that, but nothing counts that the other thread has said.
            is_own = self._owner == self._thread or self._has_turns or self._writes_records
            is_said = self._has_records and is_own and self._since is None and self._doubted is None
            return None if is_said else last or total
        if before is None:
            return total
        if total == before:
            return None
        grown = total.less(before)
        if grown == last or not (is_new_process or min(grown) < 0 or total == last):
            return grown
        # The counter began again, with a new process.
        self._restarts += 1
        if not is_new_process:
            return last if last is not None and any(last) else total
        self._since = self._last_record = None
        return total

    def _beyond_records(self, rise: Vector, last: Vector | None) -> Vector:
        """Return what a rise has beyond the records since the last totals."""
        if self._since is None:
            return rise
        if rise == last:
            # Records of a process that ended before it wrote its totals are in no total.
            return _NOTHING if rise == self._last_record else rise
        return rise.minus(self._since)

    def _event(
        self,
        key: bytes,
        place: _Place,
        claim: int,
        ts: int,
        model: str | None,
        vector: Vector,
        judge: RowJudge,
        *,
        former_key: bytes | None,
        is_bare: bool = False,
    ) -> UsageEvent:
        tokens = vector.tokens(judge)
        is_empty = not any(vector)
        unknown = judge.unknown if judge.partials else ()
        if not unknown and not is_empty and tokens.input is None:
            unknown = ("input_tokens",)
        return make_event(
            (
                key,
                place.session,
                ts,
                model,
                Tokens() if is_empty else tokens,
                None,
                _UNMEASURED if is_empty else _FINAL,
                place.parent,
                unknown,
                former_key,
                self._context,
                claim,
                is_bare,
                None,
            )
        )

    # Lines without numbers

    def _read_old(self, line: Line, judge: RowJudge) -> list[_Said]:
        """Read a line of the versions up to 0.31, which write no numbers, and no time but the thread's."""
        if is_there(line.record_type):
            self._answered_at = 0
        elif is_there(line.timestamp) and (thread := id_of(line.id)) is not None:
            self._thread = self._owner = thread
            self._born[thread] = read_moment(line.timestamp, judge) or 0
            self._is_mute = True
        elif self._is_mute:
            return self._answer_mutely(line, line.type, line.role)
        return []

    def _read_item(self, line: Line, payload: Payload) -> list[_Said]:
        """Take notice of a piece of an answer: if no numbers follow, they are missing."""
        if self._is_mute:
            return self._answer_mutely(line, payload.type, payload.role)
        if self._has_turns and _is_answer(payload.type, payload.role):
            # Older versions write it behind the totals; there, only what was said counts.
            self._note_answer(line)
        return []

    def _note_answer(self, line: Line) -> None:
        if not self._is_reviewed:
            self._answered_at = _moment_of(line) or self._answered_at

    def _answer_mutely(self, line: Line, kind: Raw, role: Raw) -> list[_Said]:
        """Count an answer of a version without numbers, once until the next request is made."""
        if self._answered_at or not _is_answer(kind, role):
            return []
        place = self._place()
        self._answered_at = _moment_of(line) or place.claim or 1
        return [self._lose(place, self._answered_at)]

    def _lose(self, place: _Place, ts: int) -> UsageEvent:
        """Return an answer without numbers."""
        self._lost_count += 1
        return UsageEvent(
            digest("lost", place.owner, self._lost_count),
            place.session,
            ts,
            self._model,
            Tokens(),
            state=_UNMEASURED,
            parent=place.parent,
            claim=place.claim,
        )

    # Prompts

    def _await(self, key: bytes, line: Line, judge: RowJudge) -> None:
        """Keep a prompt until the model is known that answers it."""
        ts = read_moment(line.timestamp, judge)
        if ts is not None and not self._is_agent and len(self._waiting) < _WAITING_MAX:
            self._waiting.append((key.hex(), ts))

    def _flush(self) -> Iterator[Record]:
        waiting, self._waiting = self._waiting, []
        for key, ts in waiting:
            place = self._place()
            yield PromptSeen(bytes.fromhex(key), place.session, ts, self._model, place.parent, place.claim)


def _moment_of(line: Line) -> int | None:
    """Return when a line was written; None where it does not say, whyever."""
    return plain_moment(line.timestamp) or read_moment(line.timestamp, RowJudge(0))


def _half_of(thread: str, usage: Vector) -> bytes:
    """Return the first half of the key of a request."""
    return _usages_of(thread)(usage)[:8]


@lru_cache(maxsize=64)
def _usages_of(thread: str) -> Callable[[Iterable[int]], bytes]:
    return digests_of_numbers("usage", thread)


@lru_cache(maxsize=64)
def _totals_of(thread: str, restarts: int) -> Callable[[Iterable[int]], bytes]:
    return digests_of_numbers("total", thread, restarts)


def _is_answer(kind: Raw, role: Raw) -> bool:
    """Return whether an item is a model's: a message, or a call of a tool."""
    return role == _ASSISTANT or kind in _CALLS


def _thread_named(file: LineFile) -> str:
    """Return the thread by which a rollout is named; a digest of any other name, which may say what somebody does."""
    stem = file.parts[-1].removesuffix(".zst").removesuffix(".jsonl") if file.parts else ""
    name = stem[-ID_LENGTH:].lower()
    return name if ID.fullmatch(name) else digest("file", stem).hex()


def _refusal(judge: RowJudge, index: int, field: str) -> Rejection:
    """Return why a line is refused as a whole: the first reason that is known, else that ``field`` is missing."""
    return judge.partials[0] if judge.partials else Rejection(index, RejectionCode.MISSING, field)


def _number(state: PlainState) -> int:
    return state if isinstance(state, int) else 0


def _text(state: PlainState) -> str | None:
    return state if isinstance(state, str) else None


def _items(state: PlainState) -> list[tuple[str, PlainState]]:
    return list(state.items()) if isinstance(state, dict) else []


def _vector_of(state: PlainState) -> Vector | None:
    return Vector(*map(_number, state)) if isinstance(state, list) else None


FORMAT = LineFormat(version=VERSION, needles=NEEDLES, open=RolloutParser, head=HEAD, states_folder=True)
