"""pinwatch up --from, with the examples as they are and with small templates."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import boto3
import psycopg
import pytest
from moto.server import ThreadedMotoServer
from psycopg.conninfo import make_conninfo

from tests.cli.command import Up, pinwatch, pinwatch_up

EXAMPLES: Final = Path(__file__).parents[2] / "examples" / "infrastructure"
CLOUDFORMATION: Final = EXAMPLES / "cloudformation.yaml"
PLAN: Final = EXAMPLES / "terraform-plan.json"
SECRET: Final = "orders-staging/database/application"
REGION: Final = "eu-central-1"
KEYS: Final = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}

TEMPLATE: Final = """
Parameters:
  Timeout: {Type: Number, Default: 0.1}
Resources:
  Proxy:
    Type: AWS::RDS::DBProxy
    Properties:
      EngineFamily: POSTGRESQL
      DebugLogging: true
      RequireTLS: true
      RoleArn: !GetAtt Role.Arn
      Auth: [{SecretArn: !ImportValue secret}]
  Pool:
    Type: AWS::RDS::DBProxyTargetGroup
    Properties:
      DBProxyName: !Ref Proxy
      ConnectionPoolConfigurationInfo:
        MaxConnectionsPercent: 1
        ConnectionBorrowTimeout: !Ref Timeout
