/** Lines kept of a console unless said otherwise, and the most that may be asked for. Apart from the schemas, for the command line. */
export const DEFAULT_CONSOLE_LINES = 1000
export const MAX_CONSOLE_LINES = 10_000
