import getpass
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from pinwatch.config.target import Target
from pinwatch.errors import SettingError

OS_USER = getpass.getuser()


def target(
    host: str = "localhost",
    port: int = 5432,
    user: str = OS_USER,
    password: str | None = None,
    database: str | None = None,
    sslmode: str = "prefer",
    sslrootcert: str | None = None,
) -> Target:
    return Target(host, port, user, password, database or user, sslmode, sslrootcert)


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("postgresql://", target()),
        ("postgres://db", target("db")),
        ("postgresql://db:6000/app", target("db", 6000, database="app")),
        ("postgresql://ann@db", target("db", user="ann", database="ann")),
        ("postgresql://ann:s3@db", target("db", user="ann", password="s3")),
        ("postgresql://ann:@db", target("db", user="ann", password="")),
        ("postgresql://a%40b:%2F%3A%25@db", target("db", user="a@b", password="/:%")),
        ("postgresql://ann:a?b:c@db", target("db", user="ann", password="a?b:c")),
        ("postgresql://[::1]:6000", target("::1", 6000)),
        ("postgresql://%2Frun%2FPG/app", target("/run/PG", database="app")),
        ("postgresql:///app?host=/run/PG&port=1", target("/run/PG", 1, database="app")),
        (
            "postgresql://x@db/x?user=ann&dbname=app",
            target("db", 5432, "ann", None, "app"),
        ),
        ("postgresql://db?sslmode=verify-full", target("db", sslmode="verify-full")),
        ("postgresql://db?sslrootcert=%2Fca.pem&", target("db", sslrootcert="/ca.pem")),
        ("postgresql://db?password=a+b", target("db", password="a+b")),
    ],
)
def test_a_url_means_what_it_means_to_libpq(url: str, meant: Target) -> None:
    assert Target.parse(url) == meant


words = st.text(min_size=1, max_size=8).filter(lambda word: "\0" not in word)
encoded = words.map(lambda word: quote(word, safe=""))
maybe = st.none() | encoded


@given(
    st.sampled_from(["postgresql", "postgres"]),
    encoded,
    maybe,
    st.sampled_from(["db", "db.example.com", "127.0.0.1", "[::1]", "%2Ftmp", ""]),
    st.none() | st.integers(1, 65535),
    maybe,
    st.dictionaries(
        st.sampled_from(["user", "password", "dbname", "sslrootcert"]), encoded
    ),
)
def test_libpq_reads_every_url_alike(
    scheme: str,
    user: str,
    password: str | None,
    host: str,
    port: int | None,
    database: str | None,
    parameters: dict[str, str],
) -> None:
    url = f"{scheme}://{user}"
    url += "" if password is None else f":{password}"
    url += f"@{host}"
    url += "" if port is None else f":{port}"
    url += "" if database is None else f"/{database}"
    url += "?" + "&".join(f"{name}={value}" for name, value in parameters.items())

    read = Target.parse(url)

    libpq = conninfo_to_dict(url)
    assert read.host == libpq.get("host", "localhost")
    assert read.port == int(libpq.get("port") or 5432)
    assert read.user == libpq["user"]
    assert read.password == libpq.get("password")
    assert read.database == libpq.get("dbname", libpq["user"])
    assert read.sslrootcert == libpq.get("sslrootcert")


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        (
            "mysql://ann:secret@db",
            "target must be a URL of the form "
            "postgresql://user:password@host:port/database.",
        ),
        (
            "postgresql://a,b/app",
            "target has the hosts a,b, but must have a single one.",
        ),
        (
            "postgresql:///app?host=a,b",
            "target has the hosts a,b, but must have a single one.",
        ),
        (
            "postgresql://db?options=-cjit%3Doff",
            "target has the parameter options, but may only have dbname, host, "
            "password, port, sslmode, sslrootcert and user.",
        ),
        (
            "postgresql://db?sslmode=allow",
            "The sslmode of target is allow, but must be disable, prefer, require, "
            "verify-ca or verify-full.",
        ),
        (
            "postgresql://db/100%",
            "The dbname of target must be percent-encoded UTF-8: write %25 for a "
            "percent sign.",
        ),
        (
            "postgresql://ann:%00secret@db",
            "The password of target must be percent-encoded UTF-8: write %25 for a "
            "percent sign.",
        ),
        (
            "postgresql://ann:%ffsecret@db",
            "The password of target must be percent-encoded UTF-8: write %25 for a "
            "percent sign.",
        ),
    ]
    + [
        (
            f"postgresql://{host}",
            "The port of target must be a whole number from 1 to 65535; a password is "
            "percent-encoded, with %2F for a slash.",
        )
        for host in ("db:0", "db:65536", "db:x", "db:1,2", "ann:sec/ret@db")
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(url: str, sentence: str) -> None:
    with pytest.raises(SettingError) as raised:
        Target.parse(url)
    assert str(raised.value) == sentence


def test_the_password_is_not_shown() -> None:
    assert "secret" not in repr(Target.parse("postgresql://ann:secret@db"))


@pytest.mark.parametrize(
    ("url", "socket_path", "address"),
    [
        ("postgresql://db:6000", None, "db:6000"),
        ("postgresql://[::1]", None, "[::1]:5432"),
        ("postgresql://%2Frun:1", "/run/.s.PGSQL.1", "/run/.s.PGSQL.1"),
    ],
)
def test_where_it_is(url: str, socket_path: str | None, address: str) -> None:
    read = Target.parse(url)
    assert read.socket_path == socket_path
    assert read.address == address
