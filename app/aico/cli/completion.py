"""``aico completion``: the scripts with which a shell completes our words, made from the parser itself.

Sources: bash(1) "Programmable Completion", zshcompsys(1), fish "complete".
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from aico.cli import EXIT_OK
from aico.cli.spending import BY
from aico.cli.streams import say
from aico.cli.words import build_parser
from aico.features.sources.registry import KNOWN

SHELLS = ("bash", "zsh", "fish")
FILES = "<files>"
"""Stands for the names of files among the words that may follow."""
SESSIONS = "sessions"
"""Asks for the ids of sessions instead of a script; the scripts do."""
_OF_SOURCES = {"--source", "names"}
_LISTS = {"--by": BY}
"""Options whose value is a list with commas in it, and the words of that list."""
_BEFORE_IDS = ("label",)
"""The command behind which the id of a session is typed."""
_OF_FILES = {"--output", "file", "--ledger-path", "--database-path"}


class Level(NamedTuple):
    """The words that may follow a command, and those that may follow one of its options."""

    path: tuple[str, ...]
    """Such as ``("db", "backup")``; empty for ``aico`` alone."""
    words: Mapping[str, str]
    """To the meaning of each, in a few words."""
    after: Mapping[str, Sequence[str]]
    """By option with a value: the values that are known."""
    lists: Mapping[str, Sequence[str]]
    """By option with a list as its value: the words of the list."""


def complete(options: argparse.Namespace) -> int:
    """Print the script of a shell."""
    draw = {"bash": _bash, "zsh": _zsh, "fish": _fish}[options.shell]
    say(*draw(list(list_levels(build_parser()))))
    return EXIT_OK


def list_levels(parser: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> Iterator[Level]:
    """Yield the words that may follow at each level, the commands below it behind it."""
    words: dict[str, str] = {}
    after: dict[str, Sequence[str]] = {}
    lists: dict[str, Sequence[str]] = {}
    below: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:  # argparse tells them nowhere else
        if isinstance(action, argparse._SubParsersAction):
            below = dict(action.choices)
            words |= {each.dest: each.help or "" for each in action._choices_actions}
        elif not action.option_strings:
            words |= dict.fromkeys(_values(action, action.dest), "")
        else:
            name = action.option_strings[-1]
            words[name] = action.help or ""
            if name in _LISTS:
                lists[name] = _LISTS[name]
            elif action.nargs != 0:
                after[name] = _values(action, name)
    yield Level(path, words, after, lists)
    for name, each in below.items():
        yield from list_levels(each, (*path, name))


def _values(action: argparse.Action, name: str) -> Sequence[str]:
    if action.choices is not None:
        return [str(choice) for choice in action.choices if choice != SESSIONS]
    if name in _OF_SOURCES:
        return list(KNOWN)
    return [FILES] if name in _OF_FILES else []


def _bash(levels: Sequence[Level]) -> Iterator[str]:
    yield '# aico for bash. Now: eval "$(aico completion bash)". For good: put that line into ~/.bashrc.'
    yield "_aico() {"
    yield '    local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" path="" each words=""'
    yield '    for each in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do'
    yield '        case "$path $each" in'
    yield f"            {'|'.join(_quoted(' ' + ' '.join(level.path)) for level in levels if level.path)})"
    yield '                path="$path $each" ;;'
    yield "        esac"
    yield "    done"
    yield '    case "$path:$before" in'
    for level in levels:
        for option, values in level.after.items():
            yield f"        {_quoted(f'{_key(level)}:{option}')}) words={_quoted(' '.join(values) or ' ')} ;;"
        for option, values in level.lists.items():
            yield f"        {_quoted(f'{_key(level)}:{option}')})"
            yield '            case "$word" in *,*) each="${word%,*}," ;; *) each="" ;; esac'
            yield f'            COMPREPLY=($(compgen -P "$each" -W {_quoted(" ".join(values))} -- "${{word##*,}}"))'
            yield "            return ;;"
        if level.path == _BEFORE_IDS:
            yield f"        {_quoted(f'{_key(level)}:{level.path[-1]}')})"
            yield "            COMPREPLY=()"
            yield '            [ "${word#-}" != "$word" ] || while read -r each path; do COMPREPLY+=("$each"); done \\'
            yield f'                < <("${{COMP_WORDS[0]}}" completion {SESSIONS} -- "$word" 2>/dev/null)'
            yield f'            path="{_key(level)}"'
            yield '            if [ "${#COMPREPLY[@]}" -gt 0 ]; then return; fi ;;'
    yield "    esac"
    yield '    if [ -z "$words" ]; then'
    yield '        case "$path" in'
    for level in levels:
        yield f"            {_quoted(_key(level))}) words={_quoted(' '.join(level.words))} ;;"
    yield "        esac"
    yield "    fi"
    yield "    COMPREPLY=()"
    yield f'    case " $words " in *" {FILES} "*) COMPREPLY=($(compgen -f -- "$word")) ;; esac'
    yield f'    COMPREPLY+=($(compgen -W "${{words//{FILES}/}}" -- "$word"))'
    yield "}"
    yield "complete -F _aico aico"


def _zsh(levels: Sequence[Level]) -> Iterator[str]:
    yield "#compdef aico"
    yield '# aico for zsh. Now: eval "$(aico completion zsh)". For good: put that line into ~/.zshrc, behind compinit.'
    yield "_aico() {"
    yield '    local each at="" before="${words[CURRENT-1]}"'
    yield "    local -a found"
    yield '    for each in "${(@)words[2,CURRENT-1]}"; do'
    yield '        case "$at $each" in'
    yield f"            {'|'.join(_quoted(' ' + ' '.join(level.path)) for level in levels if level.path)})"
    yield '                at="$at $each" ;;'
    yield "        esac"
    yield "    done"
    yield '    case "$at:$before" in'
    for level in levels:
        for option, values in level.after.items():
            known = "_files" if FILES in values else f"compadd -- {' '.join(map(_quoted, values))}" if values else ":"
            yield f"        {_quoted(f'{_key(level)}:{option}')}) {known}; return ;;"
        for option, values in level.lists.items():
            known = f"compset -P '*,'; compadd -qS , -- {' '.join(map(_quoted, values))}"
            yield f"        {_quoted(f'{_key(level)}:{option}')}) {known}; return ;;"
        if level.path == _BEFORE_IDS:
            yield f"        {_quoted(f'{_key(level)}:{level.path[-1]}')})"
            yield f'            found=("${{(@f)$("${{words[1]}}" completion {SESSIONS} -- "$PREFIX" 2>/dev/null)}}")'
            yield "            found=(\"${(@)found/$'\\t'/:}\")"
            yield '            if [ -n "${found[1]}" ] && [ "${PREFIX#-}" = "$PREFIX" ]; then'
            yield "                _describe session found; return"
            yield "            fi ;;"
    yield "    esac"
    yield '    case "$at" in'
    for level in levels:
        pairs = [_quoted(f"{word}:{help_of}" if help_of else word) for word, help_of in _plain(level) if word != FILES]
        files = "; _files" if FILES in level.words else ""
        yield f"        {_quoted(_key(level))}) found=({' '.join(pairs)}); _describe aico found{files} ;;"
    yield "    esac"
    yield "}"
    yield 'if [ "$funcstack[1]" = "_aico" ]; then _aico "$@"; else compdef _aico aico; fi'


def _fish(levels: Sequence[Level]) -> Iterator[str]:
    yield "# aico for fish. For good: aico completion fish > ~/.config/fish/completions/aico.fish"
    yield "function __aico_at"
    yield '    set -l at ""'
    yield "    for each in (commandline -opc)[2..-1]"
    yield '        switch "$at $each"'
    yield f"            case {' '.join(_quoted(' ' + ' '.join(level.path)) for level in levels if level.path)}"
    yield '                set at "$at $each"'
    yield "        end"
    yield "    end"
    yield '    test "$at" = "$argv[1]"'
    yield "end"
    yield "function __aico_list"
    yield "    set -l begun (string replace -r '^--[^=]*=' '' -- (commandline -ct) | string match -r '^.*,')"
    yield "    for each in $argv"
    yield '        echo "$begun$each"'
    yield "    end"
    yield "end"
    yield "function __aico_sessions"
    yield "    set -l said (commandline -opc)"
    yield f"    $said[1] completion {SESSIONS} -- (commandline -ct) 2>/dev/null"
    yield "end"
    yield "complete -c aico -f"
    for level in levels:
        start = f"complete -c aico -n {_quoted(f'__aico_at {_quoted(_key(level))}')}"
        for word, help_of in _plain(level):
            told = f" -d {_quoted(help_of)}" if help_of else ""
            if word == FILES:
                yield f"{start} -F"
            elif word.startswith("--"):
                values = level.after.get(word)
                if word in level.lists:
                    values = [f"(__aico_list {' '.join(level.lists[word])})"]
                takes = "" if values is None else " -rF" if FILES in values else f" -xa {_quoted(' '.join(values))}"
                yield f"{start} -l {word[2:]}{takes}{told}"
            else:
                yield f"{start} -a {_quoted(word)}{told}"
        if level.path == _BEFORE_IDS:
            at = f"__aico_at {_quoted(_key(level))}; and test (count (commandline -opc)) -eq {len(level.path) + 1}"
            yield f"complete -c aico -n {_quoted(at)} -ka '(__aico_sessions)'"


def _key(level: Level) -> str:
    return "".join(f" {word}" for word in level.path)


def _plain(level: Level) -> Iterator[tuple[str, str]]:
    """Yield each word with its help as a shell can show it."""
    for word, help_of in level.words.items():
        yield word, " ".join(help_of.replace(":", " ").replace("%%", "%").split())


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
