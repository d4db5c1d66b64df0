"""Text that an editor or a shell has saved in another encoding than UTF-8. Pure."""

from __future__ import annotations

_MARKS = ((b"\xff\xfe\0\0", "UTF-32"), (b"\0\0\xfe\xff", "UTF-32"), (b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))


def describe_wide_text(head: bytes | bytearray) -> str | None:
    """Return what is wrong with a text that begins with ``head`` (4 bytes suffice); None unless it is UTF-16 or UTF-32.

    The reason is a part of a sentence, and holds nothing of the bytes.
    """
    for mark, name in _MARKS:
        if head.startswith(mark):
            return f"it is {name}: save it as UTF-8"
    zeros = tuple(byte == 0 for byte in head[:4])
    if zeros in {(False, True, True, True), (True, True, True, False)}:
        return "it is UTF-32: save it as UTF-8"
    if zeros in {(False, True, False, True), (True, False, True, False)}:
        return "it is UTF-16: save it as UTF-8"
    return None
