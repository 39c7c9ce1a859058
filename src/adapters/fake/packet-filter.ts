import type { FilterTable, PacketFilter } from '../../ports/packet-filter.ts'

/** nftables as far as whole tables go: knows names and chains, refuses what it is told to. */
export class FakePacketFilter implements PacketFilter {
  /** Every text that it was given, also refused ones. */
  readonly texts: string[] = []
  /** How often tables were listed. */
  looks = 0
  /** Texts with these words are refused. */
  refuses: RegExp | undefined
  #tables = new Map<string, readonly string[]>()

  async tables(): Promise<readonly FilterTable[]> {
    this.looks += 1
    return [...this.#tables].map(([key, chains]) => {
      const [family = '', name = ''] = key.split(' ')
      return { family, name, chains }
    })
  }

  async apply(text: string): Promise<string | undefined> {
    this.texts.push(text)
    if (this.refuses?.test(text)) return 'syntax error'
    for (const [, verb, key = ''] of text.matchAll(/^(delete )?table (\S+ \S+)/gm)) {
      if (verb !== undefined) this.#tables.delete(key)
      else this.#tables.set(key, chainsOf(text, key))
    }
    return undefined
  }

  /** Names of the tables there are, as `family name`. */
  names(): readonly string[] {
    return [...this.#tables.keys()]
  }

  /** Somebody removes all tables by hand. */
  flush(): void {
    this.#tables.clear()
  }
}

function chainsOf(text: string, key: string): readonly string[] {
  const body = text.slice(text.indexOf(`\ntable ${key} {`)).split('\n}\n')[0] ?? ''
  return [...body.matchAll(/^ {2}chain (\S+) \{$/gm)].map(([, name = '']) => name)
}
