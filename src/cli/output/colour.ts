/** Makes a piece of text coloured, or leaves it as it is. */
export type Paint = (text: string) => string

const CODES = {
  red: 91,
  green: 92,
  yellow: 93,
  blue: 94,
  purple: 95,
  cyan: 96,
  bold: 1,
} as const

export type ColourName = keyof typeof CODES
export type Palette = Readonly<Record<ColourName | 'plain', Paint>>

const plain: Paint = (text) => text

/** A palette of ANSI colours, or one that changes nothing. Empty text stays empty. */
export function createPalette(isColoured: boolean): Palette {
  const paint = (name: ColourName): Paint =>
    isColoured ? (text) => (text === '' ? '' : `\x1b[${CODES[name]}m${text}\x1b[0m`) : plain
  return {
    plain,
    red: paint('red'),
    green: paint('green'),
    yellow: paint('yellow'),
    blue: paint('blue'),
    purple: paint('purple'),
    cyan: paint('cyan'),
    bold: paint('bold'),
  }
}

/**
 * Whether output is coloured: `--colour` wins, then PVC_COLOUR, then NO_COLOR (any text in it), then the terminal.
 */
export function shouldColour(choice: {
  readonly isForced: boolean
  readonly noColor: string | undefined
  readonly isTty: boolean
}): boolean {
  if (choice.isForced) return true
  if (choice.noColor !== undefined && choice.noColor !== '') return false
  return choice.isTty
}

/** Colour of a health figure: green above 90, yellow above 50, else red; blue when it is not a figure. */
export function healthColour(health: unknown): ColourName {
  if (typeof health !== 'number' || health < 0) return 'blue'
  if (health > 90) return 'green'
  return health > 50 ? 'yellow' : 'red'
}
