"""The plugin of a run: it judges each test's pins and leaks and reports at the end.

They belong to the fixture that is being set up or torn down, if it lives longer than
the test. Under pytest-xdist each worker judges, and its reports carry the records to
the main process, which writes the files.
"""

from collections.abc import Generator
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

import pytest

from pinwatch.errors import SettingError
from pinwatch.reports.github import annotations
from pinwatch.testing.background import Proxy
from pinwatch.testing.found import Found, Pin
from pinwatch.testing.plugin import wording
from pinwatch.testing.plugin.baseline import Baseline
from pinwatch.testing.plugin.fixtures import Fixture, failed_report
from pinwatch.testing.plugin.judge import Exceptions, Judge, failing
from pinwatch.testing.plugin.options import Options
from pinwatch.testing.plugin.record import Record
from pinwatch.testing.plugin.report import Report, write
from pinwatch.testing.plugin.summary import summary
from pinwatch.testing.plugin.watchlist import Watchlist
from pinwatch.testing.unittest_case import case_of
from pinwatch.text import printable

Result = Generator[None, Any, Any]
TEST: Final = attrgetter("test")
LOAD: Final = "pinwatch"
"""The key of the records in test reports and in a worker's output."""


class Watch:
    """A plugin that lasts for one run."""

    def __init__(self, config: pytest.Config, options: Options) -> None:
        self.config = config
        self.options = options
        self.baseline = _baseline(options)
        self.watchlist = _watchlist(options)
        self.judge = Judge(options, self.baseline, self.watchlist or Watchlist())
        self.report = Report()
        self._exceptions = Exceptions()
        self._judged: dict[Proxy, int] = {}
        """The number of judged pins and leaks, by proxy."""
        self._unjudged: list[Found] = []
        """Those of the current test, which is judged after each of its phases."""
        self._fixtures: dict[pytest.FixtureDef[Any], tuple[Fixture, Exceptions]] = {}
        self._running: list[pytest.FixtureDef[Any]] = []
        """The fixtures that are being set up, innermost last."""
        self._fresh: list[Record] = []
        self._of_fixtures: list[Record] = []
        """The records of the current phase: those of the test, and of fixtures."""
        self._unwritten = ""

    def begin(self, proxy: Proxy) -> None:
        """Judge the pins and leaks of this proxy from now on."""
        self._judged.setdefault(proxy, 0)

    # Fixtures.

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Result:
        """Attribute what is found in the setup; earlier finds belong to another."""
        __tracebackhide__ = True
        self.report.asked |= fixturedef.argname == "pinwatch_proxy"
        self._attribute(self._running[-1] if self._running else None)
        fixture = Fixture.of(fixturedef, request.node, self.config.rootpath)
        if fixture is not None:
            self._fixtures[fixturedef] = fixture, _exceptions(request.node)
            self.report.fixtures.add(fixture.id)
        self._running.append(fixturedef)
        try:
            return (yield)
        finally:
            self._running.pop()
            case = case_of(request.node)
            if case is not None and hasattr(case, "pinwatch"):
                self.begin(case.pinwatch)
            self._attribute(fixturedef)

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        """Attribute what is found in the teardown."""
        self._attribute(fixturedef)

    def _attribute(self, fixturedef: pytest.FixtureDef[Any] | None) -> None:
        """Judge the new pins and leaks as the fixture's, or keep them for the test."""
        found = self._found()
        if fixturedef not in self._fixtures:
            self._unjudged += found
            return
        fixture, exceptions = self._fixtures[fixturedef]
        self._of_fixtures += self.judge.judged(
            fixture.id, found, exceptions, fixture.scope
        )
        self._reset_leaks()

    # One test.

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Result:
        """Read the test's exceptions; an error in them fails the test after setup."""
        __tracebackhide__ = True
        self._exceptions = Exceptions()
        case = case_of(item)
        self.report.asked |= case is not None
        result = yield
        if case is not None:
            case.pinwatch_judges = False
            self.begin(case.pinwatch)
        wrong = ""
        try:
            self._exceptions = Exceptions.of(item)
        except SettingError as error:
            wrong = str(error)
        if wrong:
            pytest.fail(f"{item.nodeid}: {wrong}", pytrace=False)
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Result:
        return (yield from self._judging(item, "call"))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Result:
        try:
            return (yield from self._judging(item, "teardown"))
        finally:
            self._reset_leaks()

    def _judging(self, item: pytest.Item, phase: str) -> Result:
        """Fail a test that pins; if it failed already, add a section about its pins."""
        try:
            result = yield
        except BaseException:
            text = self._judge(item)
            if text:
                item.add_report_section(phase, "pinwatch", text)
            raise
        text = self._judge(item)
        if text and getattr(item, "_excinfo", None):  # unittest raises nothing
            item.add_report_section(phase, "pinwatch", text)
        elif text:
            pytest.fail(text, pytrace=False)
        return result

    def _judge(self, item: pytest.Item) -> str:
        """Judge the new pins and leaks; return the failure text, or nothing."""
        self._attribute(None)
        found, self._unjudged = self._unjudged, []
        self._fresh = self.judge.judged(item.nodeid, found, self._exceptions)
        failed = failing(self._fresh)
        return wording.failure(failed, self._exceptions.max_pins) if failed else ""

    def _found(self) -> list[Found]:
        """Return what was not judged yet, and count it as judged."""
        fresh: list[Found] = []
        for proxy, judged in self._judged.items():
            found = proxy.found
            fresh += found[judged:]
            self._judged[proxy] = len(found)
        if self.options.leaks == "off":  # a PinwatchTestCase's proxy looks for them
            return [one for one in fresh if isinstance(one, Pin)]
        return fresh

    def _reset_leaks(self) -> None:
        """Keep the state that one test left from the next, which may leave the same."""
        for proxy in self._judged:
            if proxy.recorder.leaked:
                proxy.reset_leaks()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach the records; those of a skipped or xfailed test count as allowed."""
        report = yield
        fresh, self._fresh = self._fresh, []
        if report.skipped:
            fresh = [record.allowed() for record in fresh]
        properties = [("pinwatch", _property(record)) for record in fresh]
        item.user_properties += properties
        report.user_properties += properties
        records, self._of_fixtures = [*fresh, *self._of_fixtures], []
        vars(report)[LOAD] = [record.to_json() for record in records]
        _shorten(report)
        return report

    # The run.

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and not report.skipped:
            self.report.tests.add(report.nodeid)
        records = vars(report).get(LOAD, ())
        self.report.records += [Record.from_json(record) for record in records]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Add the counts of a pytest-xdist worker that ended."""
        output = getattr(node, "workeroutput", {})
        *counts, fixtures = output.get(LOAD, (False, 0, 0, ()))
        self.report.count(*counts)
        self.report.fixtures |= {*fixtures}

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        recorders = [proxy.recorder for proxy in self._judged]
        self.report.count(
            self.report.asked,
            max((one.clients.most for one in recorders), default=0),
            max((one.connections.most for one in recorders), default=0),
        )
        worker = getattr(self.config, "workeroutput", None)
        if worker is not None:
            report = self.report
            counts = report.asked, report.clients, report.connections
            worker[LOAD] = (*counts, [*report.fixtures])
            return
        self._fail_fixtures(session)
        try:
            write(self.report, self.options, self.baseline)
        except SettingError as error:
            self._unwritten = str(error)
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def _fail_fixtures(self, session: pytest.Session) -> None:
        """Report an error for each fixture that pinned; they fail the run."""
        failed = failing(one for one in self.report.records if one.fixture_scope)
        for id, group in groupby(sorted(failed, key=TEST), TEST):
            records = list(group)
            scope = records[0].fixture_scope
            text = wording.failure(
                records, whose=f"the database connection of a {scope} fixture"
            )
            session.testscollected += 1  # so that the progress ends at 100 %
            self.config.hook.pytest_runtest_logreport(
                report=failed_report(id, scope, text)
            )
        if failed and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> None:
        gone = self.report.gone(self.baseline)
        wrote = self.options.update_baseline and not self._unwritten
        updated = self.options.baseline if wrote else None
        terminalreporter.section("pinwatch")
        for line in summary(self.report, gone, updated, self.watchlist):
            terminalreporter.write_line(printable(line))
        if self._unwritten:
            terminalreporter.write_line(printable(self._unwritten))
        for line in annotations(self.report.results()):
            terminalreporter.write_line(line)


def _baseline(options: Options) -> Baseline:
    file = options.baseline
    if file is None or (options.update_baseline and not file.exists()):
        return Baseline()
    try:
        return Baseline.read(file)
    except SettingError as error:
        raise pytest.UsageError(str(error)) from None


def _watchlist(options: Options) -> Watchlist | None:
    if options.watchlist is None:
        return None
    try:
        return Watchlist.read(options.watchlist)
    except SettingError as error:
        raise pytest.UsageError(str(error)) from None


def _exceptions(node: pytest.Collector) -> Exceptions:
    """Return the exceptions of a fixture; an error in them is reported by the tests."""
    try:
        return Exceptions.of(node)
    except SettingError:
        return Exceptions()


def _shorten(report: pytest.TestReport) -> None:
    """Keep all but the first line of a failure of pins out of the run's summary.

    The failure shows them already; the summary repeats them where CI is set.
    """
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None and any(head in crash.message for head in wording.HEADS):
        crash.message = crash.message.partition("\n")[0]


def _property(record: Record) -> str:
    return f"{record.outcome}, {wording.title([record])}: {record.found.statement}"
