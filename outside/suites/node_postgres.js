// Preloaded in place of node-postgres' own test/suite.js, which ends the process at the
// first failure. This one continues, and appends an event for each test, in the format
// of `go test -json`, to the file OUTSIDE_REPORT.
'use strict'
const fs = require('fs')
const path = require('path')

const TIMEOUT_MS = 15000 // 5000 in the original, too few for a busy machine
const GRACE_MS = 1000 // for tests that are added late, after a failure

const file = path.relative(process.cwd(), process.argv[1])
const report = (Action, Test) =>
  fs.appendFileSync(process.env.OUTSIDE_REPORT, JSON.stringify({ Action, Package: file, Test }) + '\n')

const run = async ({ name, action }) => {
  if (!action) return report('skip', name)
  let timer
  const expired = new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${TIMEOUT_MS} ms`)), TIMEOUT_MS)
  })
  const call = () => new Promise((resolve, reject) => action((error) => (error ? reject(error) : resolve())))
  try {
    await Promise.race([action.length ? call() : (async () => action())(), expired])
    report('pass', name)
  } catch (error) {
    console.log(`${name}: ${error && error.stack}`)
    report('fail', name)
    process.exitCode = 1
  } finally {
    clearTimeout(timer)
  }
}

class Suite {
  constructor() {
    this.queue = []
    this.running = false
  }

  test(name, action) {
    report('run', name)
    this.queue.push({ name, action })
    if (!this.running) this.drain()
  }

  async drain() {
    this.running = true
    clearTimeout(this.ending)
    await null // the original starts a test after the module has been read, too
    while (this.queue.length) await run(this.queue.shift())
    this.running = false
    // A failed test may have left clients that keep the process alive.
    if (process.exitCode) this.ending = setTimeout(() => process.exit(), GRACE_MS)
  }
}

const filename = path.resolve('test/suite.js')
require.cache[filename] = { id: filename, filename, loaded: true, exports: Suite, children: [], paths: [] }
