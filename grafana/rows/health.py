"""Health: whether the target serves, what timed out, and what the proxy itself does."""

from typing import Final

from grafana_foundation_sdk.models.common import AxisPlacement, BigValueTextMode
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue
from grafana_foundation_sdk.models.units import (
    BytesIEC,
    BytesPerSecondIEC,
    OpsPerSecond,
    Percent,
    PercentUnit,
    Short,
)

from grafana.panels import BAD, GOOD, AnyPanel, graph, limit, number
from grafana.promql import RANGE, increase, lowest, now, rate, share

TITLE: Final = "Health"
AVAILABILITY_TITLE: Final = "Availability over time"
TIMEOUTS_TITLE: Final = "Borrow timeouts"

AVAILABILITY: Final = lowest("availability_percentage", "proxy", "target_role")
HITS: Final = rate("verdict_cache_hits_total")
MISSES: Final = rate("verdict_cache_misses_total")


def panels() -> list[AnyPanel]:
    return [
        number(
            "Availability",
            "100 % while the target serves.",
            (AVAILABILITY, "{{target_role}}"),
            width=4,
            unit=Percent,
        ).thresholds(limit(100, BAD, GOOD)),
        number(
            TIMEOUTS_TITLE,
            "Clients that got no database connection in time, in the time range.",
            (increase("borrows_total", window=RANGE, outcome="timed_out"), "timed out"),
            width=4,
        )
        .decimals(0)
        .thresholds(limit(1, GOOD, BAD)),
        number(
            "pinwatch",
            "Version of pinwatch and of Python.",
            (now("build_info", "version", "python"), "{{version}}, Python {{python}}"),
            width=4,
        ).text_mode(BigValueTextMode.NAME),
        graph(
            AVAILABILITY_TITLE,
            "0 from an attempt to connect that showed that the target does not serve, "
            "until one that showed that it does.",
            (AVAILABILITY, "{{proxy}} {{target_role}}"),
            width=12,
            unit=Percent,
        ).max(100),
        graph(
            "Traffic",
            "Bytes after the login, without TLS's own, as the proxy sees them.",
            (rate("bytes_total", "side", "direction"), "{{side}}, {{direction}}"),
            width=6,
            unit=BytesPerSecondIEC,
        ),
        graph(
            "Verdict cache hits",
            "Texts of statements that were judged before, of all.",
            (share(HITS, f"({HITS} + {MISSES})"), "hits"),
            width=6,
            unit=PercentUnit,
        ).max(1),
        graph(
            "Verdict cache size",
            "What the remembered texts take, about; how many there are, on the right.",
            (now("verdict_cache_bytes"), "bytes"),
            (now("verdict_cache_texts"), "texts"),
            width=6,
            unit=BytesIEC,
        ).override_by_name(
            "texts",
            [
                DynamicConfigValue("unit", Short),
                DynamicConfigValue("custom.axisPlacement", AxisPlacement.RIGHT),
            ],
        ),
        graph(
            "Prepared once more",
            "Statements that were prepared again, on another database connection.",
            (rate("prepared_statements_reparsed_total"), "prepared again"),
            width=6,
            unit=OpsPerSecond,
        ),
    ]
