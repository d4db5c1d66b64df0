"""The list, what users add to it, and what matches it: exactly, or by whole parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from aico.core.activity_settings import ActivitySettings
from aico.core.errors import SettingsError
from aico.core.settings import load_settings
from aico.features.activity.definitions import Definition, Definitions, load_definitions
from aico.features.activity.matching import Invocation, ProgramNames, invocation_of

LINUX = load_definitions(ActivitySettings(), "linux")
MACOS = load_definitions(ActivitySettings(), "darwin")
APPS = {
    *("ChatGPT", "Claude", "Cursor", "Windsurf", "VS Code", "JetBrains", "Zed", "Codex", "Midjourney", "LM Studio"),
    *("Jan", "Ollama", "Perplexity", "Msty", "Pieces", "superwhisper"),
}
COMMANDS = {
    *("claude", "codex", "gemini", "opencode", "kilo", "qwen", "copilot", "aider", "vibe", "pi", "cline", "ollama"),
    *("openai", "llm", "sgpt"),
}
DOMAINS = [
    "chatgpt.com",
    "chat.openai.com",
    "platform.openai.com",
    "claude.ai",
    "console.anthropic.com",
    "gemini.google.com",
    "aistudio.google.com",
    "labs.google",
    "copilot.microsoft.com",
    "github.com/copilot",
    "poe.com",
    "perplexity.ai",
    "you.com",
    "phind.com",
    "deepseek.com",
    "chat.mistral.ai",
    "groq.com",
    "together.ai",
    "huggingface.co",
    "cohere.com",
    "pi.ai",
    "character.ai",
    "replit.com",
    "v0.dev",
    "bolt.new",
    "lovable.dev",
    "idx.dev",
    "midjourney.com",
    "leonardo.ai",
    "runwayml.com",
    "elevenlabs.io",
    "suno.com",
]


def test_list_names_what_it_has_to() -> None:
    """Every app, command and site of the design is listed, on both systems, each once."""
    assert (set(LINUX.apps), set(LINUX.commands), set(LINUX.domains)) == (APPS, COMMANDS, set(DOMAINS))
    assert set(MACOS.apps) == APPS
    assert all(each.programs for each in MACOS.apps.values())
    assert [each.name for each in LINUX.apps.values() if each.is_assumed] == ["VS Code", "JetBrains"]


@pytest.mark.parametrize(
    ("executable", "arguments", "name"),
    [
        ("/usr/bin/claude", ["claude"], "claude"),
        ("/home/a/.local/share/claude/versions/2.1.3", ["claude", "--resume"], "claude"),
        ("/usr/bin/node", ["node", "/usr/lib/node_modules/@openai/codex/bin/codex.js", "exec"], "codex"),
        ("/usr/bin/node", ["node", "--max-old-space-size=8192", "/usr/local/bin/gemini"], "gemini"),
        ("/usr/bin/python3.11", ["python3.11", "-m", "aider", "--model", "x"], "aider"),
        ("/usr/bin/python3.11", ["/home/a/.venv/bin/python", "/home/a/.venv/bin/llm", "chat"], "llm"),
        ("/usr/bin/gh", ["gh", "copilot", "suggest"], "copilot"),
        ("/usr/bin/gh", ["gh", "pr", "copilot"], None),
        ("/usr/bin/ollama", ["ollama", "run", "llama3"], "ollama"),
        ("/usr/bin/ollama", ["ollama", "list"], None),
        ("/usr/bin/cc", ["cc", "claude.c"], None),
        ("/usr/bin/vim", ["vim", "/home/a/claude"], None),
        ("/usr/bin/bash", ["bash", "-c", "claude"], None),
        ("/home/claude/bin/tool", ["tool"], None),
        ("/usr/bin/claude-monitor", ["claude-monitor"], None),
        ("/usr/bin/Claude", ["Claude"], None),
        ("/usr/bin/pip", ["pip", "install", "aider"], None),
        ("", [], None),
    ],
)
def test_command_is_told_by_its_program_alone(executable: str, arguments: list[str], name: str | None) -> None:
    """An interpreter stands for what it runs; names are compared whole, and further arguments never."""
    assert ProgramNames(LINUX.commands.values()).find(invocation_of(executable, arguments)) == name


@pytest.mark.parametrize(
    ("names", "path", "name"),
    [
        (LINUX, "/usr/share/cursor/cursor", "Cursor"),
        (LINUX, "/usr/share/code/code", "VS Code"),
        (LINUX, "/usr/lib/claude-desktop/node_modules/electron/dist/electron", "Claude"),
        (LINUX, "/usr/share/precursor/cursor-like", None),
        (LINUX, "/opt/mycursor/cursor", None),
        (LINUX, "/home/msty/bin/vim", None),
        (MACOS, "/Applications/Claude.app/Contents/MacOS/Claude", "Claude"),
        (MACOS, "/Applications/LM Studio.app/Contents/MacOS/LM Studio", "LM Studio"),
        (MACOS, "/Applications/NotClaude.app/Contents/MacOS/x", None),
        (MACOS, "/Users/a/Claude.app", None),
    ],
)
def test_app_is_told_by_whole_parts_of_its_path(names: Definitions, path: str, name: str | None) -> None:
    """Two parts are the end of a path; with a slash behind them, folders anywhere in it."""
    assert ProgramNames(names.apps.values()).find(Invocation((path,))) == name


def test_user_adds_and_changes(tmp_path: Path) -> None:
    """A new name is added with its programs; a known one keeps what is not said of it."""
    file = tmp_path / "config.toml"
    file.write_text(
        "[activity]\n"
        'kinds = ["apps"]\n'
        '[[activity.apps]]\nname = "Acme"\nprograms = ["acme/acme"]\ncategory = "coding"\nhourly_rate_usd = 4\n'
        '[[activity.apps]]\nname = "Cursor"\nhourly_rate_usd = 0\n'
        '[[activity.domains]]\nname = "ai.example.org"\n'
    )
    settings = load_settings(environment={"AICO_CONFIG": str(file)}).settings.activity
    assert settings.kinds == ("apps",)
    definitions = load_definitions(settings, "linux")
    assert definitions.apps["Acme"] == Definition("Acme", "coding", ("acme/acme",), 4.0)
    assert definitions.apps["Cursor"] == LINUX.apps["Cursor"]._replace(hourly_rate_usd=0.0)
    assert definitions.domains["ai.example.org"].category == "other"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('apps = "Cursor"', "activity.apps"),
        ('apps = ["Cursor"]', "activity.apps.0"),
        ("apps = [{}]", "activity.apps.0.name"),
        ('apps = [{name = "Acme"}]', "needs programs"),
        ('apps = [{name = "Cursr"}]', "did you mean Cursor"),
        ('apps = [{name = "Cursor", hourly_rate = 3}]', "activity.apps.0.hourly_rate"),
        ('apps = [{name = "Cursor", hourly_rate_usd = -1}]', "activity.apps.0.hourly_rate_usd"),
        ('apps = [{name = "Cursor", hourly_rate_usd = true}]', "US dollars"),
        ('apps = [{name = "Cursor", hourly_rate_usd = nan}]', "activity.apps.0.hourly_rate_usd"),
        ('apps = [{name = "Acme", programs = ["../acme"]}]', "whole parts of its path"),
        ('apps = [{name = "Acme", programs = [""]}]', "whole parts of its path"),
        ('apps = [{name = "A", programs = ["a"]}, {name = "A", programs = ["b"]}]', "named twice"),
        ('domains = [{name = "https://claude.ai"}]', "no scheme"),
        ('domains = [{name = "Claude.ai"}]', "lower case"),
        ('domains = [{name = "claude.ai:443"}]', "no port"),
        ('kinds = ["app"]', "did you mean apps"),
        ("kinds = 3", "activity.kinds"),
        ('kind = ["apps"]', "did you mean kinds"),
    ],
)
def test_wrong_addition_is_named(tmp_path: Path, text: str, told: str) -> None:
    """An addition that says nothing, or what cannot be, is refused with its place, at the start."""
    file = tmp_path / "config.toml"
    file.write_text(f"[activity]\n{text}\n")
    with pytest.raises(SettingsError) as refused:
        load_definitions(load_settings(environment={"AICO_CONFIG": str(file)}).settings.activity)
    assert told in str(refused.value)
