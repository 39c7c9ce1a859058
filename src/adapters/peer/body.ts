import type { IncomingMessage } from 'node:http'
import { MAX_BODY_BYTES } from './verbs.ts'

/** The whole body as text. @throws Error when it is too long or breaks off */
export async function readBody(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of message) {
    const part = Buffer.from(chunk)
    length += part.length
    if (length > MAX_BODY_BYTES) throw new Error(`more than ${MAX_BODY_BYTES} bytes`)
    chunks.push(part)
  }
  return Buffer.concat(chunks).toString('utf8')
}
