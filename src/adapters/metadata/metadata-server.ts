/** The server of guests' metadata: plain HTTP, as EC2 and cloud-init have it. */
import { createServer, type Server } from 'node:http'
import { errorChain, PvcError } from '../../model/errors.ts'
import type { Log } from '../../ports/log.ts'
import type { MetadataServer } from '../../ports/metadata.ts'

/** A guest that asks slowly holds nothing up for long. */
const REQUEST_MS = 5000
/** A guest that opens connections without end takes none from the others for long. */
const MAX_CONNECTIONS = 256

export function createMetadataServer({ log }: { readonly log: Log }): MetadataServer {
  let server: Server | undefined
  return {
    async start({ address, port }, answer) {
      if (server?.listening) return
      const fresh = createServer({ requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS }, (request, response) => {
        const peer = (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '')
        if (request.method !== 'GET' && request.method !== 'HEAD') return void response.writeHead(405).end()
        answer({ path: request.url ?? '/', peer }).then(
          ({ status, body }) => response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(body),
          (error: unknown) => {
            log.error({ peer, error: errorChain(error) }, 'a guest could not be told about itself')
            response.writeHead(503).end()
          },
        )
      })
      fresh.maxConnections = MAX_CONNECTIONS
      fresh.keepAliveTimeout = 1000
      await new Promise<void>((resolve, reject) => {
        fresh.once('error', (error) => {
          reject(new PvcError('PVC_NETWORK_FAILED', `${address} port ${port} cannot be listened at`, { cause: error }))
        })
        fresh.listen(port, address, resolve)
      })
      server = fresh
    },
    stop() {
      const old = server
      server = undefined
      if (old === undefined) return Promise.resolve()
      return new Promise((resolve) => {
        old.close(() => resolve())
        old.closeAllConnections()
      })
    },
  }
}
