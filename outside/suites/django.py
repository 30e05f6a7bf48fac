"""Django's tests that use a database, with psycopg."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from outside import commands, outcomes
from outside.commands import Broken
from outside.outcomes import Outcomes
from outside.server import Place
from outside.suites import pytests
from outside.workshop import Workshop

VERSION: Final = "5.2.19"
PACKAGES: Final = (
    f"Django=={VERSION}",
    "psycopg[binary]==3.3.9",
    "unittest-xml-reporting==3.2.0",
)
LABELS: Final = (
    *("aggregation", "annotations", "backends", "basic", "bulk_create", "constraints"),
    *("custom_pk", "datatypes", "db_functions", "defer", "delete", "expressions"),
    *("expressions_window", "fixtures", "foreign_object", "get_or_create", "indexes"),
    *("inspectdb", "introspection", "lookup", "many_to_many", "many_to_one"),
    *("migrations", "model_fields", "postgres_tests", "prefetch_related", "queries"),
    *("raw_query", "schema", "select_for_update", "serializers", "timezones"),
    *("transaction_hooks", "transactions", "update"),
)
QUICK: Final = ("transactions", "select_for_update", "raw_query", "get_or_create")
TIMEOUT: Final = 3600
"""Seconds that a run may take."""

_SETTINGS: Final = """\
DATABASES = {{
    "default": {{"ENGINE": "django.db.backends.postgresql", {server}, "NAME": "one"}},
    "other": {{"ENGINE": "django.db.backends.postgresql", {server}, "NAME": "two"}},
}}
SECRET_KEY = "outside"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False
TEST_RUNNER = "xmlrunner.extra.djangotestrunner.XMLTestRunner"
TEST_OUTPUT_DIR = {folder!r}
TEST_OUTPUT_FILE_NAME = "junit.xml"
"""


class Django:
    """The labels that use the database most."""

    name = "django"
    setup = ()

    def prepare(self, workshop: Workshop) -> str:
        """Download the source distribution, and use its tests with the wheel."""
        source = workshop.sdist("django", VERSION)
        self._tests = workshop.once(
            f"django-{VERSION}",
            lambda folder: pytests.copy(source, folder, ("tests",)),
        )
        self._python = workshop.python("django", PACKAGES)
        return VERSION

    def run(self, place: Place, folder: Path, quick: bool) -> Outcomes:
        """Run the tests, which create and drop two databases."""
        server = f'"HOST": "{place.host}", "PORT": {place.port}, "USER": "{place.user}"'
        settings = folder / "outside_settings.py"
        settings.write_text(_SETTINGS.format(server=server, folder=str(folder)))
        log = folder / "django.log"
        options = ["--settings=outside_settings", "--parallel=1", "--noinput"]
        status = commands.run(
            [self._python, "runtests.py", *options, *(QUICK if quick else LABELS)],
            log=log,
            timeout=TIMEOUT,
            folder=self._tests / "tests",
            environment={"PYTHONPATH": str(folder)},
        )
        report = folder / "junit.xml"
        if status is None or not report.exists():
            raise Broken(f"Django's tests did not end: {commands.tail(log)}")
        return outcomes.junit(report)
