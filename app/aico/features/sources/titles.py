"""Titles of tools, and which of them bill more than they write down, for code that must not wait for their readers."""

from __future__ import annotations

TITLES = {
    "cline": "Cline",
    "claude-code": "Claude Code",
    "codex": "Codex",
    "gemini-cli": "Gemini CLI",
    "opencode": "OpenCode",
    "kilo": "Kilo",
    "qwen-code": "Qwen Code",
    "kimi-cli": "Kimi CLI",
    "kimi-code": "Kimi Code",
    "pi": "pi",
    "vibe": "Mistral Vibe",
    "copilot-cli": "Copilot CLI",
}
"""Titles of sources by id, also of some that are not read yet. Each is that of its source."""

UNWRITTEN = frozenset({"claude-code", "codex", "gemini-cli", "opencode", "kimi-cli", "pi", "vibe", "copilot-cli"})
"""Tools that bill calls which they write nowhere: those whose source names gaps of all its origins."""
UNWRITTEN_BY = {"cline": "sessions"}
"""The meter of the origins that lack such calls, of tools of which another origin does not."""
