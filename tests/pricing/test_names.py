"""A model's name means exactly one entry of the list, or none. The table is made by hand from what tools write."""

from __future__ import annotations

import pytest
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given
from hypothesis import strategies as st

from aico.core.usage import TS_MAX, Tokens
from aico.features.pricing.names import find_entry
from aico.features.pricing.price_list import GenaiPriceList

NAMED = {
    # Anthropic: as Claude Code writes them, with dates, with its word for a long context, and as others spell them.
    "claude-opus-4-8": "anthropic/claude-opus-4-8",
    "claude-opus-4-8[1m]": "anthropic/claude-opus-4-8",
    "claude-opus-5-5-20260921": "anthropic/claude-opus-5-5",
    "claude-opus-5-5[1m]": "anthropic/claude-opus-5-5",
    "claude-sonnet-4-5-20250929": "anthropic/claude-sonnet-4-5",
    "claude-sonnet-4-20250514": "anthropic/claude-sonnet-4-0",
    "claude-opus-4-20250514": "anthropic/claude-opus-4-0",
    "claude-opus-4-1-20250805": "anthropic/claude-opus-4-1",
    "claude-3-5-haiku-20241022": "anthropic/claude-3-5-haiku-latest",
    "claude-3-7-sonnet-20250219": "anthropic/claude-3-7-sonnet-latest",
    "claude-haiku-4-5@20251001": "anthropic/claude-haiku-4-5",
    "Claude-Haiku-5-5": "anthropic/claude-haiku-5-5",
    "anthropic/claude-opus-4.8": "anthropic/claude-opus-4-8",
    "anthropic/claude-opus-4-8": "anthropic/claude-opus-4-8",
    "litellm/anthropic/claude-opus-4-8": "anthropic/claude-opus-4-8",
    # Routers and clouds have lists of their own.
    "openrouter/anthropic/claude-opus-4.8": "openrouter/anthropic/claude-opus-4.8",
    "openrouter/anthropic/claude-opus-5.5-20260921": "openrouter/anthropic/claude-opus-5.5",
    "us.anthropic.claude-opus-4-5-20251101-v1:0": "aws/regional.anthropic.claude-opus-4-5-v1:0",
    "global.anthropic.claude-opus-4-8-v1:0": "aws/global.anthropic.claude-opus-4-8-v1:0",
    "anthropic.claude-sonnet-4-5-20250929-v1:0": "aws/regional.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0": "aws/regional.anthropic.claude-haiku-4-5-20251001-v1:0",
    "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-opus-4-7": (
        "aws/regional.anthropic.claude-opus-4-7-v1:0"
    ),
    "vertex_ai/claude-sonnet-4-5@20250929": "google/claude-sonnet-4-5",
    "azure/gpt-5.5": "azure/gpt-5.5",
    "github-copilot/claude-opus-4.8-fast": "github-copilot/claude-opus-4.8-fast",
    "groq/openai/gpt-oss-120b": "groq/openai/gpt-oss-120b",
    "accounts/fireworks/models/kimi-k2p6": "fireworks/kimi-k2p6",
    "@cf/moonshotai/kimi-k2.7-code": "cloudflare/@cf/moonshotai/kimi-k2.7-code",
    # OpenAI. The list itself says that the codex models cost what the others do.
    "gpt-5.5": "openai/gpt-5.5",
    "gpt-5.5-codex": "openai/gpt-5.5",
    "gpt-5-codex": "openai/gpt-5",
    "gpt-5.1-codex-max": "openai/gpt-5.1",
    "gpt-5.2-20251211": "openai/gpt-5.2",
    "gpt-5.6-sol-2026-09-01": "openai/gpt-5.6-sol",
    "openai/gpt-6.1-sol": "openai/gpt-6.1-sol",
    "o4-mini-2025-04-16": "openai/o4-mini",
    "gpt-4o-2024-05-13": "openai/gpt-4o-2024-05-13",
    "gpt-4o-2024-08-06": "openai/gpt-4o",
    # Google.
    "gemini-2.5-pro": "google/gemini-2.5-pro",
    "gemini-2.5-pro-preview-06-05": "google/gemini-2.5-pro",
    "gemini-2.5-flash-preview-09-2025": "google/gemini-2.5-flash",
    "gemini-2.0-flash-001": "google/gemini-2.0-flash",
    "models/gemini-2.5-flash": "google/gemini-2.5-flash",
    "gemini-3.1-pro-preview": "google/gemini-3.1-pro-preview",
    "google/gemini-3.5-flash": "google/gemini-3.5-flash",
    # Others.
    "deepseek-chat": "deepseek/deepseek-chat",
    "deepseek/deepseek-v4-pro": "deepseek/deepseek-v4-pro",
    "kimi-k3": "moonshotai/kimi-k3",
    "moonshotai/kimi-k2.6": "moonshotai/kimi-k2.6",
    "z-ai/glm-4.6": "zai/GLM-4.6",
    "zhipuai/glm-5.2": "zhipuai/GLM-5.2",
    "mistral-large-latest": "mistral/mistral-large",
    "grok-code-fast-1": "x-ai/grok-code-fast-1",
    "xai/grok-4.6": "x-ai/grok-4.6",
    "minimax/minimax-m3": "minimax/minimax-m3",
}
"""The entry that each name means: 55 names."""
NEAR = (
    # The library takes each of the first ones for a model that is called similarly.
    "claude-opus-4-80",
    "claude-opus-4-8-fast",
    "claude-opus-4-8-20261399",
    "claude-sonnet-4-5-thinking",
    "gemini-2.5-pro-max",
    "deepseek-chat-v3",
    "us.anthropic.claude-opus-4-80-v1:0",
    "gpt-5.55",
    "gpt-5.5-xhigh",
    "kimi-k2-0905",
    "anthropic/claude-3.7-sonnet:thinking",
    "openrouter/anthropic/claude-opus-4-8",
    "openai-compatible/gpt-5.5",
    "azure/my-deployment",
)
"""Names that are close to one of the list: 14."""
UNKNOWN = (
    "opus",
    "sonnet",
    "<synthetic>",
    "",
    "gemini-3.5-pro",
    "qwen3-coder-plus",
    "kimi-for-coding",
    "llama3.1:8b",
    "ollama/llama3.1",
    "Qwen/Qwen3-Coder-480B-A35B-Instruct",
    "arn:aws:bedrock:us-east-1:1:application-inference-profile/x1y2z3",
    # Sold at two prices, and by anybody.
    "glm-5.2",
    "gpt-oss-120b",
)
"""Names that no list knows, or that it cannot know: 13."""
UNPRICED = ("openrouter/moonshotai/kimi-k2.6:free", "text-embedding-3-large", "cerebras/qwen-3-coder-480b")
"""Entries without a price for input and output, which the library prices at 0."""


