/** The Unix socket at which the lease script of dnsmasq asks and tells. */
import { chmod, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { errorChain } from '../../model/errors.ts'
import type { LeaseBook } from '../../ports/dhcp.ts'
import type { Log } from '../../ports/log.ts'
import { leaseEvent, leaseLines, ScriptCall } from './lease-text.ts'

const MAX_BODY = 16_384

export type LeaseSocket = { close(): Promise<void> }

/** Listens at `path`, for root only. @throws Error when it cannot */
export async function openLeaseSocket(path: string, book: () => LeaseBook | undefined, log: Log): Promise<LeaseSocket> {
  await rm(path, { force: true })
  const server = createServer((request, response) => {
    answer(request, response, book()).catch((error: unknown) => {
      log.error({ error: errorChain(error) }, 'dnsmasq could not be answered')
      response.writeHead(503).end()
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  await chmod(path, 0o600)
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, book: LeaseBook | undefined): Promise<void> {
  const call = ScriptCall.parse(Object.fromEntries(new URLSearchParams(await bodyOf(request))))
  if (book === undefined) return void response.writeHead(503).end()
  if (call.action === 'init') {
    const { leases, serverDuid } = await book.read(call.vni)
    return void response.end(leaseLines(leases, serverDuid))
  }
  const event = leaseEvent(call)
  if (event !== undefined) book.note(call.vni, event)
  response.end()
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) {
    text += String(chunk)
    if (text.length > MAX_BODY) throw new Error('the call of the lease script is too long')
  }
  return text
}
