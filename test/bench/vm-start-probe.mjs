/**
 * One timed start of a VM through the API, run inside the lab's network: node vm-start-probe.mjs CONNECTIONS NAME ADDRESS VM.
 * Prints the milliseconds from the request to the answer "it runs", then stops the VM again. CONNECTIONS is pvc's
 * connection file, so that the token is never an argument.
 */
import { readFileSync } from 'node:fs'

const [file, name, address, vm] = process.argv.slice(2)
const { port, api_key: token } = JSON.parse(readFileSync(file, 'utf8'))[name]

async function power(state) {
  const url = `http://${address}:${port}/api/v1/vm/${vm}/state?state=${state}&wait=true`
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'X-Api-Key': token },
    signal: AbortSignal.timeout(60_000),
  })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${state}: ${answer.status} ${text}`)
}

// The first request would pay for the connection and for loading fetch.
await fetch(`http://${address}:${port}/api/v1/`, { signal: AbortSignal.timeout(10_000) }).then((answer) =>
  answer.text(),
)
const beganMs = performance.now()
await power('start')
console.log(performance.now() - beganMs)
await power('stop')