def test_the_table_is_large_enough() -> None:
    """At least 80 names are held to the table."""
    assert len(NAMED) + len(NEAR) + len(UNKNOWN) + len(UNPRICED) >= 80


@pytest.mark.parametrize(("name", "entry"), NAMED.items())
def test_name_means_its_entry_and_has_a_price(name: str, entry: str) -> None:
    """A name that the rules match is priced, and what it was matched with is told."""
    price = GenaiPriceList().price(name, 1_790_000_000_000, "", Tokens(1_000_000, 0, 0, 0, 1_000_000, None))
    assert price is not None
    assert price.ref.model == entry
    assert price.nano > 0


@pytest.mark.parametrize("name", [*NEAR, *UNKNOWN])
def test_name_that_is_only_similar_or_unknown_means_nothing(name: str) -> None:
    """No entry is found for a name that no entry names exactly."""
    assert find_entry(get_snapshot(), name) is None


def test_the_library_alone_would_take_near_misses_for_others() -> None:
    """The rules are needed: without them, the first near misses get the price of another model."""
    for name in NEAR[:6]:
        assert get_snapshot().find_provider_model(name, None, None, None)


@given(
    st.one_of(st.text(), st.text("claude-opus4.8/[1m]:@20"), st.sampled_from([*NAMED, *NEAR]).map(str.upper)), st.text()
)
def test_any_name_and_context_has_a_price_or_none(name: str, context: str) -> None:
    """For any name of a model, asking for the price ends without an error."""
    price = GenaiPriceList().price(name, TS_MAX, context, Tokens(1, 1, 1, 1, 1, 1))
    assert price is None or price.nano > 0


@pytest.mark.parametrize("name", UNPRICED)
def test_entry_without_prices_is_unpriced_and_never_free(name: str) -> None:
    """An entry without a price for input or output has no price, although it is found."""
    assert GenaiPriceList().price(name, 1_790_000_000_000, "", Tokens(1000, 0, 0, 0, 1000, None)) is None
