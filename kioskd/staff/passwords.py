"""Hashing, the password rule and one-time passwords.

Argon2id (RFC 9106) with 19 MiB, two passes and one lane, the least that OWASP's cheat sheet asks
for: 19 ms here.
"""

from __future__ import annotations

import secrets
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from kioskd.errors import RuleViolation

MIN_LENGTH = 12
MAX_LENGTH = 200
"""Long enough for any passphrase; more would only be work for the hash."""

_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$8FLLMN10Gnb5FnzwNWF9XA$dTi0shtRxCjWhZOPW7Oxx/UW3w4ulG6dpxD9qDn34X8"
"""Hash of a random password that was thrown away: an unknown name costs the time of a known one."""
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without i, l, o, 0 and 1, which are taken for one another on paper."""


def hashed(password: str) -> str:
    """An Argon2id hash with its parameters. Takes about 20 ms: never on the event loop."""
    return _HASHER.hash(_bytes(password))


def is_right(password_hash: str | None, password: str) -> bool:
    """Whether the password belongs to the hash; without a hash (unknown name) it takes as long and is wrong."""
    try:
        _HASHER.verify(password_hash or _NOBODY, _bytes(password[: MAX_LENGTH + 1]))
    except VerifyMismatchError:
        return False
    return password_hash is not None


def one_time() -> str:
    """A password to be handed over on paper: 79 random bits in four groups."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))


def check_rule(password: str, name: str) -> None:
    """Length counts, composition does not (NIST SP 800-63B). Raises RuleViolation; its ``rule`` says what is wrong."""
    normal = _normal(password)
    if len(normal) < MIN_LENGTH:
        raise RuleViolation("password-too-short", f"a password has at least {MIN_LENGTH} characters")
    if len(normal) > MAX_LENGTH:
        raise RuleViolation("password-too-long", f"a password has at most {MAX_LENGTH} characters")
    if len(normal.casefold().replace(name.casefold(), "")) < MIN_LENGTH:
        raise RuleViolation(
            "password-is-name", f"a password has at least {MIN_LENGTH} characters beside its account's name"
        )


def _normal(password: str) -> str:
    """One form for what keyboards compose differently (NIST SP 800-63B, 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def _bytes(password: str) -> bytes:
    return _normal(password).encode("utf-8", "surrogatepass")
