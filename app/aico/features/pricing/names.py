"""Finds the entry of a price list that a model's name means. Strict: a name that is only similar means none. Pure.

The library finds an entry for most names that begin like one, so that ``claude-opus-4-80`` would cost what
``claude-opus-4-8`` does. Here its answer counts only if the entry names exactly what was asked for. These are the
rules, in their order; upper and lower case are the same.

1. ``[1m]`` at the end is cut: it is Claude Code's word for a longer context, which tiers price.
2. A gateway that adds nothing to the price (:data:`GATEWAYS`) is cut from the front.
3. The part before the first slash is the seller (:data:`SELLERS`); a maker that is named so sells at its own list.
   Unknown sellers have no price: ``ollama/...``, ``openai-compatible/...``.
4. ``models/NAME`` and ``publishers/google/models/NAME`` are Google's own spelling, ``@cf/...`` is Cloudflare's,
   ``accounts/fireworks/...`` Fireworks', ``us.anthropic.NAME`` and the ARN of an inference profile are Bedrock's.
5. A bare name belongs to the seller that the list gives it to, which is its maker. Bare names of models that several
   sell at different prices (:data:`AMBIGUOUS`) have none.
6. An entry names a model by its id, by a name that it lists, or by a pattern of its own for whole names. If the list
   only says how names begin, contain or end, the rest of the name may be a region of Bedrock's before it, and after it
   nothing but a date with its year, a revision of Bedrock's (``-v1:0``) or ``-preview`` with or without a date.
7. If no entry names it so, a date with its year or a revision (``-001``) at the end is cut, and it is looked up again.
8. Two entries that name one model name none. Other suffixes (``-fast``, ``-high``, ``:free``, ``:thinking``) are never
   cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from genai_prices.data_snapshot import DataSnapshot
from genai_prices.types import (
    ClauseAnd,
    ClauseContains,
    ClauseEndsWith,
    ClauseEquals,
    ClauseOr,
    ClauseRegex,
    ClauseStartsWith,
    MatchLogic,
    ModelInfo,
    Provider,
)

GATEWAYS = frozenset(
    {"litellm", "litellm_proxy", "vercel", "vercel_ai_gateway", "vercel-ai-gateway", "cloudflare-ai-gateway", "portkey"}
)
SELLERS = {
    "anthropic": "anthropic",
    "openai": "openai",
    "google": "google",
    "gemini": "google",
    "vertex": "google",
    "vertex_ai": "google",
    "google-vertex": "google",
    "google-vertex-anthropic": "google",
    "bedrock": "aws",
    "amazon-bedrock": "aws",
    "aws": "aws",
    "azure": "azure",
    "github-copilot": "github-copilot",
    "openrouter": "openrouter",
    "x-ai": "x-ai",
    "xai": "x-ai",
    "deepseek": "deepseek",
    "moonshotai": "moonshotai",
    "moonshot": "moonshotai",
    "mistral": "mistral",
    "mistralai": "mistral",
    "minimax": "minimax",
    "z-ai": "zai",
    "zai": "zai",
    "zhipuai": "zhipuai",
    "cohere": "cohere",
    "perplexity": "perplexity",
    "groq": "groq",
    "cerebras": "cerebras",
    "together": "together",
    "together_ai": "together",
    "togetherai": "together",
    "fireworks": "fireworks",
    "fireworks_ai": "fireworks",
    "fireworks-ai": "fireworks",
    "novita": "novita",
    "baseten": "baseten",
    "databricks": "databricks",
    "cloudflare": "cloudflare",
}
"""The seller's list by the part before the first slash. Nothing else is a seller."""
AMBIGUOUS = ("glm-", "gpt-oss")
"""Bare names that begin so: GLM costs one price in China and another elsewhere; anybody may run gpt-oss."""

_LONG_CONTEXT = "[1m]"
_WHOLE = {"@cf": "cloudflare", "accounts": "fireworks"}
_GOOGLE = ("models/", "publishers/google/models/")
_BEDROCK = re.compile(
    r"(?:(?:us|us-gov|eu|apac|au|jp|in|ca|sa|global)\.)?"
    r"(?:ai21|amazon|anthropic|cohere|deepseek|meta|mistral|moonshotai|nvidia|openai|qwen|writer|zai)\.."
)
_REGION = re.compile(r"(?:(?:us|us-gov|eu|apac|au|jp|in|ca|sa|global)\.)?(?:anthropic\.)?")
_DATE = r"20\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])|20\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
_SHORT_DATE = r"(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])|(?:0[1-9]|1[0-2])-20\d\d"
_REST = re.compile(rf"(?:[-@]?(?:{_DATE}))?(?:-preview(?:-(?:{_DATE}|{_SHORT_DATE}))?)?(?:-v\d+:\d+)?")
_REST_OF_PREVIEW = re.compile(rf"-(?:{_DATE}|{_SHORT_DATE})")
_DATED = re.compile(rf"(.+)[-@]({_DATE})")
_REVISED = re.compile(r"(.+)-00\d")


