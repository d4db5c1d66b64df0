"""Becomes another program under the system call filters of our systemd unit, laid on as systemd does it.

    python -m tests.system.run_confined PROGRAM ARGUMENT...

The calls of a group such as ``@system-service`` are asked of systemd-analyze; the filters are libseccomp's, which
systemd itself depends on. Source: systemd.exec(5), SystemCallFilter and MemoryDenyWriteExecute; seccomp_rule_add(3).
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import subprocess
import sys

ALLOW = 0x7FFF0000
REFUSE = 0x00050000 | errno.EPERM
_MASKED_EQUAL = 7
_NO_NEW_PRIVILEGES = 38
_SHARED_EXECUTABLE = 0o100000


class Comparison(ctypes.Structure):
    """One condition on an argument of a system call: ``struct scmp_arg_cmp``."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("mask", ctypes.c_uint64),
        ("value", ctypes.c_uint64),
    )


def list_groups() -> dict[str, set[str]]:
    """Return what systemd's groups of system calls hold: names of calls and of other groups."""
    command = ["systemd-analyze", "syscall-filter", "--no-pager"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    groups: dict[str, set[str]] = {}
    for line in said.splitlines():
        name = line.strip()
        if line.startswith("@"):
            members = groups.setdefault(name, set())
        elif line.startswith("#"):
            members = set()  # the calls that are in no group
        elif name and not name.startswith("#"):
            members.add(name)
    return groups


def list_calls(groups: dict[str, set[str]], group: str) -> set[str]:
    """Return the names of all system calls of a group."""
    return {call for name in groups[group] for call in (list_calls(groups, name) if name.startswith("@") else {name})}


class Filter:
    """One filter; several that are loaded hold together."""

    def __init__(self, default: int) -> None:
        self._library = ctypes.CDLL("libseccomp.so.2")
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(ctypes.c_uint32(default)))

    def add(self, action: int, call: str, *conditions: Comparison) -> None:
        """Do ``action`` at ``call``; a call that this machine does not have is passed over."""
        number = self._library.seccomp_syscall_resolve_name(call.encode())
        array = (Comparison * len(conditions))(*conditions)
        if number >= 0:
            code = self._library.seccomp_rule_add_array(
                self._context, ctypes.c_uint32(action), number, len(conditions), array
            )
            assert code == 0, f"{call}: {code}"

    def load(self) -> None:
        """Lay it on this process and all that it becomes."""
        assert self._library.seccomp_load(self._context) == 0


def confine() -> None:
    """Lay on SystemCallFilter=@system-service, SystemCallFilter=~@privileged and MemoryDenyWriteExecute=yes."""
    calls, groups = Filter(REFUSE), list_groups()
    for name in sorted(list_calls(groups, "@system-service") - list_calls(groups, "@privileged")):
        calls.add(ALLOW, name)
    memory = Filter(ALLOW)
    both = mmap.PROT_WRITE | mmap.PROT_EXEC
    memory.add(REFUSE, "mmap", Comparison(2, _MASKED_EQUAL, both, both))
    for name in ("mprotect", "pkey_mprotect"):
        memory.add(REFUSE, name, Comparison(2, _MASKED_EQUAL, mmap.PROT_EXEC, mmap.PROT_EXEC))
    memory.add(REFUSE, "shmat", Comparison(2, _MASKED_EQUAL, _SHARED_EXECUTABLE, _SHARED_EXECUTABLE))
    assert ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0
    memory.load()
    calls.load()


if __name__ == "__main__":
    confine()
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606  # that is what it is for
