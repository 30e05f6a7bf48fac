"""Each driver's login by each method, with and without TLS; what it then reads."""

import asyncio
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
import boto3
import pg8000.dbapi
import psycopg
import pytest
from botocore.credentials import Credentials

from pinwatch import events
from tests.drivers import node
from tests.harness import (
    PATIENCE,
    Postgres,
    Proxies,
    RunningProxy,
    eventually,
    state_folder,
)

PASSWORD: Final = "s3cret, =x'ż"
KEY: Final = {"access_key_id": "AKIAEXAMPLE", "secret_access_key": "example/secret"}
REGION: Final = "eu-central-1"
ROLES: Final = {"scram": "login_scram", "md5": "login_md5", "iam": "login_iam"}
MODES: Final = ("disable", "require", "verify-full")


@dataclass(frozen=True, slots=True)
class Login:
    """A login of a role, with a secret and one of libpq's TLS modes."""

    proxy: RunningProxy
    user: str
    secret: str
    sslmode: str
    sslnegotiation: str = "postgres"

    @property
    def port(self) -> int:
        return self.proxy.endpoint().port

    @property
    def database(self) -> str:
        return self.proxy.endpoint().database

    @property
    def root(self) -> Path:
        """The certificate that the proxy made for clients to trust."""
        return state_folder() / "tls" / "ca.pem"

    def context(self) -> ssl.SSLContext | None:
        if self.sslmode == "disable":
            return None
        context = ssl.create_default_context(cafile=self.root)
        if self.sslmode == "require":
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


Driver = Callable[[Login], str]
"""Logs in, and gives the name of the role that it became; raises what it reads."""


class Refused(Exception):
    """The login failed; the text is the standard error of a driver's program."""


