"""The init query, and the alarm on pinned sessions, as infrastructure code.

Each function returns a text that is complete by itself: a template, a configuration or
a command. If the name of the proxy is empty, it is a parameter of the text.
"""

import json
import re
import shlex
from collections.abc import Callable, Mapping
from math import inf
from typing import Any, Final

import yaml

from pinwatch.infrastructure.cloudformation import POOL, TARGET_GROUP, snake_case
from pinwatch.production.assignments import set_statement
from pinwatch.production.init_query import InitQuery

ALARM: Final[Mapping[str, str | int]] = {
    "AlarmDescription": "RDS Proxy: sessions were pinned for five minutes.",
    "Namespace": "AWS/RDS",
    "MetricName": "DatabaseConnectionsCurrentlySessionPinned",
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 5,
    "ComparisonOperator": "GreaterThanThreshold",
    "Threshold": 0,
    "TreatMissingData": "notBreaching",
}
"""The alarm, by properties of CloudFormation. The metric comes once a minute, and AWS
names Sum as its statistic."""

MERGE: Final = (
    "# Merge the init query into the resource that you have for this target group: a\n"
    "# second resource would reset the other settings."
)
ACTIONS: Final = "# Add actions to the alarm, such as an SNS topic."

SPECIAL: Final = re.compile(r'["\\\x00-\x1f\x7f]|[$%](?=\{)')
"""The characters that a quoted text of Terraform cannot have as they are."""


# The init query.


def sql(query: InitQuery, proxy: str) -> str:
    return query.sql


def alter_role(query: InitQuery, proxy: str) -> str:
    """Return a script for psql; an unknown role is its variable ``role``."""
    return "\n".join(
        f"ALTER ROLE {_identifier(role)} {set_statement(*setting)};"
        for role in query.roles()
        for setting in query.constant(role).items()
    )


def cloudformation(query: InitQuery, proxy: str) -> str:
    properties = {
        "DBProxyName": _reference(proxy),
        "TargetGroupName": "default",
        POOL: {"InitQuery": query.sql},
    }
    return _template(MERGE, "ProxyTargetGroup", TARGET_GROUP, properties, proxy)


def terraform(query: InitQuery, proxy: str) -> str:
    body = [
        f"db_proxy_name = {_variable(proxy)}",
        "",
        "connection_pool_config {",
        f"  init_query = {_quoted(query.sql)}",
        "}",
    ]
    kind = "aws_db_proxy_default_target_group"
    return _resource(MERGE, kind, "this", body, proxy)


def command(query: InitQuery, proxy: str) -> str:
    """Return a command of the AWS CLI for a POSIX shell."""
    name = shlex.quote(proxy) if proxy else '"${PROXY_NAME:?}"'
    pool = json.dumps({"InitQuery": query.sql}).replace("'", "\\u0027")
    return (
        f"aws rds modify-db-proxy-target-group --db-proxy-name {name} \\\n"
        f"  --target-group-name default --connection-pool-config '{pool}'"
    )


INIT_QUERY: Final[Mapping[str, Callable[[InitQuery, str], str]]] = {
    "sql": sql,
    "cloudformation": cloudformation,
    "terraform": terraform,
    "cli": command,
    "alter-role": alter_role,
}


# The alarm.


def alarm_cloudformation(proxy: str) -> str:
    dimension = {"Name": "ProxyName", "Value": _reference(proxy)}
    properties = {**ALARM, "Dimensions": [dimension]}
    kind = "AWS::CloudWatch::Alarm"
    return _template(ACTIONS, "PinnedSessions", kind, properties, proxy)


def alarm_terraform(proxy: str) -> str:
    name = f"{proxy}-pinned-sessions"
    values = {"alarm_name": _quoted(name) if proxy else f'"${{var.proxy_name}}{name}"'}
    values |= {snake_case(key): json.dumps(value) for key, value in ALARM.items()}
    values["dimensions"] = f"{{ ProxyName = {_variable(proxy)} }}"
    width = max(map(len, values))
    body = [f"{key:{width}} = {value}" for key, value in values.items()]
    kind = "aws_cloudwatch_metric_alarm"
    return _resource(ACTIONS, kind, "pinned_sessions", body, proxy)


ALARMS: Final[Mapping[str, Callable[[str], str]]] = {
    "cloudformation": alarm_cloudformation,
    "terraform": alarm_terraform,
}


# The languages.


def _template(
    comment: str, name: str, kind: str, properties: Mapping[str, Any], proxy: str
) -> str:
    """Return a template of CloudFormation with one resource."""
    parameters = {"Parameters": {"ProxyName": {"Type": "String"}}}
    resources = {"Resources": {name: {"Type": kind, "Properties": dict(properties)}}}
    document = resources if proxy else parameters | resources
    text: str = yaml.safe_dump(document, sort_keys=False, width=inf, allow_unicode=True)
    return f"{comment}\n{text}".rstrip("\n")


def _reference(proxy: str) -> str | dict[str, str]:
    return proxy or {"Ref": "ProxyName"}


def _resource(comment: str, kind: str, name: str, body: list[str], proxy: str) -> str:
    """Return a configuration of Terraform with one resource."""
    variable = [] if proxy else ['variable "proxy_name" {', "  type = string", "}", ""]
    lines = [f"  {line}" if line else "" for line in body]
    first = f'resource "{kind}" "{name}" {{'
    return "\n".join([*variable, comment, first, *lines, "}"])


def _variable(proxy: str) -> str:
    return _quoted(proxy) if proxy else "var.proxy_name"


def _quoted(text: str) -> str:
    """Return a text as Terraform writes it, without a template in it."""
    return f'"{SPECIAL.sub(_escape, text)}"'


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    if character in "$%":
        return 2 * character
    return f"\\{character}" if character in '"\\' else f"\\u{ord(character):04x}"


def _identifier(role: str) -> str:
    quoted = role.replace('"', '""')
    return f'"{quoted}"' if role else ':"role"'
