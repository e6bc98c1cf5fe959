"""What the site file says of codes, as the rules that ``drivers.codes.payloads`` goes by."""

from __future__ import annotations

from drivers.codes.payloads import CheckDigit, NumberRule, Rules, trust_list
from kioskd.config import Config, line_of
from kioskd.errors import ConfigError


def code_rules(config: Config, file: str, text: str) -> Rules:
    """The rules; ``file`` and ``text`` of the site file are for messages. Raises ConfigError."""
    numbers = []
    for place, number in enumerate(config.number):
        check = CheckDigit(number.check) if number.check else None
        try:
            rule = NumberRule(number.name, number.system, number.pattern, check, number.is_shared_by_family)
        except ValueError as error:
            line = line_of(text, ("number", place, "pattern"))
            raise ConfigError(f"{file}:{line}: number.{place}.pattern: {error}") from None
        numbers.append(rule)
    folder = config.codes.trusted_issuers_folder
    return Rules(tuple(numbers), trust_list(folder) if folder else {}, frozenset(config.codes.health_link_hosts))
