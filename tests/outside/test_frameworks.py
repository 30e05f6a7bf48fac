"""The frameworks in place of those that end at the first failure run all tests."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from outside import outcomes
from outside.suites import node_postgres, postgres_js

NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="Node.js is not installed")


def run(folder: Path, *arguments: str | Path) -> outcomes.Outcomes:
    """Run Node.js in a folder; return the outcomes that the framework reports."""
    assert NODE is not None
    report = folder / "report.json"
    subprocess.run(
        [NODE, *arguments],
        cwd=folder,
        env={**os.environ, "OUTSIDE_REPORT": str(report)},
        timeout=60,
        capture_output=True,
    )
    return outcomes.go(report.read_text().splitlines())


def test_node_postgres(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "suite.js").write_text("throw new Error('the original')")
    (tmp_path / "some-tests.js").write_text(
        """
        const suite = new (require('./test/suite'))()
        suite.test('throws', () => { throw new Error('no') })
        suite.test('rejects', async () => { throw new Error('no') })
        suite.test('calls back', (done) => setImmediate(done))
        suite.test('calls back with an error', (done) => done(new Error('no')))
        suite.test('resolves', async () => 1)
        suite.test('has no body')
        setInterval(() => {}, 1000)
        """
    )
    assert run(tmp_path, "--require", node_postgres.SUITE, "some-tests.js") == {
        "some-tests.js::throws": "failed",
        "some-tests.js::rejects": "failed",
        "some-tests.js::calls back": "passed",
        "some-tests.js::calls back with an error": "failed",
        "some-tests.js::resolves": "passed",
        "some-tests.js::has no body": "skipped",
    }


def test_postgres_js(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copy(postgres_js.FRAMEWORK, tmp_path / "test.js")
    (tmp_path / "index.js").write_text(
        """
        import { t } from './test.js'
        t('differs', async() => [1, 2])
        t('rejects', async() => { throw new Error('no') })
        t('equals', async() => [1, await 1])
        t('hangs', { timeout: 0.01 }, () => new Promise(() => {}))
        t('equals a promise', async() => [1, Promise.resolve(1)])
        t('Connect using SSL', async() => [1, 2])
        """
    )
    assert run(tmp_path, "index.js") == {
        "tests::differs": "failed",
        "tests::rejects": "failed",
        "tests::equals": "passed",
        "tests::hangs": "failed",
        "tests::equals a promise": "passed",
        "tests::Connect using SSL": "skipped",
    }