"""


@pytest.fixture
def template(tmp_path: Path) -> Path:
    file = tmp_path / "template.yaml"
    file.write_text(TEMPLATE)
    return file


@pytest.fixture
def secrets_manager() -> Iterator[str]:
    """Its address; it has the secret of the examples."""
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    client = boto3.client(
        "secretsmanager",
        endpoint_url=address,
        region_name=REGION,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    secret = json.dumps({"username": "postgres", "password": "s3cret"})
    client.create_secret(Name=SECRET, SecretString=secret)
    yield address
    client.delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)
    server.stop()


@contextmanager
def up_from(file: Path, target: str, folder: Path, **variables: str) -> Iterator[Up]:
    arguments = ("--target", target, "--state-folder", str(folder / "state"))
    log = folder / "log"
    with pinwatch_up(log, "--from", str(file), *arguments, **variables) as up:
        yield up
        assert up.stop() == 0
    assert "Traceback" not in log.read_text()


def table(up: Up) -> dict[str, list[list[str]]]:
    """The rows of each section, before the greeting, cut at two spaces or more."""
    sections: dict[str, list[list[str]]] = {}
    for line in up.lines[2 : up.lines.index("", 2)]:
        if not line.startswith(" "):
            rows = sections.setdefault(line, [])
        else:
            rows.append([cell.strip() for cell in line.split("  ") if cell.strip()])
    return sections


def login(up: Up, password: str, sslmode: str) -> object:
    """Return the row that a client receives for SELECT 'pong'."""
    url = make_conninfo(up.url, password=password, sslmode=sslmode)
    with closing(psycopg.connect(url)) as client:
        return client.execute("SELECT 'pong'").fetchone()


def refusal(up: Up, password: str, sslmode: str) -> str:
    with pytest.raises(psycopg.OperationalError) as raised:
        login(up, password, sslmode)
    return str(raised.value)


@pytest.mark.parametrize(
    ("file", "proxy", "percent"),
    [(CLOUDFORMATION, "Proxy", 40), (PLAN, "aws_db_proxy.this", 80)],
    ids=["cloudformation", "terraform"],
)
def test_an_example_is_started_as_it_is(
    file: Path,
    proxy: str,
    percent: int,
    target: str,
    secrets_manager: str,
    tmp_path: Path,
) -> None:
    with up_from(
        file,
        target,
        tmp_path,
        PINWATCH_SECRETS_MANAGER__ENDPOINT_URL=secrets_manager,
        PINWATCH_SECRETS_MANAGER__REGION=REGION,
        **KEYS,
    ) as up:
        assert up.lines[:2] == [f"From  {file}, {proxy}", ""]
        sections = table(up)
        settings = {row[-1]: row[1] for row in sections["Used"] if len(row) == 3}
        assert settings["require_tls"] == "true"
        assert settings["debug_logging"] == "true"
        assert settings["auth.secret_arn"] == SECRET
        assert settings["connection_pool.max_connections_percent"] == str(percent)
        assert settings["connection_pool.connection_borrow_timeout"] == "15"
        assert "Not resolved" not in sections
        assert "requires TLS" in refusal(up, "s3cret", "disable")
        assert "is wrong" in refusal(up, "wrong", "require")
        assert login(up, "s3cret", "require") == ("pong",)
    log = (tmp_path / "log").read_text()
    assert "[DEBUG] [proxyEndpoint=default]" in log
    assert "s3cret" not in log


def test_the_table_says_what_became_of_each_property(
    template: Path, target: str, tmp_path: Path
) -> None:
    with up_from(template, target, tmp_path) as up:
        sections = table(up)
        assert up.lines[up.lines.index("", 2) + 1].startswith(
            "pinwatch 0.1.0 in front of"
        )
    assert list(sections) == ["Used", "Not resolved", "No local meaning"]
    assert ["DebugLogging", "true", "debug_logging"] in sections["Used"]
    assert sections["Not resolved"] == [
        ["Proxy"],
        [
            "Auth[0].SecretArn",
            "!ImportValue secret",
            "the value of !ImportValue is known only when it is deployed: the entry "
            "that it belongs to is left out",
        ],
    ]
    assert ["RoleArn", "!GetAtt Role.Arn"] in sections["No local meaning"]


def test_options_variables_and_the_file_win(
    template: Path, target: str, tmp_path: Path
) -> None:
    config = tmp_path / "pinwatch.toml"
    config.write_text(
        "debug_logging = false\n"
        '[[auth]]\nusername = "postgres"\npassword = "local"\n'
        "[connection_pool]\nmax_connections_percent = 90\n"
    )
    with up_from(
        template,
        target,
        tmp_path,
        PINWATCH_CONFIG=str(config),
        PINWATCH_REQUIRE_TLS="false",
    ) as up:
        notes = {row[0]: row[-1] for row in table(up)["Used"]}
        assert notes["DebugLogging"] == f"debug_logging: {config} wins"
        assert notes["RequireTLS"] == "require_tls: PINWATCH_REQUIRE_TLS wins"
        assert notes["ConnectionPoolConfigurationInfo.MaxConnectionsPercent"] == (
            f"connection_pool.max_connections_percent: {config} wins"
        )
        assert notes["ConnectionPoolConfigurationInfo.ConnectionBorrowTimeout"] == (
            "connection_pool.connection_borrow_timeout"
        )
        assert login(up, "local", "disable") == ("pong",)
        assert "is wrong" in refusal(up, "wrong", "disable")
    assert "[DEBUG]" not in (tmp_path / "log").read_text()


def test_the_settings_are_applied(template: Path, target: str, tmp_path: Path) -> None:
    with (
        up_from(template, target, tmp_path, PINWATCH_REQUIRE_TLS="false") as up,
        closing(psycopg.connect(up.url)) as busy,
    ):
        busy.execute("SELECT 1")  # one of 100 is one
        with pytest.raises(psycopg.OperationalError, match="Timed-out waiting"):
            login(up, "", "disable")


@pytest.mark.parametrize(
    ("text", "arguments", "sentence"),
    [
        (None, (), "Cannot read {file}: No such file or directory."),
        (
            b"PK\x03\x04\xff",
            (),
            "{file} is not text: for a saved plan, give the output of terraform show "
            "-json.",
        ),
        (b"a: 1", (), "{file} is neither a CloudFormation template nor the output of "
         "terraform show -json."),
        (TEMPLATE.encode(), ("--proxy", "Other"),
         "{file} has no proxy Other, but Proxy."),
        (
            TEMPLATE.replace("0.1", "301").encode(),
            (),
            "{file}: Pool.ConnectionPoolConfigurationInfo.ConnectionBorrowTimeout is "
            "301, but must be a number from 0 to 300.",
        ),
    ],
)  # fmt: skip
def test_an_error_is_one_sentence(
    text: bytes | None, arguments: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    file = tmp_path / "template.yaml"
    if text is not None:
        file.write_bytes(text)
    ended = pinwatch("up", "--from", str(file), *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"pinwatch: {sentence.format(file=file)}\n"


def test_a_file_of_powershell_is_read(
    template: Path, target: str, tmp_path: Path
) -> None:
    template.write_bytes(TEMPLATE.replace("\n", "\r\n").encode("utf-16"))
    with up_from(template, target, tmp_path) as up:
        assert ["DebugLogging", "true", "debug_logging"] in table(up)["Used"]


def test_a_resource_that_is_left_out_has_a_row(
    template: Path, target: str, tmp_path: Path
) -> None:
    template.write_text(TEMPLATE.replace("!Ref Proxy", "foreign"))
    with up_from(template, target, tmp_path) as up:
        assert table(up)["Not resolved"][-2:] == [
            ["Pool"],
            [
                "DBProxyName",
                "foreign",
                "no AWS::RDS::DBProxy in the file is known by this name",
            ],
        ]


def test_a_pipe_that_does_not_end_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["sh", "-c", 'exec cat /dev/zero > "$0"', pipe]):
        ended = pinwatch("up", "--from", str(pipe))
    assert (ended.returncode, ended.stderr) == (
        2,
        f"pinwatch: {pipe} is larger than 32 MiB.\n",
    )


def test_a_proxy_is_of_a_file() -> None:
    ended = pinwatch("up", "--proxy", "Proxy")
    assert (ended.returncode, ended.stderr) == (
        2,
        "pinwatch: --proxy needs --from.\n",
    )


def test_an_endpoint_has_the_same_port_at_each_start(
    template: Path, target: str, tmp_path: Path
) -> None:
    template.write_text(with_endpoint("stable"))
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    with up_from(template, target, first) as up:
        usual = up.greeting["reads"]
        with up_from(template, target, second) as other:
            moved = other.greeting["reads"]
    with up_from(template, target, first) as up:
        assert up.greeting["reads"] == usual
    assert moved != usual
    before, after = (urlsplit(url).port for url in (usual, moved))
    (line,) = [
        line for line in (second / "log").read_text().splitlines() if " taken" in line
    ]
    assert line.partition(" ")[2] == (
        f"[WARN] The port {before} of the endpoint reads is taken: it listens on "
        f"127.0.0.1:{after}. listen in its [[endpoints]] entry chooses another port."
    )
    assert "is taken" not in (first / "log").read_text()


def test_the_port_of_an_endpoint_depends_on_its_proxy(
    template: Path, target: str, tmp_path: Path
) -> None:
    ports = []
    for name in ("orders", "carts"):
        template.write_text(with_endpoint(name))
        with up_from(template, target, tmp_path) as up:
            ports.append(urlsplit(up.greeting["reads"]).port)
    assert len({*ports}) == 2


def with_endpoint(proxy: str) -> str:
    """The template with an endpoint, and a name that no other process uses."""
    name = f"      DBProxyName: {proxy}-{os.getpid()}\n      EngineFamily"
    return TEMPLATE.replace("      EngineFamily", name) + (
        "  Reads:\n"
        "    Type: AWS::RDS::DBProxyEndpoint\n"
        "    Properties: {DBProxyName: !Ref Proxy, DBProxyEndpointName: reads}\n"
    )