def with_psql(login: Login) -> str:
    program = shutil.which("psql")
    if program is None:
        pytest.skip("the embedded psql has no TLS, and there is no other one")
    ask = ("--no-psqlrc", "--no-align", "--tuples-only", "-c", "SELECT current_user")
    ended = subprocess.run(
        [program, *ask],
        env=os.environ
        | {
            "PGHOST": "localhost",
            "PGPORT": str(login.port),
            "PGUSER": login.user,
            "PGPASSWORD": login.secret,
            "PGDATABASE": login.database,
            "PGSSLMODE": login.sslmode,
            "PGSSLROOTCERT": str(login.root),
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    if ended.returncode:
        raise Refused(ended.stderr)
    return ended.stdout.strip()


def with_psycopg(login: Login) -> str:
    with psycopg.connect(
        host="localhost",
        port=login.port,
        user=login.user,
        password=login.secret,
        dbname=login.database,
        sslmode=login.sslmode,
        sslrootcert=str(login.root),
        sslnegotiation=login.sslnegotiation,
    ) as connection:
        assert connection.pgconn.ssl_in_use is (login.sslmode != "disable")
        row = connection.execute("SELECT current_user").fetchone()
        assert row is not None
        return str(row[0])


def with_asyncpg(login: Login) -> str:
    async def ask() -> str:
        connection = await asyncpg.connect(
            host="localhost",
            port=login.port,
            user=login.user,
            password=login.secret,
            database=login.database,
            ssl=login.context() or False,
        )
        try:
            return str(await connection.fetchval("SELECT current_user"))
        finally:
            await connection.close()

    with asyncio.Runner() as runner:
        try:
            return runner.run(ask())
        finally:
            eventually(lambda: nothing_is_open(runner.get_loop()))


def nothing_is_open(loop: asyncio.AbstractEventLoop) -> bool:
    """asyncpg leaves the end of a connection that is refused to the loop."""
    loop.run_until_complete(asyncio.sleep(0))
    own = 1  # what wakes the loop up
    return len(vars(loop)["_selector"].get_map()) == own


def with_pg8000(login: Login) -> str:
    with closing(
        pg8000.dbapi.connect(
            host="localhost",
            port=login.port,
            user=login.user,
            password=login.secret,
            database=login.database,
            ssl_context=login.context() or False,
        )
    ) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT current_user")
        return str(cursor.fetchone()[0])


DRIVERS: Final[dict[str, Driver]] = {
    "psql": with_psql,
    "psycopg": with_psycopg,
    "asyncpg": with_asyncpg,
    "pg8000": with_pg8000,
}


def token(proxy: RunningProxy, user: str, **other: str) -> str:
    """Return a token, as an application makes it for the endpoint it connects to."""
    session = boto3.session.Session()
    session._session._credentials = Credentials(
        KEY["access_key_id"], KEY["secret_access_key"]
    )
    made = session.client("rds", region_name=other.get("region", REGION))
    host = other.get("host", "localhost")
    port = other.get("port", proxy.endpoint().port)
    signed = made.generate_db_auth_token(host, port, user)
    assert isinstance(signed, str)
    return signed


@pytest.fixture(scope="module")
def proxy(postgres: Postgres) -> Iterator[RunningProxy]:
    """One that knows a role for each method."""
    with ExitStack() as stack:
        database = stack.enter_context(postgres.new_database())
        with closing(postgres.connect(database)) as direct:
            for role in ROLES.values():
                direct.execute(f"CREATE ROLE {role} LOGIN".encode())
                stack.callback(drop, postgres, role)
        secret = {"password": PASSWORD}
        yield Proxies(postgres, database, stack)(
            2,
            auth=[
                {"username": ROLES["scram"], **secret},
                {
                    "username": ROLES["md5"],
                    "client_password_auth_type": "POSTGRES_MD5",
                    **secret,
                },
                {"username": ROLES["iam"], "iam_auth": "REQUIRED", **secret},
            ],
            iam={"region": REGION, "access_keys": [KEY]},
            endpoints=[{"name": "other", "listen": "127.0.0.1:0"}],
        )


def drop(postgres: Postgres, role: str) -> None:
    with closing(postgres.connect()) as direct:
        direct.execute(f"DROP ROLE {role}".encode())


def secret(proxy: RunningProxy, method: str) -> str:
    return token(proxy, ROLES["iam"]) if method == "iam" else PASSWORD


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("sslmode", MODES)
@pytest.mark.parametrize("method", ROLES)
def test_each_method(
    proxy: RunningProxy, driver: str, sslmode: str, method: str
) -> None:
    role = ROLES[method]
    login = Login(proxy, role, secret(proxy, method), sslmode)
    if (method, sslmode) == ("iam", "disable"):
        with pytest.raises(Exception, match="allowed only with SSL connections"):
            DRIVERS[driver](login)
    else:
        assert DRIVERS[driver](login) == role


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("method", ROLES)
def test_a_wrong_secret(proxy: RunningProxy, driver: str, method: str) -> None:
    role = ROLES[method]
    text = (
        f"The IAM authentication failed for the role {role}. "
        if method == "iam"
        else f"The password that was provided for the role {role} is wrong."
    )
    with pytest.raises(Exception, match=text):
        DRIVERS[driver](Login(proxy, role, "wrong", "require"))


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_unknown_role(proxy: RunningProxy, driver: str) -> None:
    text = "This RDS proxy has no credentials for the role nobody"
    with pytest.raises(Exception, match=text):
        DRIVERS[driver](Login(proxy, "nobody", PASSWORD, "require"))


@pytest.mark.parametrize("method", ROLES)
def test_tls_at_once(proxy: RunningProxy, method: str) -> None:
    """sslnegotiation=direct, without the question whether there is TLS."""
    if psycopg.pq.version() < 170000:
        pytest.skip("this libpq cannot begin with TLS")
    role = ROLES[method]
    login = Login(proxy, role, secret(proxy, method), "verify-full", "direct")
    assert with_psycopg(login) == role


@pytest.mark.parametrize(
    ("other", "setting"),
    [({"host": "127.0.0.2"}, "iam.hosts"), ({"region": "us-west-1"}, "iam.region")],
    ids=str,
)
def test_a_token_for_something_else(
    proxy: RunningProxy, other: dict[str, str], setting: str
) -> None:
    """The client learns nothing more; the log has the setting that would accept it."""
    signed = token(proxy, ROLES["iam"], **other)
    with pytest.raises(psycopg.OperationalError, match="IAM authentication failed"):
        with_psycopg(Login(proxy, ROLES["iam"], signed, "require"))
    log = proxy.happened(events.ClientRefused)[-1].log
    assert setting in log
    assert f"user {ROLES['iam']}" in log
    assert [value for value in other.values() if value not in log] == []


def test_a_token_for_another_endpoint(proxy: RunningProxy) -> None:
    port = str(proxy.proxy.endpoints["other"].address.port)
    signed = token(proxy, ROLES["iam"], port=port)
    url = f"postgresql://{ROLES['iam']}@localhost:{port}/{proxy.database}"
    with closing(psycopg.connect(url, password=signed, sslmode="require")) as client:
        assert client.execute("SELECT current_user").fetchone() == (ROLES["iam"],)


def test_a_pool_of_asyncpg_creates_a_token_for_each_connection(
    proxy: RunningProxy,
) -> None:
    """As docs/howto/fastapi.md has it."""
    created: list[str] = []

    def create() -> str:
        created.append(token(proxy, ROLES["iam"]))
        return created[-1]

    async def work() -> None:
        async with asyncpg.create_pool(
            host="localhost",
            port=proxy.endpoint().port,
            user=ROLES["iam"],
            database=proxy.database,
            password=create,
            ssl="require",
            min_size=2,
            reset=lambda connection: asyncio.sleep(0),
        ) as pool:
            assert await pool.fetchval("SELECT current_user") == ROLES["iam"]

    asyncio.run(work())
    assert len(created) == 2


@pytest.mark.parametrize("example", ["django", "lambda"])
def test_an_example_creates_tokens(proxy: RunningProxy, example: str) -> None:
    """As docs/howto has it."""
    port, role = proxy.endpoint().port, ROLES["iam"]
    database = {
        "ENGINE": "shop.iam",
        "HOST": "localhost",
        "PORT": port,
        "USER": role,
        "NAME": proxy.database,
    }
    programs = {
        "django": "from django.conf import settings\n"
        f"settings.configure(DATABASES={{'default': {database!r}}}, USE_TZ=True)\n"
        "from django.db import connection\n"
        "cursor = connection.cursor()\n"
        "cursor.execute('SELECT current_user')\n"
        "print(cursor.fetchone()[0])\n",
        "lambda": "from shop.database import connect\n"
        "print(connect().execute('SELECT current_user').fetchone()[0])\n",
    }
    environment = os.environ | {
        "AWS_ACCESS_KEY_ID": KEY["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": KEY["secret_access_key"],
        "AWS_DEFAULT_REGION": REGION,
        "DATABASE_URL": f"postgresql://{role}@localhost:{port}/{proxy.database}",
        "DATABASE_LOGIN": "IAM",
    }
    output = subprocess.check_output(
        [sys.executable, "-c", programs[example]],
        cwd=Path(__file__).parents[2] / "examples" / example,
        env=environment,
        text=True,
    )
    assert output == f"{role}\n"


@pytest.mark.parametrize("method", ROLES)
@pytest.mark.parametrize("encrypted", [False, True])
def test_node_postgres(
    proxy: RunningProxy, node_modules: Path, method: str, encrypted: bool
) -> None:
    role = ROLES[method]
    login = Login(proxy, role, secret(proxy, method), "verify-full")
    chosen = {"ca": login.root.read_text()} if encrypted else False
    given = {
        "host": "localhost",
        "port": login.port,
        "user": role,
        "password": login.secret,
        "database": login.database,
        "ssl": chosen,
    }
    with node.answers(node_modules, given, ["SELECT current_user AS role"]) as answer:
        if method == "iam" and not encrypted:
            assert answer["code"] == "28000"
        else:
            assert answer == [[{"role": role}]]
