"""Files as users have them: other encodings, delimiters and zones, and damaged ones."""

import csv
import gzip
import io
import json
import os
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from threading import Thread
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinwatch.production.files import InputError
from pinwatch.production.lines import entries
from pinwatch.production.proxy_log import START, read_line, split_reason
from pinwatch.production.times import read_time
from tests.production.logs import (
    LOG,
    PINS,
    event,
    filter_log_events,
    milliseconds,
    text,
    write,
)
from tests.production.test_containers import pins, ranked

BARE: Final = [line[25:] for line in LOG]  # without their times
STATEMENT: Final = "UTC:10.0.0.7(49152):app@db:[42]:LOG:  statement: LISTEN x"
COLUMNS: Final = ("@timestamp", "@message")
TIMES: Final = [milliseconds(line) for line in LOG]


def table(delimiter: str, columns: Sequence[str] = COLUMNS) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(columns)
    writer.writerows(zip(TIMES, BARE, strict=True))
    return out.getvalue().encode()


def events_with_texts_as_times() -> bytes:
    pairs = zip(TIMES, BARE, strict=True)
    found = [{"timestamp": str(time), "message": line} for time, line in pairs]
    return json.dumps({"events": found}).encode()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(table(";"), id="semicolons"),
        pytest.param(table("\t"), id="tabs"),
        pytest.param(table(",", ("timestamp", "message")), id="the console's CSV"),
        pytest.param(table(",", ("Timestamp", "Message")), id="capital letters"),
        pytest.param(b"\xef\xbb\xbf" + table(";"), id="a byte order mark"),
        pytest.param(json.dumps(LOG).encode(), id="--query events[].message"),
        pytest.param(
            json.dumps([*zip(TIMES, BARE, strict=True)]).encode(),
            id="--query events[].[timestamp,message]",
        ),
        pytest.param("\t".join(LOG).encode(), id="the same with --output text"),
        pytest.param(events_with_texts_as_times(), id="times that are texts"),
        pytest.param(
            json.dumps([{"@timestamp": one[:23], "@message": one} for one in LOG]),
            id="JSON of Logs Insights",
        ),
        pytest.param(
            gzip.compress(gzip.compress(text(LOG))), id="packed by Firehose, too"
        ),
        pytest.param(gzip.compress(text(LOG)) + b"\0" * 512, id="padded gzip"),
        pytest.param(
            gzip.compress(text(LOG[:3])) + gzip.compress(text(LOG[3:])), id="two gzips"
        ),
        pytest.param(text(LOG).replace(b" the ", b" \xe4 the "), id="bytes of Latin-1"),
    ],
)
def test_the_pins_are_the_same(tmp_path: Path, data: bytes | str) -> None:
    raw = data.encode() if isinstance(data, str) else data
    assert pins(write(tmp_path, "log", raw)) == PINS


def test_json_may_have_bytes_that_are_not_utf_8(tmp_path: Path) -> None:
    data = filter_log_events(LOG).replace(b"=default", b"=def\xe4ult")
    assert pins(write(tmp_path, "log", data)) == PINS


@pytest.mark.parametrize(
    "data",
    [
        json.dumps({"events": [event(0, LOG[0]) | {"message": STATEMENT}]}).encode(),
        f"@timestamp,@message\n2026-11-30 10:00:00.000,{STATEMENT}\n".encode(),
    ],
)
def test_cloudwatch_may_have_postgresqls_log(tmp_path: Path, data: bytes) -> None:
    (row,) = ranked(write(tmp_path, "log", data)).rows()
    assert (row.cause.rule, row.calls) == ("listen", 1)
    assert row.first == read_time("2026-11-30 10:00:00Z")


@pytest.mark.parametrize(
    ("zone", "time"),
    [
        ("UTC", "2026-11-30 10:00:00Z"),
        ("+03", "2026-11-30 07:00:00Z"),
        ("-0330", "2026-11-30 13:30:00Z"),
        ("CET", None),  # an abbreviation may stand for several zones
    ],
)
@pytest.mark.parametrize("format", ["stderr", "csvlog"])
def test_zones_of_postgresqls_log(
    tmp_path: Path, zone: str, time: str | None, format: str
) -> None:
    stamp = f"2026-11-30 10:00:00.000 {zone}"
    line = f"{stamp} [42] LOG:  statement: LISTEN x\n"
    if format == "csvlog":
        line = f"{stamp}{',' * 13}statement: LISTEN x{',' * 10}\n\n"
    (row,) = ranked(write(tmp_path, "log", line.encode())).rows()
    assert row.first == (read_time(time) if time else None)