class Entry(NamedTuple):
    """An entry of the list."""

    seller: Provider
    model: ModelInfo
    name: str
    """The name that the library finds it by, at that seller."""


def find_entry(snapshot: DataSnapshot, name: str) -> Entry | None:
    """Return the entry of ``snapshot`` that ``name`` means, by the rules above; None if there is none, or not one."""
    seller_id, bare = split_name(name)
    if not bare or seller_id == "":
        return None
    for form in _forms(bare):
        try:
            seller = snapshot.find_provider(form, seller_id, None)
        except LookupError:
            continue
        found = seller.find_model(form, all_providers=snapshot.providers)
        if found is None:
            continue
        # The entry may be another seller's, whose list this one follows.
        owner = next(each for each in snapshot.providers if any(model is found for model in each.models))
        named = [model for model in owner.models if _names(model, form)]
        if len(named) == 1 and named[0] is found:
            return Entry(seller, found, form)
        if named:
            return None
    return None


def split_name(name: str) -> tuple[str | None, str]:
    """Return the seller's id and the rest of ``name``: None where a bare name says it, ``""`` where nobody does."""
    text = name.strip().lower().removesuffix(_LONG_CONTEXT)
    head, slash, rest = text.partition("/")
    while slash and head in GATEWAYS:
        text = rest
        head, slash, rest = text.partition("/")
    for prefix in _GOOGLE:
        if text.startswith(prefix):
            return "google", text.removeprefix(prefix)
    if text.startswith("arn:aws:bedrock:"):
        return "aws", text.rpartition("/")[2]
    if slash and head in _WHOLE:
        return _WHOLE[head], text
    if slash:
        return SELLERS.get(head, ""), rest
    if _BEDROCK.match(text):
        return "aws", text
    return ("" if text.startswith(AMBIGUOUS) else None), text


def is_ambiguous(name: str) -> bool:
    """Return whether ``name`` is a bare one that several sell at different prices."""
    return split_name(name)[0] == "" and split_name(name)[1].startswith(AMBIGUOUS)


def _forms(bare: str) -> Iterator[str]:
    """Yield ``bare``, then with its date written with dashes as the list does it, then without date or revision."""
    yield bare
    if revised := _REVISED.fullmatch(bare):
        yield revised[1]
    elif dated := _DATED.fullmatch(bare):
        digits = dated[2].replace("-", "")
        yield f"{dated[1]}-{digits[:4]}-{digits[4:6]}-{digits[6:]}"
        yield dated[1]


def _names(model: ModelInfo, name: str) -> bool:
    """Return whether ``model`` names exactly ``name``."""
    return model.is_match(name) and (model.id.lower() == name or _says(model.match, name))


def _says(clause: MatchLogic, name: str) -> bool:
    """Return whether ``clause``, which lets ``name`` pass, names all of it."""
    if not clause.is_match(name):
        return False
    match clause:
        case ClauseOr():
            is_said = any(_says(each, name) for each in clause.or_)
        case ClauseAnd():
            is_said = any(_says(each, name) for each in clause.and_)
        case ClauseEquals():
            is_said = True
        case ClauseRegex():
            # "^(?!" only says what a name is not.
            is_said = clause.regex.startswith("^") and clause.regex.endswith("$") and "(?" not in clause.regex
        case ClauseStartsWith():
            is_said = _is_all(clause.starts_with.lower(), name)
        case ClauseContains():
            is_said = _is_all(clause.contains.lower(), name)
        case ClauseEndsWith():
            is_said = _is_all(clause.ends_with.lower(), name)
    return is_said


def _is_all(part: str, name: str) -> bool:
    """Return whether ``part``, which is in ``name``, is all of it but for a region, a date, a revision or a preview."""
    before, _, after = name.partition(part)
    if before and not _REGION.fullmatch(before):
        return False
    if part.endswith("-preview") and _REST_OF_PREVIEW.fullmatch(after):
        return True
    return _REST.fullmatch(after) is not None
