"""Profiles: the findings that pin, by the rules that hold since a date."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Final


@dataclass(frozen=True, slots=True)
class Profile:
    """One interpretation of the rules.

    If parse_pins is true, any Parse message pins. If contested_pins is false, findings
    on which AWS's pages and users disagree are warnings. If notes_unseen is true, a
    verdict has the statements that may run code which RDS Proxy does not see.
    """

    name: str
    since: str
    source: str
    parse_pins: bool = False
    contested_pins: bool = True
    notes_unseen: bool = False


PROFILES: Final = {
    profile.name: profile
    for profile in (
        Profile(
            name="rds-2023-11",
            since="2023-11-10",
            source=(
                "https://aws.amazon.com/about-aws/whats-new/2023/11/"
                "amazon-rds-proxy-postgresql-extended-query-protocol"
            ),
        ),
        Profile(
            name="rds-2020-06",
            since="2020-06-30",
            source="https://github.com/elixir-ecto/postgrex/issues/514",
            parse_pins=True,
        ),
        Profile(
            name="lenient",
            since="2023-11-10",
            source="docs/behaviour.md",
            contested_pins=False,
        ),
    )
}
DEFAULT: Final = PROFILES["rds-2023-11"]


@cache
def profile(name: str, notes_unseen: bool) -> Profile:
    """Return the profile of this name; equal arguments give the same object."""
    return replace(PROFILES[name], notes_unseen=notes_unseen)
