"""The part of a digest that is the same in each run of the same code.

Owns which parts of a text are generated: comments, and numbers in the names of cursors,
prepared statements, savepoints and temporary relations. Drivers write the ids of
threads and objects into such names. The digest in the log keeps the generated parts, as
RDS Proxy's does.
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
        declare | execute | savepoint
      | (?:release|rollback\ to) (?:\ savepoint)?
      | prepare (?:\ transaction)? | deallocate (?:\ prepare)?
      | (?:create|into)\ (?:(?:local|global)\ )? temp(?:orary)?
        (?:\ (?:table|view|sequence|recursive\ view))? (?:\ if\ not\ exists)?
    )\ (?:[\w$]+\.)? (?P<name> "(?:[^"]|"")+" | [\w$]+ )""",
    re.VERBOSE,
)
NAME: Final = re.compile(r"[\w$]+")
ID: Final = re.compile(r"(?=[a-f]*[0-9])[0-9a-f]{6,}|[0-9]{2,}")
"""An ID in hexadecimal, or a number of several digits."""
AFTER_ID: Final = re.compile(r"(?<![a-z0-9])[0-9a-f]+(?![a-z0-9])|[0-9]+")
COUNTER: Final = re.compile(r"_[0-9]\Z")


@lru_cache(MAX_DIGESTS)
def alike(digest: str) -> str:
    """Return the digest without comments, and with # for generated parts of names."""
    text = fold(without_comments(digest))
    lasting = {name: _lasting(name) for name in _names(text)}
    if not lasting:
        return text
    return NAME.sub(lambda found: lasting.get(found[0], found[0]), text)


def _names(text: str) -> Iterator[str]:
    """Yield the names that may be generated; they are renamed wherever they stand."""
    for found in NAMED.findall(text):
        yield from NAME.findall(found)


def _lasting(name: str) -> str:
    id = ID.search(name)
    if id is None:
        return COUNTER.sub("_#", name)
    return name[: id.start()] + "#" + AFTER_ID.sub("#", name[id.end() :])
