/** pvcapid's way to the consoles of guests: an upgrade at the node where the guest runs, passed on without looking inside. */
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { z } from 'zod'
import { ERROR_CODES, type ErrorCode, errorChain, PvcError } from '../../model/errors.ts'
import type { ConsoleDoor, ConsoleLink, ConsoleRequest } from '../../ports/console-door.ts'
import { readBody } from './body.ts'
import { type ClientOptions, createPeerClient } from './client.ts'
import { CONSOLE_PATH } from './console-upgrade.ts'

/** libvirt may take 10 s to open one. */
const OPEN_MS = 15_000

/** Creates the door; it keeps no connection. */
export function createConsoleDoor(options: ClientOptions): ConsoleDoor {
  const client = createPeerClient(options)
  return async (request) => {
    const { node, addresses, vm, isForced } = request
    const path = `${CONSOLE_PATH}?vm=${vm}${isForced ? '&force=1' : ''}`
    let reason = 'it has not said where it is'
    for (const address of addresses) {
      const signed = await client.sign({ node, address }, 'GET', path)
      if (signed.kind === 'answer') {
        const headers = { ...request.handshake, ...signed.value, connection: 'Upgrade', upgrade: 'websocket' }
        return openLink({ ...request, address, port: options.port, path, headers })
      }
      reason = signed.reason
    }
    throw new PvcError('PVC_HOST_FAILED', `Node ${node} cannot be asked for the console: ${reason}`)
  }
}

type Opening = ConsoleRequest & {
  readonly address: string
  readonly port: number
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

function openLink({ node, address, port, path, headers, signal }: Opening): Promise<ConsoleLink> {
  return new Promise((resolve, reject) => {
    const call = httpRequest({ host: address, port, path, headers, agent: false, signal })
    const fail = (reason: string) => {
      clearTimeout(timer)
      reject(new PvcError('PVC_HOST_FAILED', `Node ${node} did not open the console: ${reason}`))
      call.destroy()
    }
    const timer = setTimeout(() => fail(`no answer within ${OPEN_MS / 1000} s`), OPEN_MS)
    call.on('error', (error) => fail(errorChain(error)))
    call.on('upgrade', (response, socket, head) => {
      clearTimeout(timer)
      resolve({ socket, head, accept: String(response.headers['sec-websocket-accept'] ?? '') })
    })
    call.on('response', (response) => {
      refusalOf(response).then(
        (error) => {
          clearTimeout(timer)
          if (error) reject(error)
          else fail(`it answered ${response.statusCode}: does it run the same release?`)
        },
        (error: unknown) => fail(errorChain(error)),
      )
    })
    call.end()
  })
}

const Refusal = z.object({
  code: z.enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]),
  message: z.string(),
})

/** The node's reason in its own words; undefined when the answer is not one that we understand. */
async function refusalOf(response: IncomingMessage): Promise<PvcError | undefined> {
  const text = await readBody(response)
  if (response.statusCode !== 409) return undefined
  const parsed = Refusal.safeParse(JSON.parse(text))
  return parsed.success ? new PvcError(parsed.data.code, parsed.data.message) : undefined
}
