import { CommandFailure, EXIT } from './failure.ts'
import { type AnswerText, TransportError } from './transport.ts'

/** The server answered with an error status; the message is for people. */
export class ApiFailure extends CommandFailure {
  readonly status: number
  constructor(status: number, message: string) {
    super(message, EXIT.failed)
    this.name = 'ApiFailure'
    this.status = status
  }
}

/** The server is there but cannot serve now: another try, or another address, may work. */
export const PASSING_STATUSES: readonly number[] = [502, 503, 504]

/** True for a failure that a later try may not meet: no answer, or a server that cannot serve now. */
export function isPassingFailure(error: unknown): error is CommandFailure {
  if (error instanceof ApiFailure) return PASSING_STATUSES.includes(error.status)
  return error instanceof CommandFailure && error.cause instanceof TransportError
}

function parseJson(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown }
  } catch {
    return undefined
  }
}

/** The sentence of an error body: a text, or one text per bad argument. */
function errorText(body: unknown): string | undefined {
  const message = typeof body === 'object' && body !== null && 'message' in body ? body.message : undefined
  if (typeof message === 'string' && message !== '') return message
  if (typeof message !== 'object' || message === null) return undefined
  const parts = Object.entries(message).map(([name, text]) => argumentText(name, String(text)))
  return parts.length === 0 ? undefined : `${parts.join('; ')}.`
}

/** `node is not known`, whether or not the server's text names the argument itself. */
function argumentText(name: string, text: string): string {
  const reason = text.replace(/\.$/, '')
  if (reason.startsWith(`${name} `)) return reason
  return /^(must|is|has|cannot)\b/.test(reason) ? `${name} ${reason}` : `${name}: ${reason}`
}

const HINTS: Readonly<Record<number, string>> = {
  401: 'Give this connection a valid key: pvc connection add NAME ... --api-key KEY.',
  403: 'Use a connection whose key has a higher role.',
  503: 'Try again in a moment.',
}

/** Codes of refusals that no later try passes. */
const LASTING_CODES: readonly string[] = ['PVC_STORE_SCHEMA', 'PVC_STORE_WATCH_LIMIT']

const LOCAL_KEY_HINT =
  'On a coordinator run "rm -f /etc/pvc/api-token; systemctl restart pvcapid", which makes a new key; on another server copy a valid key into that file.'

/** What a person can do about an answer. */
function hintFor({ status, errorCode }: AnswerText, isLocal: boolean): string | undefined {
  if (status === 401 && isLocal) return LOCAL_KEY_HINT
  if (LASTING_CODES.includes(errorCode))
    return `It does not pass by itself: see ${errorCode} in the list of error codes.`
  return HINTS[status]
}

/**
 * The value of a good answer. `isLocal`: it is that of the connection `local`, whose key is this machine's.
 * @throws ApiFailure for an error status; CommandFailure for an answer that is not the API's.
 */
export function readAnswer(answer: AnswerText, origin: string, isLocal = false): unknown {
  const isGood = answer.status >= 200 && answer.status < 300
  const body = parseJson(answer.text)
  if (isGood && body) return body.value
  const text = errorText(body?.value)
  if (!isGood && text !== undefined) {
    const hint = hintFor(answer, isLocal)
    throw new ApiFailure(answer.status, hint === undefined ? text : `${text} ${hint}`)
  }
  if (!isGood && body) {
    throw new ApiFailure(
      answer.status,
      `${origin} answered with status ${answer.status} and no reason: look into the log of pvcapid.`,
    )
  }
  const kind = answer.contentType.split(';')[0] || 'no content type'
  throw new ApiFailure(
    answer.status,
    `${origin} did not answer as the PVC API does (status ${answer.status}, ${kind}): check the address and port of the connection.`,
  )
}

const TLS_CODES = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER/

function reasonOf(error: TransportError): string {
  if (TLS_CODES.test(error.code)) {
    return `its certificate is not trusted (${error.code}): set PVC_CLIENT_VERIFY_SSL=false to accept it, or NODE_EXTRA_CA_CERTS to a file with its authority`
  }
  switch (error.code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'its name cannot be resolved: check the address of the connection'
    case 'ECONNREFUSED':
      return 'nothing listens there: check the port, and that pvcapid runs'
    case 'ETIMEDOUT':
      return 'it did not accept the connection in time: check the address and the network'
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'there is no route to it: check the address and the network'
    case 'EPROTO':
      return 'it does not speak TLS: add the connection with --no-ssl'
    case 'HPE_INVALID_CONSTANT':
      return 'it does not speak HTTP: add the connection with --ssl, or check the port'
    default:
      return `${error.message || error.code}: check that it is pvcapid, and that --ssl or --no-ssl is right for it`
  }
}

/** What to tell a person whose request got no answer. */
export function unreachableFailure(error: TransportError, origins: readonly string[], isRead: boolean): CommandFailure {
  if (error.wasSent) {
    const what = error.code === 'EANSWER' ? error.message : `the connection was lost (${error.message})`
    const next = isRead ? 'Try again.' : 'It may have been carried out: look before you repeat it.'
    return new CommandFailure(`${origins.join(', ')} did not answer: ${what}. ${next}`, EXIT.failed, error)
  }
  const where = origins.length === 1 ? `The API at ${origins[0]}` : `No API of ${origins.join(', ')}`
  const verb = origins.length === 1 ? 'cannot be reached' : 'can be reached'
  return new CommandFailure(`${where} ${verb}: ${reasonOf(error)}.`, EXIT.failed, error)
}
