"""Models of the made-up ledger with names and prices like real ones. Pure data: no I/O, no clock, no logging."""

from __future__ import annotations

from typing import NamedTuple

PER_TOKEN = 1_000_000
"""Prices are quoted for this many tokens."""


class DemoModel(NamedTuple):
    """A model that the made-up person uses. Prices in US dollars per million tokens; all 0 = Cline knows no price."""

    model_id: str
    provider: str
    share: float
    """How often a task starts with it."""
    price_in: float
    price_out: float
    price_cache_write: float
    price_cache_read: float
    caches: bool
    """True if the provider reports cached tokens apart, so that ``tokensIn`` is net of them."""


MODELS = (
    DemoModel("claude-sonnet-4-5-20250929", "anthropic", 0.30, 3.0, 15.0, 3.75, 0.30, caches=True),
    DemoModel("anthropic/claude-opus-4.5", "openrouter", 0.10, 5.0, 25.0, 6.25, 0.50, caches=True),
    DemoModel("gpt-5.1-codex", "openai-native", 0.15, 1.25, 10.0, 0.0, 0.125, caches=True),
    DemoModel("google/gemini-3-pro-preview", "openrouter", 0.10, 2.0, 12.0, 0.0, 0.20, caches=True),
    DemoModel("moonshotai/kimi-k2.5", "openrouter", 0.14, 0.60, 3.0, 0.0, 0.10, caches=True),
    DemoModel("qwen/qwen3-coder", "openrouter", 0.06, 0.22, 0.95, 0.0, 0.0, caches=False),
    DemoModel("team-gpt-4o-prod", "openai", 0.03, 2.5, 10.0, 0.0, 0.0, caches=False),
    DemoModel("z-ai/glm-5", "zai", 0.06, 0.0, 0.0, 0.0, 0.0, caches=True),
    DemoModel("deepseek-v4-flash", "ollama", 0.06, 0.0, 0.0, 0.0, 0.0, caches=False),
)
"""Unpriced ones at the end: subscriptions and local models, whose entries say ``"totalCost":0``."""

CLAUDE_CODE_MODELS = (
    MODELS[0],
    DemoModel("claude-opus-4-5-20251101", "anthropic", 0.5, 5.0, 25.0, 6.25, 0.50, caches=True),
)
CLAUDE_CODE_SMALL = DemoModel("claude-haiku-4-5-20251001", "anthropic", 0.5, 1.0, 5.0, 1.25, 0.10, caches=True)
"""Of agents and titles."""
CODEX_MODELS = (
    DemoModel("gpt-5.3-codex", "openai", 0.5, 1.75, 14.0, 0.0, 0.175, caches=True),
    DemoModel("house-coder-32b", "house", 0.5, 0.0, 0.0, 0.0, 0.0, caches=True),
)
"""The last one is the house's own: no list has a price for it."""
GEMINI_CLI_MODELS = (
    DemoModel("gemini-3-pro-preview", "google", 0.5, 2.0, 12.0, 0.0, 0.20, caches=True),
    DemoModel("gemini-3-flash-preview", "google", 0.5, 0.50, 3.0, 0.0, 0.05, caches=True),
)
