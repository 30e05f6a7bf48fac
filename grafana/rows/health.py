"""Health: the target's availability, borrow timeouts, and the proxy's own work."""

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
            "100 % while the target is available.",
            (AVAILABILITY, "{{target_role}}"),
            width=4,
            unit=Percent,
        ).thresholds(limit(100, BAD, GOOD)),
        number(
            TIMEOUTS_TITLE,
            "Clients that timed out waiting for a connection, in the time range.",
            (increase("borrows_total", window=RANGE, outcome="timed_out"), "timed out"),
            width=4,
        )
        .decimals(0)
        .thresholds(limit(1, GOOD, BAD)),
        number(
            "pinwatch",
            "Versions of pinwatch and Python.",
            (now("build_info", "version", "python"), "{{version}}, Python {{python}}"),
            width=4,
        ).text_mode(BigValueTextMode.NAME),
        graph(
            AVAILABILITY_TITLE,
            "0 after an attempt to connect failed, 100 % after one succeeded.",
            (AVAILABILITY, "{{proxy}} {{target_role}}"),
            width=12,
            unit=Percent,
        ).max(100),
        graph(
            "Traffic",
            "Bytes after the login, without TLS's overhead, as the proxy sees them.",
            (rate("bytes_total", "side", "direction"), "{{side}}, {{direction}}"),
            width=6,
            unit=BytesPerSecondIEC,
        ),
        graph(
            "Verdict cache hits",
            "Share of statement texts whose verdict was in the cache.",
            (share(HITS, f"({HITS} + {MISSES})"), "hits"),
            width=6,
            unit=PercentUnit,
        ).max(1),
        graph(
            "Verdict cache size",
            "Approximate size of the cached texts; their number is on the right axis.",
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
            "Prepared again",
            "Statements that were prepared again on another database connection.",
            (rate("prepared_statements_reparsed_total"), "prepared again"),
            width=6,
            unit=OpsPerSecond,
        ),
    ]
