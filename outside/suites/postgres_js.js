// In place of postgres.js' own tests/test.js, which ends at the first failure. This one
// continues, and appends an event for each test, in the format of `go test -json`, to
// the file OUTSIDE_REPORT.
import fs from 'fs'
import util from 'util'

const NEEDS_TLS = /SSL/ // the server has no certificate

let waiting = 0
let previous = Promise.resolve()

const report = (Action, Test) =>
  fs.appendFileSync(process.env.OUTSIDE_REPORT, JSON.stringify({ Action, Package: 'tests', Test }) + '\n')

export const nt = () => {}
export const ot = (...rest) => t(...rest)

export function t(name, options, action = options) {
  if (NEEDS_TLS.test(name))
    return report('skip', name)
  report('run', name)
  waiting++
  previous = previous.then(() => run(name, options.timeout || t.timeout, action))
}
t.timeout = 5 // seconds, as in the original

async function run(name, seconds, action) {
  let timer
  const expired = new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${ seconds } s`)), seconds * 1000)
  })
  try {
    const [expected, got] = await Promise.race([action().then(values => Promise.all(values)), expired])
    if (expected !== got)
      throw new Error(`${ util.inspect(expected) } != ${ util.inspect(got) }`)
    report('pass', name)
  } catch (error) {
    console.log(`${ name }: ${ util.inspect(error) }`)
    report('fail', name)
  }
  clearTimeout(timer)
  --waiting || process.exit()
}

// An error outside a test's own promises does not end the others.
process.on('uncaughtException', error => console.log('uncaught:', error))
