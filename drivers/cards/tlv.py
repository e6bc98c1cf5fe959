"""Tag, length, value: BER-TLV (ISO/IEC 7816-4, 5.2.2; X.690) as card files hold it. Pure.

Lengths are definite, of one byte or behind 81 and 82: no card file is longer than 65535 bytes.
"""

from __future__ import annotations

from drivers.cards.iso7816 import unreadable

Elements = list[tuple[int, bytes]]
"""Tags and values in their order; a tag of two bytes is one number (5F37)."""


def header(data: bytes, what: str, at: int = 0) -> tuple[int, int, int]:
    """Tag, place of the value and length of the value of the element at ``at``. Raises CardUnreadable."""
    try:
        tag, place = data[at], at + 1
        if tag & 0x1F == 0x1F:
            tag, place = tag << 8 | data[place], place + 1
        length, place = data[place], place + 1
        if length in (0x81, 0x82):
            extra = length & 0x0F
            if len(data) < place + extra:
                raise IndexError
            length, place = int.from_bytes(data[place : place + extra], "big"), place + extra
        elif length > 0x7F:
            raise unreadable(f"{what} has a length that no card file has")
    except IndexError:
        raise unreadable(f"{what} is cut off") from None
    return tag, place, length


def elements(data: bytes, what: str) -> Elements:
    """All elements side by side; padding (00 or FF in place of a tag) ends them. Raises CardUnreadable."""
    found: Elements = []
    at = 0
    while at < len(data) and data[at] not in (0x00, 0xFF):
        tag, place, length = header(data, what, at)
        at = place + length
        if at > len(data):
            raise unreadable(f"{what} is cut off")
        found.append((tag, data[place:at]))
    return found


def inside(data: bytes, tag: int, what: str) -> Elements:
    """The elements inside the first element, which must have that tag; what follows it is not looked at."""
    if not data:
        raise unreadable(f"{what} is empty")
    found, place, length = header(data, what)
    if found != tag:
        raise unreadable(f"{what} does not begin with tag {tag:02X}")
    if len(data) < place + length:
        raise unreadable(f"{what} is cut off")
    return elements(data[place : place + length], what)


def value(found: Elements, tag: int) -> bytes:
    """The first value with that tag; empty when there is none."""
    return next((value for name, value in found if name == tag), b"")


def element(tag: int, content: bytes) -> bytes:
    """One element as bytes, with the shortest length."""
    name = tag.to_bytes(2 if tag > 0xFF else 1, "big")
    if len(content) < 0x80:
        return name + bytes((len(content),)) + content
    if len(content) < 0x100:
        return name + bytes((0x81, len(content))) + content
    return name + b"\x82" + len(content).to_bytes(2, "big") + content
