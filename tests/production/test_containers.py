"""One log in all containers has the same pins."""

from pathlib import Path

import pytest

from pinwatch.production.files import InputError
from pinwatch.production.formats import oldest_first, read_file
from pinwatch.production.ranking import Ranking
from tests.production.logs import (
    CONTAINERS,
    LOG,
    PINS,
    filter_log_events,
    later,
    s3_export,
    text,
    write,
)

Pins = dict[tuple[str, str], tuple[int, float]]


def ranked(*files: str) -> Ranking:
    ranking = Ranking()
    for file in oldest_first(files):
        ranking.add_all(read_file(file))
    return ranking


def pins(*files: str) -> Pins:
    """Return number and seconds of the pins of all files, by rule and digest."""
    rows = ranked(*files).rows()
    return {(r.cause.rule, r.digest): (r.count, r.seconds) for r in rows}


@pytest.mark.parametrize("container", CONTAINERS)
def test_the_pins_are_the_same(tmp_path: Path, container: str) -> None:
    assert pins(write(tmp_path, "log", CONTAINERS[container](LOG))) == PINS


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_second_export_of_the_same_time_adds_nothing(
    tmp_path: Path, container: str
) -> None:
    first = write(tmp_path, "first", text(LOG))
    second = write(tmp_path, "second", CONTAINERS[container](LOG))
    assert pins(first, second) == PINS


def test_lines_without_time_and_id_count_each(tmp_path: Path) -> None:
    line = LOG[1].split("] ", 3)[3]
    assert pins(write(tmp_path, "log", text([line, line]))) == {
        ("set", "set search_path to $1"): (2, 0.0)
    }


def test_events_without_a_time_in_the_line_are_told_apart_by_their_ids(
    tmp_path: Path,
) -> None:
    line = LOG[1].split("] ", 3)[3]
    data = filter_log_events(LOG[:2]).replace(
        LOG[1].encode().replace(b'"', b'\\"'), line.encode().replace(b'"', b'\\"')
    )
    files = [write(tmp_path, name, data) for name in ("first", "second")]
    assert pins(*files) == {("set", "set search_path to $1"): (1, 0.0)}


def test_a_pin_may_end_in_a_later_file(tmp_path: Path) -> None:
    """The order in which the files are given does not matter."""
    end = write(tmp_path, "a", text(LOG[4:]))
    start = write(tmp_path, "b", s3_export(LOG[:4]))
    assert pins(end, start) == PINS


def test_a_client_that_did_not_end_is_pinned_to_the_end_of_the_log(
    tmp_path: Path,
) -> None:
    last = later(LOG[:1], minutes=10)
    data = text([*LOG[:2], *last])
    assert pins(write(tmp_path, "log", data)) == {
        ("set", "set search_path to $1"): (1, 599.0)
    }


def test_no_client_is_pinned_for_longer_than_a_day(tmp_path: Path) -> None:
    """RDS Proxy closes client connections that are open for 24 hours."""
    data = text([*LOG[:2], *later(LOG[:1], days=3)])
    assert pins(write(tmp_path, "log", data)) == {
        ("set", "set search_path to $1"): (1, 86_400.0)
    }


JSON = filter_log_events(LOG)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "The file is empty."),
        (b" \n\n", "The file is empty."),
        (b"\x7fELF\0\0", "The format is unknown."),
        (b"hello\n", "The format is unknown."),
        (JSON[: len(JSON) // 2], "The JSON is cut off or damaged"),
        (s3_export(LOG)[:-20], "The gzip data is cut off or damaged."),
        (text(LOG).decode().encode("utf-16")[:-1], "The text is cut off or damaged."),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, data: bytes, sentence: str) -> None:
    file = write(tmp_path, "log", data)
    with pytest.raises(InputError) as error:
        pins(file)
    assert str(error.value).startswith(f"{file}: {sentence}")


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"(No such file|Is a) "):
        pins(str(tmp_path / name))
