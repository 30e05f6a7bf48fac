"""The part of a digest that is the same in each run of the same code.

Owns which parts of a text are generated: comments, and numbers in the names of cursors,
prepared statements, savepoints, channels and temporary relations. Drivers write the ids
of threads and objects into such names, and applications those of jobs and tenants. The
digest in the log keeps the generated parts, as RDS Proxy's does.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from pinwatch.pins.digest import fold
from pinwatch.pins.sqlcommenter import without_comments

MAX_DIGESTS: Final = 256  # in the cache, of up to 2,048 characters each

NAMED: Final = re.compile(
    r"""\b(?:
        (?P<numbered> execute | savepoint
          | (?:release|rollback\ to) (?:\ savepoint)?
          | prepare (?:\ transaction)? | deallocate (?:\ prepare)?)
      | declare | close | (?:fetch|move)\ (?:[\w$+-]+\ ){0,2}(?:from|in)
      | (?:un)?listen | notify
      | (?:create|into)\ (?:(?:local|global)\ )? temp(?:orary)?
        (?:\ (?:table|view|sequence|recursive\ view))? (?:\ if\ not\ exists)?
    )\ (?:[\w$]+\.)? (?P<name> "(?:[^"]|"")+" | [\w$]+ )""",
    re.VERBOSE,
)
"""A command and the name that follows. A numbered name may end in a counter without an
underscore: few people name a savepoint or a prepared statement by a number."""
NAME: Final = re.compile(r"[\w$]+")
ID: Final = re.compile(r"(?=[a-f]*[0-9])[0-9a-f]{6,}|[0-9]{2,}")
"""An ID in hexadecimal, or a number of several digits."""
AFTER_ID: Final = re.compile(r"(?<![a-z0-9])[0-9a-f]+(?![a-z0-9])|[0-9]+")
COUNTER: Final = re.compile(r"(?<=_)[0-9]\Z")
LAST_DIGIT: Final = re.compile(r"[0-9]\Z")
UUID: Final = re.compile(
    r"(?<![0-9a-f])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f])"
)
"""A UUID, which in a digest is part of a quoted name."""


@lru_cache(MAX_DIGESTS)
def alike(digest: str) -> str:
    """Return the digest without comments, and with # for generated parts of names."""
    text = UUID.sub("#", fold(without_comments(digest)))
    lasting = {name: _lasting(name, counter) for name, counter in _names(text)}
    if not lasting:
        return text
    return NAME.sub(lambda found: lasting.get(found[0], found[0]), text)


def _names(text: str) -> Iterator[tuple[str, re.Pattern[str]]]:
    """Yield names that may be generated, each with the pattern of its counter.

    They are renamed wherever they stand.
    """
    for found in NAMED.finditer(text):
        counter = LAST_DIGIT if found["numbered"] else COUNTER
        for name in NAME.findall(found["name"]):
            yield name, counter


def _lasting(name: str, counter: re.Pattern[str]) -> str:
    id = ID.search(name)
    if id is None:
        return counter.sub("#", name)
    return name[: id.start()] + "#" + AFTER_ID.sub("#", name[id.end() :])
