/** The Unix socket at which PowerDNS asks for records: one JSON text per line, answered in order. */
import { rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { errorChain } from '../../model/errors.ts'
import type { DnsZone } from '../../ports/dns.ts'
import type { Log } from '../../ports/log.ts'
import { answerQuestion, Question } from './answers.ts'

const MAX_LINE = 65_536

export type RemoteSocket = { close(): Promise<void> }

/** Listens at `path`. @throws Error when it cannot */
export async function openRemoteSocket(
  path: string,
  zones: () => ReadonlyMap<string, DnsZone>,
  log: Log,
): Promise<RemoteSocket> {
  await rm(path, { force: true })
  const connections = new Set<Socket>()
  const server = createServer((connection) => {
    connections.add(connection)
    connection.on('close', () => connections.delete(connection))
    // PowerDNS has gone away and comes again by itself.
    connection.on('error', (error) => log.debug({ error: error.message }, 'PowerDNS left'))
    let rest = ''
    connection.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > MAX_LINE) return void connection.destroy()
      const answers = lines.filter((line) => line.trim() !== '').map((line) => answerLine(line, zones(), log))
      if (answers.length > 0) connection.write(answers.join(''))
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const connection of connections) connection.destroy()
      }),
  }
}

function answerLine(line: string, zones: ReadonlyMap<string, DnsZone>, log: Log): string {
  try {
    return `${JSON.stringify({ result: answerQuestion(Question.parse(JSON.parse(line)), zones) })}\n`
  } catch (error) {
    log.warn({ error: errorChain(error) }, 'a question of PowerDNS was not understood')
    return '{"result":false}\n'
  }
}
