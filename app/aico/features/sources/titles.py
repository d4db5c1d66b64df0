"""What the tools are called, for whoever must not wait for what reads them."""

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
