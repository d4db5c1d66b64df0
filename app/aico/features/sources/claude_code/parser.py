"""Reads usage from the lines of a transcript of Claude Code. Pure: no I/O, no clock, no logging.

One answer stands on several lines, and in every copy of its session. Its key is the same on all of them: the reference
of its request (``requestRef``), or in older versions the id of its message with the counts of its input. The session
that made it is stated by its request, or by the copy; else the oldest file has the best claim to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, TypeVar

from msgspec import Raw

from aico.core.money import nano_usd
from aico.core.usage import (
    COUNT_MAX,
    ID_LENGTH_MAX,
    GapReading,
    PromptSeen,
    Record,
    Rejection,
    RejectionCode,
    RequestState,
    Tokens,
    UsageEvent,
    digest,
    digests_behind,
    make_event,
)
from aico.features.files.cells import RowJudge
from aico.features.files.line_format import LineFile, LineFormat, PlainState
from aico.features.files.raw_fields import (
    NOTHING,
    cell_of,
    identity_of,
    is_there,
    plain_moment,
    read_moment,
    read_number,
    says,
)
from aico.features.files.snapshot import digest_of
from aico.features.sources.claude_code.lines import (
    COST_STATE,
    FULL_USAGE,
    STOP_DETAILS,
    Line,
    Message,
    PlainUsage,
    Usage,
    Version,
    agent_of,
    decode_asked_model,
    decode_billed,
    decode_line,
    decode_usage,
    is_plain_name,
    version_of,
)

K = TypeVar("K")
T = TypeVar("T")
VERSION = 2
NEEDLES = (b'"usage":', b'"type":"user"', b'"type":"api-request"', b'"type":"cost-state"')
HEAD = re.compile(
    rb"""
    \{ (?: "(?!type"|message")\w{1,40}+" : (?: "[^"\\\n]{0,4096}+" | null | true | false | \d{1,20}+ ) , )*+
    (?: (?P<other> "type":"
            (?: user","message":\{"role":"user","content":\[\{"(?: tool_use_id" | type":"tool_result" )
              | (?! user" | assistant" | api-request" | cost-state" ) [\w-]{1,40}" ) )
      | "type":"(?: user | assistant | api-request | cost-state )"
      | "message":\{"id":"
    )
    """,
    re.VERBOSE,
)
"""How lines begin that say something, and those that do not: the results of tools, which are most of a transcript.

A line whose message begins with such a result is no prompt.
"""
_ASSISTANT, _USER = Raw(b'"assistant"'), Raw(b'"user"')
_REQUEST, _TOTAL = Raw(b'"api-request"'), Raw(b'"cost-state"')
_SYNTHETIC = Raw(b'"<synthetic>"')
UNRECORDED = "unrecorded"
"""The gap: what a session was billed for and no transcript holds."""

PLACEHOLDER_MAX = 29
"""The largest output that stands on a line for one that is not known yet."""
_STATED = 0
_UNSTATED, _COPY, _SIDE = (rank << 56 for rank in (1, 2, 3))
"""Claims below a stated one; of one rank the older file has the better claim."""
_AGE_MAX = (1 << 56) - 1
_SAID_BYTES_MAX = 4_096
_IDS_MAX, _CHAINS_MAX, _WAITING_MAX = 32, 16, 16
"""Bounds of a state: some 4 kB."""
_DIGITS = 12
"""Of a request's name so many tell it from the others that a file has announced. With all of them a state would be
longer than what a page of the database holds of one, and a start would read another page for each."""
_SESSION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_AGENT = re.compile(r"[0-9a-f]{1,64}", re.IGNORECASE)
_PLACES_MAX = 8
_NO_COUNTS = digest(0, 0, 0)[:8]
_NO_TOKENS = Tokens()
# An enumeration is asked for a member by a function of Python; these stand on every line.
_FINAL, _OPEN, _UNMEASURED = RequestState.FINAL, RequestState.OPEN, RequestState.UNMEASURED
_TRUE = Raw(b"true")
_named_by_ref, _named_by_id, _prompt_by_id = digests_behind("ref"), digests_behind("id"), digests_behind("prompt")


class _Place(NamedTuple):
    """The session that a line belongs to."""

    session: str
    parent: str | None
    claim: int
    is_side: bool
    origin: str | None
    """The session that a copy states to be from."""


class _Open(NamedTuple):
    """The last request of a chain."""

    ref: str
    ts: int
    model: str | None
    is_answered: bool


class _Prompt(NamedTuple):
    key: str
    ts: int


class TranscriptParser:
    """Reads one transcript; see :class:`aico.features.files.line_format.LineParser`."""

    def __init__(self, file: LineFile, state: PlainState) -> None:
        stem = file.parts[-1].removesuffix(".jsonl") if file.parts else ""
        self._is_agent = stem.startswith("agent-")
        self._agent = _agent_named(stem.removeprefix("agent-")) if self._is_agent else None
        self._stem = _session_named(_folder_of(file.parts) if self._is_agent else stem)
        known = state if isinstance(state, dict) else {}
        self._age = min(_number(known.get("age"), min(file.first_seen_ms, file.written_ms)), _AGE_MAX)
        self._last_ts = _number(known.get("last"), 0)
        self._model = _text(known.get("model"))
        self._counts = {key: str(low) for key, low in _items(known.get("ids"))}
        self._chains = {key: _open_of(fields) for key, fields in _items(known.get("open"))}
        self._announced = dict.fromkeys(_names_of(known.get("announced")), True)
        self._waiting = [_prompt_of(fields) for fields in _list(known.get("waiting"))]
        self._is_old = known.get("old") is True
        self._is_branch = known.get("branch") is True
        self._is_foreign = known.get("foreign") is True
        self._heir_of = _text(known.get("heir_of"))
        self._heir_since = _number(known.get("heir_since"), 0)
        self._count = _number(known.get("count"), 0)
        self._last_row = _text(known.get("row"))
        # The fields below are known of this reading only.
        self._said = b""
        """The content of an answer's last line; empty if the next line is to be read in any case."""
        self._said_usage: PlainUsage | None = None
        self._said_at = 0
        self._places: dict[bytes, tuple[_Place, Version | None]] = {}
        """The last places and versions, by what was said of them: lines of a few kinds take turns."""
        self._version: Version | None = None
        """That of the last line whose place was asked for."""
        self._asked = b""
        self._asked_name: str | None = None
        """The mark of the last request's parameters, and the model in them."""
        self._named = NOTHING
        self._name: str | None = None
        """The last model, and its spelling on the line."""

    @property
    def state(self) -> PlainState:
        """The state that is needed to go on: numbers, digests, ids of sessions and names of models."""
        return {
            "age": self._age,
            "last": self._last_ts,
            "model": self._model,
            "ids": dict(self._counts),
            "open": {chain: list(last) for chain, last in self._chains.items()},
            "announced": "".join(self._announced),
            "waiting": [list(prompt) for prompt in self._waiting],
            "old": self._is_old,
            "branch": self._is_branch,
            "foreign": self._is_foreign,
            "heir_of": self._heir_of,
            "heir_since": self._heir_since,
            "count": self._count,
            "row": self._last_row,
        }

    def parse(self, line: memoryview, index: int) -> list[Record | Rejection]:
        """Return what a line says; a rejection beside a record names a field that could not be used."""
        fields = decode_line(line)
        if fields is None:
            return [Rejection(index, RejectionCode.NOT_AN_OBJECT, None)]
        kind = fields.type
        if kind == _ASSISTANT:
            return self._read_answer(fields, index)
        judge = RowJudge(index)
        if kind == _USER:
            return self._read_prompt(fields, judge)
        self._said = b""
        if kind == _REQUEST:
            return self._read_request(fields, judge, index)
        return self._read_total(fields, judge) if kind == _TOTAL else []

    # Answers

    def _read_answer(self, line: Line, index: int) -> list[Record | Rejection]:
        message = line.message
        if message is None:
            return []
        where = _where(line)
        said = b"\0".join(
            (where, message.id, message.model, message.stop_reason, _mark_of(message.stop_details), line.request_ref)
        )
        plain, ts, judge = message.usage, plain_moment(line.timestamp), None
        if ts is None:
            judge = RowJudge(index)
            ts = read_moment(line.timestamp, judge)
        if said == self._said and plain == self._said_usage and not self._waiting and ts and ts >= self._said_at:
            # The same as on the answer's line before it, at no earlier time: each of its blocks has a line.
            self._last_ts = max(self._last_ts, ts)
            return []
        self._said = b""
        judge = judge or RowJudge(index)
        usage = None if message.model == _SYNTHETIC else decode_usage(message, judge)
        if usage is None:
            return []
        ref = identity_of(line.request_ref)
        identity = ref or identity_of(message.id)
        if ts is None or identity is None:
            return [_refusal(judge, index, "timestamp" if ts is None else "message.id")]
        place = self._place_of(line, judge, where)
        if place is None:
            return [_refusal(judge, index, "sessionId")]
        model = self._model_of(message, judge)
        self._note(line, place, ts, self._version)
        if not place.is_side and model is not None:
            self._model = model
        if line.cost_usd and _is_copied_anew(line):
            # With its prompts, under other names: they stand in the file that it is a copy of.
            self._waiting = []
        records: list[Record | Rejection] = list(self._flush(place, model)) if self._waiting else []
        event = self._event_of(line, message, usage, place, ts, model, judge, ref, identity)
        if plain is not None and not judge.partials and len(said) + plain.text_length <= _SAID_BYTES_MAX:
            self._said, self._said_usage, self._said_at = said, plain.kept(), ts
        if event is not None:
            records.append(event)
            records += judge.partials
        return records

    def _model_of(self, message: Message, judge: RowJudge) -> str | None:
        """Return the name of the model, one that is plain text mostly the last one again."""
        if self._name is None or message.model != self._named:
            self._name = judge.read_model(cell_of(message.model), "model")
            self._named = message.model.copy() if self._name is not None else NOTHING
        return self._name

    def _event_of(
        self,
        line: Line,
        message: Message,
        usage: Usage,
        place: _Place,
        ts: int,
        model: str | None,
        judge: RowJudge,
        ref: bytes | None,
        identity: bytes,
    ) -> UsageEvent | None:
        """Return what an answer's line says; None if it is an empty copy of one that is known."""
        tokens = usage.tokens
        sent, cache_read, short, long, output, _thinking = tokens
        is_empty = not (sent or cache_read or short or long or output)
        state = _UNMEASURED if is_empty else _state_of(self._version, output, message)
        former = None
        if ref is not None:
            key = _named_by_ref(ref)
            name = key.hex()
            self._answer(place.session, name)
        else:
            half = _named_by_id(identity)[:8]
            half_name = half.hex()
            known = self._counts.pop(half_name, None)
            if is_empty and known is not None:
                self._counts[half_name] = known
                return None
            low = digest(sent or 0, cache_read or 0, usage.cache_write or 0)[:8]
            low_name = low.hex()
            if known is not None and known != low_name and ((output or 0) <= 1 or not is_there(message.stop_reason)):
                # It is said of the answer before it, and only its output is news.
                low, low_name, tokens = bytes.fromhex(known), known, Tokens(output=output)
            if not is_empty:
                _keep(self._counts, half_name, low_name, _IDS_MAX)
                former = half + _NO_COUNTS
            key, name = half + low, half_name + low_name
        if not (place.is_side or is_empty or place.origin is not None) and name != self._last_row:
            # The answers of the session's own file: a copy that is told by nothing else is told by their number.
            self._count += 1
            self._last_row = name
        recorded_nano = _cost_of(line.cost_usd, model, judge) if line.cost_usd else None
        return make_event(
            (
                key,
                place.session,
                ts,
                model,
                _NO_TOKENS if is_empty else tokens,
                recorded_nano,
                state,
                place.parent,
                judge.unknown if judge.partials else (),
                former,
                usage.context,
                place.claim,
                is_empty and ref is None,
                None,
            )
        )

    def _answer(self, chain: str, name: str) -> None:
        """Note that the request called ``name`` was answered."""
        last = self._chains.get(chain)
        if last is not None and not last.is_answered and last.ref == name:
            self._chains[chain] = _Open(name, last.ts, last.model, is_answered=True)
        if chain == self._stem and name[:_DIGITS] not in self._announced:
            # Nothing in this file announced it: another session did, and nobody says which.
            self._is_foreign = True

    # Requests, prompts, totals

    def _read_request(self, line: Line, judge: RowJudge, index: int) -> list[Record | Rejection]:
        """Read a request that is sent: it is open until its answer stands in the file."""
        ts, identity = read_moment(line.timestamp, judge), identity_of(line.id)
        if ts is None or identity is None:
            return [_refusal(judge, index, "timestamp" if ts is None else "id")]
        place = self._place_of(line, judge, _where(line))
        if place is None:
            return [_refusal(judge, index, "sessionId")]
        model = self._asked_model_of(line, judge)
        self._note(line, place, ts, self._version)
        records: list[Record | Rejection] = []
        if not place.is_side:
            self._heir_since = self._heir_since or ts
            if self._waiting and (model or self._model):
                records += self._flush(place._replace(claim=_STATED), model or self._model)
        session = place.session
        if session in self._chains:
            records += self._lose(session)
        key = _named_by_ref(identity)
        name = key.hex()
        _keep(self._chains, session, _Open(name, ts, model, is_answered=False), _CHAINS_MAX)
        _keep(self._announced, name[:_DIGITS], value=True, maximum=_IDS_MAX)
        records.append(
            make_event(
                (key, session, ts, model, _NO_TOKENS, None, _OPEN, place.parent, (), None, "", _STATED, False, None)
            )
        )
        return records

    def _asked_model_of(self, line: Line, judge: RowJudge) -> str | None:
        """Return the model that a request asks for, mostly the last one again."""
        asked = _mark_of(line.params)
        if asked != self._asked or not asked:
            partial_count = len(judge.partials)
            self._asked_name = decode_asked_model(line.params, judge)
            self._asked = asked if len(judge.partials) == partial_count else b""
        return self._asked_name

    def _lose(self, chain: str) -> Iterator[Record]:
        """Say that the last request of a chain was lost, if it was not answered: the tool goes on without."""
        last = self._chains.pop(chain, None)
        if last is not None and not last.is_answered:
            parent = chain.partition("/")[0] if "/" in chain else None
            yield UsageEvent(
                key=bytes.fromhex(last.ref),
                session=chain,
                ts=last.ts,
                model=last.model,
                tokens=Tokens(),
                state=RequestState.UNMEASURED,
                parent=parent,
                claim=_STATED,
            )

    def _read_prompt(self, line: Line, judge: RowJudge) -> list[Record | Rejection]:
        """Read a prompt, of which only is known that it is one; it is told with the model that answers it."""
        ts = read_moment(line.timestamp, judge)
        if ts is None:
            return []
        self._last_ts = max(self._last_ts, ts)
        if (
            self._is_agent
            or is_there(line.tool_use_result)
            or _TRUE in (line.is_meta, line.is_sidechain, line.is_compact_summary)
        ):
            return []
        identity = identity_of(line.uuid)
        key = _prompt_by_id(identity) if identity else digest("prompt", self._stem, ts)
        self._waiting.append(_Prompt(key.hex(), ts))
        if len(self._waiting) <= _WAITING_MAX:
            return []
        place = self._place_of(line, judge, _where(line))
        if place is None:
            del self._waiting[0]
            return []
        return list(self._flush(place, None))

    def _flush(self, place: _Place, model: str | None) -> Iterator[Record]:
        """Tell of the prompts before a line of the main conversation: they are of its session and its model."""
        if place.is_side:
            return
        waiting, self._waiting = self._waiting, []
        for key, ts in waiting:
            yield PromptSeen(bytes.fromhex(key), place.session, ts, model or "", claim=place.claim)

    def _read_total(self, line: Line, judge: RowJudge) -> list[Record | Rejection]:
        """Read what the session was billed for; a request that is open now will not be answered."""
        records: list[Record | Rejection] = []
        for chain in list(self._chains):
            records += self._lose(chain)
        place = self._place_of(line, judge, _where(line))
        if place is None or place.is_side or not self._last_ts:
            return records
        records += self._flush(place._replace(claim=_UNSTATED | self._age), self._model)
        billed = decode_billed(line.model_usage, judge)
        is_heir = self._heir_of is not None and not self._is_branch
        count = None if is_heir or self._is_branch else self._count
        if self._is_old or (self._is_foreign and not (is_heir or self._is_branch)):
            # Versions that wrote no totals, or a session that is not known, have a part in it.
            count = COUNT_MAX
        records += [
            GapReading(
                place.session,
                model,
                UNRECORDED,
                None,
                tokens,
                at=self._last_ts,
                heir_of=self._heir_of if is_heir else None,
                heir_since=self._heir_since if is_heir else None,
                recorded_count=count,
            )
            for model, tokens in billed.items()
        ]
        return records

    # Places

    def _place_of(self, line: Line, judge: RowJudge, where: bytes) -> _Place | None:
        """Return the session of a line that says ``where``; None if no session can be named."""
        if (known := self._places.get(where)) is not None:
            place, self._version = known
            return place
        self._version = version_of(line.version)
        partial_count = len(judge.partials)
        found = self._find_place(line, judge)
        if found is not None and len(judge.partials) == partial_count and len(where) <= _SAID_BYTES_MAX:
            _keep(self._places, where, (found, self._version), _PLACES_MAX)
        return found

    def _find_place(self, line: Line, judge: RowJudge) -> _Place | None:
        own = judge.find_identifier(cell_of(line.session_id), "sessionId") or self._stem
        origin = judge.find_identifier(cell_of(line.request_session_id), "requestSessionId")
        root = origin or own
        if not root or len(root) > ID_LENGTH_MAX:
            return None
        claim = _UNSTATED | self._age
        if origin is not None:
            claim = _STATED
        elif is_there(line.forked_from) or _is_copied_anew(line):
            claim = _COPY | self._age
        is_side = self._is_agent or says(line.is_sidechain, b"true") or is_there(line.agent_id)
        if not is_side:
            return _Place(root, None, claim, is_side, origin if origin != own else None)
        agent = agent_of(line.agent_id) or self._agent or "sidechain"
        agent = agent if is_plain_name(agent) else "sidechain"
        key = f"{root}/{agent}"
        claim = _SIDE | self._age if claim else claim
        return _Place(key if len(key) <= ID_LENGTH_MAX else root, root, claim, is_side, origin)

    def _note(self, line: Line, place: _Place, ts: int, version: Version | None) -> None:
        """Keep what a line tells of its whole file."""
        self._last_ts = max(self._last_ts, ts)
        if place.is_side:
            return
        if is_there(line.forked_from):
            self._is_branch = True
        elif place.origin is not None:
            self._heir_of, self._heir_since = place.origin, 0
        elif version is not None and version < COST_STATE:
            self._is_old = True


def _mark_of(raw: Raw) -> bytes:
    """Return what tells a field from others like it, beyond its line; none of its text, which may be anything."""
    return digest_of(raw) if raw else b""


def _where(line: Line) -> bytes:
    """Return the fields of a line that tell its session."""
    return b"\0".join(
        (
            line.session_id,
            line.request_session_id,
            line.agent_id,
            line.is_sidechain,
            line.forked_from,
            line.version,
            line.cost_usd,
            line.duration_ms,
        )
    )


def _state_of(version: Version | None, output: int | None, message: Message) -> RequestState:
    """Return how much is known of an answer from one of its lines."""
    is_placeholder = output is None or output <= PLACEHOLDER_MAX
    if is_there(message.stop_reason):
        if message.stop_details or not is_placeholder:
            return _FINAL
        # Newer versions state a reason to stop when a stream breaks, too. A whole answer that came without a stream
        # looks the same where the API sends no details: of both, more than a first token is the least that there was.
        if version is not None and version >= STOP_DETAILS:
            return RequestState.INTERRUPTED if output is None or output <= 1 else RequestState.AT_LEAST
        return RequestState.AT_LEAST if output is None or output <= 1 else RequestState.FINAL
    if is_placeholder and version is not None and version >= FULL_USAGE:
        return RequestState.INTERRUPTED
    return RequestState.AT_LEAST


def _refusal(judge: RowJudge, index: int, field: str) -> Rejection:
    """Return why a line is refused as a whole: the reason that is known, else that ``field`` is missing."""
    partials = [each for each in judge.partials if each.field == field]
    return Rejection(index, partials[0].code if partials else RejectionCode.MISSING, field)


def _cost_of(raw: Raw, model: str | None, judge: RowJudge) -> int | None:
    """Return the cost that 1.0.0 to 1.0.8 state; 0 stands on every copy, and says nothing.

    To a model of another maker they give the price of one of their own.
    """
    cost = judge.read_cost(read_number(raw), "costUSD")
    return nano_usd(cost) if cost and model is not None and "claude" in model.lower() else None


def _is_copied_anew(line: Line) -> bool:
    """Return whether 1.0.x copied a line into a new session: with another time and name, and no cost."""
    return says(line.cost_usd, b"0") and says(line.duration_ms, b"0")


def _session_named(name: str) -> str:
    """Return a name on the path that is a session's id; empty for any other: it may say what somebody works on."""
    return name if _SESSION.fullmatch(name) else ""


def _agent_named(name: str) -> str | None:
    """Return the name of an agent's file that is an id; None for any other, as above."""
    return name if _AGENT.fullmatch(name) else None


def _folder_of(parts: tuple[str, ...]) -> str:
    """Return the session in whose folder an agent's file lies; empty if it lies beside all sessions."""
    return parts[parts.index("subagents", 1) - 1] if "subagents" in parts[1:] else ""


def _keep(into: dict[K, T], key: K, value: T, maximum: int) -> None:
    """Put ``value`` last; forget the first ones beyond ``maximum``."""
    into.pop(key, None)
    into[key] = value
    while len(into) > maximum:
        del into[next(iter(into))]


def _number(state: PlainState, default: int) -> int:
    return state if isinstance(state, int) else default


def _text(state: PlainState) -> str | None:
    return state if isinstance(state, str) else None


def _items(state: PlainState) -> list[tuple[str, PlainState]]:
    return list(state.items()) if isinstance(state, dict) else []


def _list(state: PlainState) -> list[PlainState]:
    return list(state) if isinstance(state, list) else []


def _names_of(state: PlainState) -> Iterator[str]:
    """Return the digits that are kept of each name; an earlier version kept a list of whole names."""
    if isinstance(state, str):
        return (state[at : at + _DIGITS] for at in range(0, len(state), _DIGITS))
    return (str(name)[:_DIGITS] for name in _list(state))


def _open_of(state: PlainState) -> _Open:
    ref, ts, model, is_answered = _list(state)
    return _Open(str(ref), _number(ts, 0), _text(model), is_answered is True)


def _prompt_of(state: PlainState) -> _Prompt:
    key, ts = _list(state)
    return _Prompt(str(key), _number(ts, 0))


FORMAT = LineFormat(version=VERSION, needles=NEEDLES, open=TranscriptParser, head=HEAD, states_folder=True)
