import { ERROR_STATUS } from '../src/api/errors.ts'
import { ERROR_CODES, type ErrorCode } from '../src/model/errors.ts'

/** The error page: every code with its HTTP status and what it means for an operator, in the order of the table. */
export function renderErrors(): string {
  const rows = Object.entries(ERROR_CODES).map(
    ([code, meaning]) => `| \`${code}\` | ${ERROR_STATUS[code as ErrorCode]} | ${meaning} |`,
  )
  return [
    '# Error codes',
    '',
    'Generated from `src/model/errors.ts` and `src/api/errors.ts` by `npm run docs`; do not edit. The API sends the code in the header `X-Pvc-Error`.',
    '',
    '| code | HTTP status | meaning |',
    '| --- | --- | --- |',
    ...rows,
    '',
  ].join('\n')
}
