"""Passwords that a careless SCRAM gets wrong."""

from typing import Final

# ASCII, what SASLprep changes, and what it refuses, so that PostgreSQL hashes it as
# it is.
PASSWORDS: Final = {
    "plain": "s3cret, =x'",
    "mapped": "a\N{NO-BREAK SPACE}b\N{SOFT HYPHEN}\N{LATIN SMALL LIGATURE FI}",
    "control": "bell\x07",
    "unassigned": "pass\N{KEY}word",
    "bidirectional": "\N{ARABIC LETTER ALEF}a1",
    "mapped_to_nothing": "\N{SOFT HYPHEN}",
    "long": "x" * 300,
}
