#!/usr/bin/env node
// Sets up, runs every check and test suite, and ends with the line "N passed, N failed".
// Uses nothing but Node itself, because it runs before anything is installed. Usage: run-suites.mjs [--quick]
// Every step has a hard time limit, so that it always ends with a message; a suite that ran no test has failed.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

process.chdir(join(import.meta.dirname, '..'))
const reports = '.cache/test-reports'
const quickProjects = ['unit', 'scenario', 'api', 'cli', 'arch', 'sim']

/** Plain commands count as one test each; vitest runs count the tests of their report. */
const steps = [
  { name: 'setup', command: ['scripts/setup'], limitS: 1800, stopOnFailure: true },
  { name: 'types', command: ['npm', 'run', '-s', 'check:types'], limitS: 120 },
  { name: 'lint', command: ['npm', 'run', '-s', 'check:lint'], limitS: 120 },
  { name: 'law', command: ['npm', 'run', '-s', 'check:law'], limitS: 120 },
  { name: 'quick', projects: quickProjects, limitS: 300 },
  { name: 'seeds', command: ['node', '--import', 'tsx', 'test/sim/seeds.ts', '--runs', '2000'], limitS: 600 },
  { name: 'model', command: ['node', '--import', 'tsx', 'test/model/check.ts'], limitS: 300 },
  { name: 'contract', projects: ['contract'], limitS: 1500, slow: true },
  // A lab that a story started ends with the story's process, so a killed run leaves nothing behind.
  { name: 'lab', projects: ['lab'], limitS: 3300, slow: true },
]

/** Runs a command to its end or its limit, then ends all of its process group. */
function run(command, limitS) {
  return new Promise((resolve) => {
    const child = spawn(command[0], command.slice(1), { stdio: ['ignore', 'inherit', 'inherit'], detached: true })
    const end = (signal) => {
      try {
        process.kill(-child.pid, signal)
      } catch (error) {
        if (error.code !== 'ESRCH') throw error
      }
    }
    let timedOut = false
    let killer
    const limit = setTimeout(() => {
      timedOut = true
      end('SIGTERM')
      killer = setTimeout(() => end('SIGKILL'), 20_000)
    }, limitS * 1000)
    const forward = () => end('SIGTERM')
    process.once('SIGTERM', forward).once('SIGINT', forward)
    const done = (outcome) => {
      clearTimeout(limit)
      clearTimeout(killer)
      process.off('SIGTERM', forward).off('SIGINT', forward)
      resolve(outcome)
    }
    child.once('error', (error) => done({ ok: false, why: error.message }))
    child.once('exit', (code, signal) => {
      end('SIGKILL')
      const why = timedOut ? `not finished after ${limitS} s` : `exit ${code ?? signal}`
      done({ ok: code === 0 && !timedOut, why })
    })
  })
}

/** What a failure says, on one line: the message up to the stack. What a command printed comes last, and its end tells most. */
function reasonOf(failure) {
  const message = failure.split(/\n\s+at /)[0].replace(/\s+/g, ' ').trim()
  return message.length <= 600 ? message : `${message.slice(0, 200)} … ${message.slice(-400)}`
}

/** Counts of one vitest report, by project (the folder below test/, native tests count as contract). */
function readReport(file, projects) {
  const rows = new Map(projects.map((project) => [project, { name: project, passed: 0, failed: 0, skipped: 0, notes: [], failures: [] }]))
  if (!existsSync(file)) return rows
  for (const result of JSON.parse(readFileSync(file, 'utf8')).testResults) {
    const folder = /\/test\/([^/]+)\//.exec(result.name)?.[1]
    const row = rows.get(folder) ?? rows.get(projects[0])
    for (const { status, fullName, failureMessages } of result.assertionResults) {
      if (status === 'passed') row.passed++
      else if (status === 'failed') {
        row.failed++
        const why = reasonOf(failureMessages[0] ?? '')
        // The steps of a story after the one that failed.
        if (!why.includes('an earlier step failed')) row.failures.push(`${folder ?? row.name}: ${fullName}: ${why}`)
      } else row.skipped++
    }
    if (result.status === 'failed' && !result.assertionResults.some(({ status }) => status === 'failed')) {
      row.failed++ // the file itself could not be run
      row.notes.push(result.name)
    }
  }
  return rows
}

async function runStep(step) {
  const begun = performance.now()
  const file = `${reports}/${step.name}.json`
  const command = step.command ?? [
    'node_modules/.bin/vitest',
    'run',
    ...step.projects.flatMap((project) => ['--project', project]),
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${file}`,
  ]
  console.log(`\n=== ${step.name}: ${command.join(' ')}`)
  const { ok, why } = await run(command, step.limitS)
  const seconds = (performance.now() - begun) / 1000
  if (step.projects === undefined) {
    return [{ name: step.name, passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0, notes: ok ? [] : [why], seconds }]
  }
  const rows = [...readReport(file, step.projects).values()]
  if (!existsSync(file)) rows[0].notes.push(`no report: ${why}`) // the runner crashed or was ended
  for (const row of rows) {
    if (row.passed + row.failed === 0) {
      row.failed = 1
      row.notes.push('ran no test')
    }
  }
  // For instance an error outside any test, a crash of the runner or the time limit.
  if (!ok && rows.every((row) => row.failed === 0)) {
    rows[0].failed++
    rows[0].notes.push(why)
  } else if (why.startsWith('not finished')) {
    rows[0].notes.push(why)
  }
  rows[0].seconds = seconds
  return rows
}

function print(rows) {
  console.log('\nsuite      passed  failed  skipped  seconds')
  for (const { name, passed, failed, skipped, seconds, notes } of rows) {
    const figures = [passed, failed, skipped].map((count, index) => String(count).padStart([8, 8, 9][index]))
    console.log(`${name.padEnd(9)}${figures.join('')}${(seconds?.toFixed(1) ?? '').padStart(9)}  ${notes.join(', ')}`.trimEnd())
  }
}

rmSync(reports, { recursive: true, force: true })
mkdirSync(reports, { recursive: true })
const quick = process.argv.includes('--quick')
const rows = []
for (const step of steps.filter((candidate) => !(quick && candidate.slow))) {
  const added = await runStep(step)
  rows.push(...added)
  if (step.stopOnFailure && added.some((row) => row.failed > 0)) break
}
print(rows)
// Last of all, because the end of a long output is what is looked at first.
for (const failure of rows.flatMap(({ failures = [] }) => failures)) console.log(`failed: ${failure}`)
const total = (key) => rows.reduce((sum, row) => sum + row[key], 0)
const summary = `${total('passed')} passed, ${total('failed')} failed`
writeFileSync(`${reports}/summary`, `${summary}\n`)
console.log(summary)
process.exitCode = total('failed') === 0 ? 0 : 1
