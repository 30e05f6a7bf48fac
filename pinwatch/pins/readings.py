"""The verdict on a statement with placeholders, whose values are not known.

If PostgreSQL's grammar refuses the text, it is judged with values for its placeholders.
If it refuses all such readings, the tokens decide.
"""

from pinwatch.pins.profiles import DEFAULT, Profile
from pinwatch.pins.script import filled
from pinwatch.pins.verdict import Verdict, verdict, verdict_of_tokens


def parsed_reading(text: str, profile: Profile = DEFAULT) -> Verdict:
    """Judge a text with values for its placeholders, if it needs any.

    The verdict has an error, and no findings, if the grammar refuses all readings.
    """
    found = verdict(text.encode("utf-8", "replace"), profile)
    if not found.error:
        return found
    for reading in filled(text):
        other = verdict(reading.encode("utf-8", "replace"), profile)
        if not other.error:
            return other
    return found


def best_reading(text: str, profile: Profile = DEFAULT) -> Verdict:
    """Judge a text as ``parsed_reading`` does, or else by its tokens."""
    found = parsed_reading(text, profile)
    return verdict_of_tokens(text, profile, found.error) if found.error else found
