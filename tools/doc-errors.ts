import { ERROR_CODES } from '../src/model/errors.ts'

/** The error page: every code with what it means for an operator, in the order of the table. */
export function renderErrors(): string {
  const rows = Object.entries(ERROR_CODES).map(([code, meaning]) => `| \`${code}\` | ${meaning} |`)
  return [
    '# Error codes',
    '',
    'Generated from `src/model/errors.ts` by `npm run docs`; do not edit.',
    '',
    '| code | meaning |',
    '| --- | --- |',
    ...rows,
    '',
  ].join('\n')
}