@pytest.mark.parametrize(
    ("data", "calls"),
    [
        ("calls;query\n5;LISTEN x\n", 5),
        ("CALLS,QUERY\n5.0,LISTEN x\n", 5),
        ('{"query": null}\n{"query": "LISTEN x", "calls": null}\n', 1),
        (f"query\nLISTEN x\n\"SELECT '{'x' * 2_000_000}'\"\n", 1),
    ],
)
def test_statistics(tmp_path: Path, data: str, calls: int) -> None:
    (row,) = ranked(write(tmp_path, "statistics", data.encode())).rows()
    assert (row.cause.rule, row.calls) == ("listen", calls)


@pytest.mark.parametrize("calls", ["-1", "many", "Infinity", "NaN", "[1]", "9" * 5_000])
def test_calls_must_be_a_number(tmp_path: Path, calls: str) -> None:
    shown = f'"{calls}"' if calls in ("many", "9" * 5_000) else calls
    data = f'{{"query": "LISTEN x", "calls": {shown}}}\n'.encode()
    with pytest.raises(InputError, match=r"line 1: calls is .* but must be a number"):
        ranked(write(tmp_path, "statistics", data))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b'[{"a": 1}]', "The JSON has no events of CloudWatch Logs."),
        (gzip.compress(text(LOG)) + b"junk", "The gzip data is cut off or damaged."),
        (b'query\nLISTEN x\n"LISTEN\n', "This is not CSV: unexpected end of data."),
        (b'{"events": [{"a": nul', "The JSON is cut off or damaged: "),
    ],
)
def test_damage_is_reported(tmp_path: Path, data: bytes, sentence: str) -> None:
    with pytest.raises(InputError) as error:
        pins(write(tmp_path, "log", data))
    assert sentence in str(error.value)
    assert "b'" not in str(error.value)


def test_json_may_be_nested_deeply(tmp_path: Path) -> None:
    data = b'{"message": "x", "a": ' + b"[" * 5_000 + b"]" * 5_000 + b"}"
    assert pins(write(tmp_path, "log", data)) == {}


def test_a_file_given_twice_is_read_once(tmp_path: Path) -> None:
    data = b"query,calls\nLISTEN x,5\n"
    file = write(tmp_path, "statistics", data)
    link = tmp_path / "link"
    link.symlink_to(file)
    (row,) = ranked(file, file, str(link)).rows()
    assert row.calls == 5


def test_pipes_are_read_once(tmp_path: Path) -> None:
    """As a shell's ``<(zcat log.gz)`` makes them."""
    paths = [tmp_path / "first", tmp_path / "second"]
    halves = [text(LOG[:4]), text(LOG[4:])]
    for path in paths:
        os.mkfifo(path)
    writers = [
        Thread(target=path.write_bytes, args=(half,), daemon=True)
        for path, half in zip(paths, halves, strict=True)
    ]
    for writer in writers:
        writer.start()
    assert pins(*map(str, paths)) == PINS
    for writer in writers:
        writer.join()


def test_a_digest_that_is_cut_off() -> None:
    assert split_reason('It did. Digest: "set a to') == ("It did.", "set a to", True)
    assert split_reason('It did. Digest: "set a".') == ("It did.", "set a", False)


@given(st.text() | st.sampled_from(LOG), st.integers(0, 300))
def test_any_line_can_be_read(line: str, end: int) -> None:
    read_line(line[:end] + line)
    read_line(line[:end])


@given(st.text(alphabet="0123456789-:., TZ+UC\x00\u0663") | st.text())
def test_any_text_is_a_time_or_none(text: str) -> None:
    at = read_time(text)
    assert at is None or at.tzinfo is not None


@given(st.datetimes(min_value=datetime(1000, 1, 1)))
def test_times_that_logs_write(at: datetime) -> None:
    text = at.isoformat(timespec="milliseconds")
    assert read_time(f"{text}Z") == read_time(f"{text.replace('T', ' ')} UTC")


@given(st.lists(st.sampled_from([b"[WARN] a\n", b"b\r\n", b"\n", b"[INFO] "])))
def test_entries_lose_nothing(lines: list[bytes]) -> None:
    joined = b"".join(re.sub(rb"[\r\n]", b"", line) for line in lines)
    found = list(entries(lines, START))
    assert b"".join(found).replace(b"\n", b"") == joined
    assert all(START.search(one) for one in found[1:])


def test_a_digest_that_no_rule_matches_has_a_way_out(tmp_path: Path) -> None:
    line = LOG[1].replace("set search_path to $1", "select $1")
    (row,) = ranked(write(tmp_path, "log", text([line]))).rows()
    assert row.cause.rule == "unknown"
    assert "pinwatch explain" in row.cause.fix.text
