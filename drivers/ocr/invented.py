"""People, insurers and numbers that do not exist, for printed cards."""

from __future__ import annotations

import random

from drivers.cards.egk import kvnr_check_digit

FAMILIES = [
    "Müller",
    "Jäger",
    "Großmann",
    "Kowalska",
    "Łukasiewicz",
    "Šimić",
    "O'Brien",
    "García López",
    "Çelik",
    "Nuñez",
    "Lindström",
]
FAMILIES += [
    "Dvořák",
    "Fischer-Wolff",
    "Van der Berg",
    "Bergström",
    "Østergaard",
    "Lefèvre",
    "Rossi",
    "Silva",
    "Horváth",
]
GIVENS = [
    "Anna Maria",
    "Jürgen",
    "Zoë",
    "José",
    "Léa",
    "Małgorzata",
    "Emre",
    "Søren",
    "Ivana",
    "Peter",
    "Åsa",
    "Tomáš",
    "Chloé",
    "Inês",
]
US_FAMILIES = [
    "SAMPLE",
    "JOHNSON",
    "O'NEIL",
    "GARCIA",
    "WASHINGTON",
    "NGUYEN",
    "SMITH-JONES",
    "ROBINSON",
    "PATEL",
    "LIBERTO",
]
US_GIVENS = ["JANE Q", "WILLIAM", "OLIVIA B", "SOFIA", "MARCUS T", "LINH", "DOROTHY", "ISAAC", "BEULAH S", "ZACHARY"]
US_PAYERS = [
    "Northlake Health Plan",
    "BlueRidge Mutual",
    "Pacific Crest Health",
    "Cedar Valley Insurance",
    "United Prairie Health",
]
MEDICAID = ["Buckeye State Medicaid", "Lone Pine Community Care", "Granite State Health Plan", "Palmetto Family Care"]
GERMAN_PAYERS = ["BKK Musterland", "AOK Nordmark", "Muster Krankenkasse", "IKK Beispiel", "TKB Gesundkasse"]
ACRONYMS = ["AOK NORDMARK", "OEGK-W", "CPAM75", "BKK MUSTER", "NZOK", "MUTNAT"]


def digits(random: random.Random, count: int) -> str:
    return "".join(random.choice("0123456789") for _ in range(count))


def letters(random: random.Random, count: int) -> str:
    return "".join(random.choice("ABCDEFGHJKLMNPRSTUVWXYZ") for _ in range(count))


def day(random: random.Random, first: int, last: int) -> tuple[int, int, int]:
    return random.randint(first, last), random.randint(1, 12), random.randint(1, 28)


def iso(day: tuple[int, int, int]) -> str:
    return f"{day[0]:04}-{day[1]:02}-{day[2]:02}"


def us_date(day: tuple[int, int, int]) -> str:
    return f"{day[1]:02}/{day[2]:02}/{day[0]:04}"


def european_date(random: random.Random, day: tuple[int, int, int]) -> str:
    return random.choice(["{2:02}/{1:02}/{0:04}", "{2:02}.{1:02}.{0:04}"]).format(*day)


def kvnr(random: random.Random) -> str:
    """A German insured's number with a right check digit."""
    body = letters(random, 1) + digits(random, 8)
    return body + str(kvnr_check_digit(body))


def ik(random: random.Random) -> str:
    """A German institution number with a right check digit."""
    body = "10" + digits(random, 6)
    products = [int(digit) * weight for digit, weight in zip(body[2:], (2, 1) * 3, strict=True)]
    return body + str(sum(p // 10 + p % 10 for p in products) % 10)
