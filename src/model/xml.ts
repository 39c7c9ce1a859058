import { PvcError } from './errors.ts'

/**
 * A small strict XML reader for libvirt documents: it says where and why a text is not XML, keeps the position of every
 * element so that a document can be edited without being re-written, and refuses DOCTYPE, so entities cannot grow.
 */
export type XmlElement = {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly children: readonly XmlElement[]
  /** Text directly inside, without that of children, trimmed. */
  readonly text: string
  /** 1 for the first line. */
  readonly line: number
  /** Offset of `<` of the start tag. */
  readonly start: number
  /** Offset after `>` of the end tag. */
  readonly end: number
}

const NAME = /[A-Za-z_:][A-Za-z0-9_.:-]*/y
const SPACE = /\s*/y
const MAX_DEPTH = 64

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }

/** Parses a whole document. @throws PVC_XML_INVALID with line and reason. */
export function parseXml(text: string): XmlElement {
  return new XmlReader(text).document()
}

/** First child with the name. */
export function child(element: XmlElement | undefined, name: string): XmlElement | undefined {
  return element?.children.find((item) => item.name === name)
}

/** All children with the name. */
export function children(element: XmlElement | undefined, name: string): readonly XmlElement[] {
  return element?.children.filter((item) => item.name === name) ?? []
}

/** Makes text safe as element content or attribute value. */
export function escapeXml(text: string): string {
  return text.replace(/[<>&"']/g, (char) => `&#${char.codePointAt(0)};`)
}

/** An error about a definition at a line. */
export function xmlError(line: number, reason: string): PvcError {
  return new PvcError('PVC_XML_INVALID', `The VM definition is not usable: line ${line}: ${reason}.`, {
    details: { line, reason },
  })
}

class XmlReader {
  readonly #text: string
  #at = 0
  /** The last line number worked out, and where: elements come in order, so counting goes on from there. */
  #counted = { at: 0, line: 1 }

  constructor(text: string) {
    this.#text = text
  }

  document(): XmlElement {
    if (this.#text.charCodeAt(0) === 0xfeff) this.#at = 1
    this.#misc(true)
    if (this.#text[this.#at] !== '<') throw this.#error(this.#at, 'the document has no element')
    const root = this.#element(0)
    this.#misc(false)
    if (this.#at < this.#text.length) throw this.#error(this.#at, `text after the end of <${root.name}>`)
    return root
  }

  #error(at: number, reason: string): PvcError {
    return xmlError(this.#line(at), reason)
  }

  #line(at: number): number {
    let { at: from, line } = at >= this.#counted.at ? this.#counted : { at: 0, line: 1 }
    for (;;) {
      const newline = this.#text.indexOf('\n', from)
      if (newline < 0 || newline >= at) break
      from = newline + 1
      line += 1
    }
    this.#counted = { at: from, line }
    return line
  }

  #startsWith(token: string): boolean {
    return this.#text.startsWith(token, this.#at)
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0] ?? ''
    this.#at += found.length
    return found
  }

  /** Moves behind `end`, and returns what lies before it. */
  #until(end: string, what: string): string {
    const from = this.#at
    const to = this.#text.indexOf(end, from)
    if (to < 0) throw this.#error(from, `${what} is not closed`)
    this.#at = to + end.length
    return this.#text.slice(from, to)
  }

  /** Skips space, comments and processing instructions outside the root element. */
  #misc(isProlog: boolean): void {
    for (;;) {
      this.#match(SPACE)
      if (this.#startsWith('<!--')) this.#comment()
      else if (this.#startsWith('<?')) this.#until('?>', 'a processing instruction')
      else if (isProlog && this.#startsWith('<!')) throw this.#error(this.#at, 'DOCTYPE is not accepted')
      else return
    }
  }

  #comment(): void {
    this.#at += 4
    this.#until('-->', 'a comment')
  }

  #element(depth: number): XmlElement {
    const start = this.#at
    if (depth > MAX_DEPTH) throw this.#error(start, `more than ${MAX_DEPTH} elements inside each other`)
    this.#at += 1
    const name = this.#match(NAME)
    if (name === '') throw this.#error(start, 'a tag has no name')
    const attributes = this.#attributes(name)
    const line = this.#line(start)
    if (this.#startsWith('/>')) {
      this.#at += 2
      return { name, attributes, children: [], text: '', line, start, end: this.#at }
    }
    if (!this.#startsWith('>')) throw this.#error(this.#at, `the tag <${name}> is not closed`)
    this.#at += 1
    const { children, text } = this.#content(name, line, depth)
    return { name, attributes, children, text, line, start, end: this.#at }
  }

  #attributes(name: string): Record<string, string> {
    const attributes: Record<string, string> = Object.create(null)
    for (;;) {
      const space = this.#match(SPACE)
      const at = this.#at
      const key = this.#match(NAME)
      if (key === '') return attributes
      if (space === '') throw this.#error(at, `<${name}> needs a space before the attribute ${key}`)
      this.#match(SPACE)
      if (!this.#startsWith('=')) throw this.#error(at, `the attribute ${key} of <${name}> has no value`)
      this.#at += 1
      this.#match(SPACE)
      const quote = this.#text[this.#at]
      if (quote !== '"' && quote !== "'") throw this.#error(at, `the value of ${key} of <${name}> is not in quotes`)
      this.#at += 1
      const value = this.#until(quote, `the value of ${key} of <${name}>`)
      if (value.includes('<')) throw this.#error(at, `the value of ${key} of <${name}> contains <`)
      if (key in attributes) throw this.#error(at, `<${name}> has the attribute ${key} twice`)
      attributes[key] = this.#decode(value, at)
    }
  }

  #content(name: string, line: number, depth: number): { children: XmlElement[]; text: string } {
    const children: XmlElement[] = []
    const parts: string[] = []
    for (;;) {
      const from = this.#at
      const next = this.#text.indexOf('<', from)
      if (next < 0) throw xmlError(line, `<${name}> is not closed`)
      if (next > from) parts.push(this.#decode(this.#text.slice(from, next), from))
      this.#at = next
      if (this.#startsWith('</')) {
        this.#closeTag(name, line)
        return { children, text: parts.join('').trim() }
      }
      if (this.#startsWith('<!--')) this.#comment()
      else if (this.#startsWith('<![CDATA[')) {
        this.#at += 9
        parts.push(this.#until(']]>', 'a CDATA section'))
      } else if (this.#startsWith('<?')) this.#until('?>', 'a processing instruction')
      else children.push(this.#element(depth + 1))
    }
  }

  #closeTag(name: string, line: number): void {
    const at = this.#at
    this.#at += 2
    const closing = this.#match(NAME)
    if (closing !== name) throw this.#error(at, `</${closing}> closes <${name}> of line ${line}`)
    this.#match(SPACE)
    if (!this.#startsWith('>')) throw this.#error(at, `the tag </${name}> is not closed`)
    this.#at += 1
  }

  #decode(text: string, at: number): string {
    if (!text.includes('&')) return text
    return text.replace(/&([^;&]{0,12});?/g, (whole, name: string) => {
      if (!whole.endsWith(';')) throw this.#error(at, '& must be written as &amp;')
      const known = ENTITIES[name]
      if (known !== undefined) return known
      const number = /^#(?:x([0-9a-fA-F]{1,6})|(\d{1,7}))$/.exec(name)
      const code = number ? Number.parseInt(number[1] ?? number[2] ?? '', number[1] ? 16 : 10) : -1
      if (code <= 0 || code > 0x10ffff) throw this.#error(at, `unknown entity &${name};`)
      return String.fromCodePoint(code)
    })
  }
}
