/** What PowerDNS 4.7.3 asks of a remote backend, as it was seen on the socket, and our answers. */
import { describe, expect, it } from 'vitest'
import { answerQuestion, Question } from '../../../../src/adapters/pdns/answers.ts'
import type { DnsZone } from '../../../../src/ports/dns.ts'

const record = (type: string, content: string) => ({ type, content, ttlS: 30 })
const zone = (name: string, records: [string, ReturnType<typeof record>[]][]): DnsZone => {
  return { name, serial: 7, records: new Map([[name, [record('SOA', `ns. h. 7 1 1 1 1`)]], ...records]) }
}
const zones = new Map(
  [
    zone('shop.lab.', [['web.shop.lab.', [record('A', '10.0.0.5'), record('AAAA', 'fd00::5')]]]),
    zone('eu.shop.lab.', [['web.eu.shop.lab.', [record('A', '10.0.1.5')]]]),
  ].map((each) => [each.name, each]),
)
const ask = (text: string) => answerQuestion(Question.parse(JSON.parse(text)), zones)

describe('PowerDNS', () => {
  it('begins', () => {
    expect(
      ask('{"method": "initialize", "parameters": {"command": "x", "path": "/x", "timeout": "2000", "type": "unix"}}'),
    ).toBe(true)
  })

  it.each([
    ['any record of a name', 'WEB.shop.lab.', 'ANY', ['10.0.0.5', 'fd00::5']],
    ['those of a type', 'web.shop.lab', 'AAAA', ['fd00::5']],
    ['the zone’s first record', 'shop.lab.', 'SOA', ['ns. h. 7 1 1 1 1']],
    ['a name of the zone below', 'web.eu.shop.lab.', 'ANY', ['10.0.1.5']],
  ])('looks up %s', (_, qname, qtype, contents) => {
    const parameters = {
      local: '0.0.0.0',
      qname,
      qtype,
      'real-remote': '10.0.0.9/32',
      remote: '10.0.0.9',
      'zone-id': -1,
    }
    const answer = ask(JSON.stringify({ method: 'lookup', parameters })) as { content: string; auth: number }[]
    expect(answer.map(({ content }) => content)).toEqual(contents)
    expect(answer.every(({ auth }) => auth === 1)).toBe(true)
  })

  it('looks up in one zone only when it says which', () => {
    const lookup = (id: number) =>
      ask(`{"method":"lookup","parameters":{"qname":"web.eu.shop.lab.","qtype":"ANY","zone-id":${id}}}`)
    expect([lookup(1), lookup(2)]).toEqual([false, [expect.objectContaining({ domain_id: 2 })]])
  })

  it('finds nothing where there is nothing, and is not given what we do not do', () => {
    expect(ask('{"method":"lookup","parameters":{"qname":"none.shop.lab.","qtype":"ANY"}}')).toBe(false)
    expect(ask('{"method":"lookup","parameters":{"qname":"shop.example.","qtype":"SOA"}}')).toBe(false)
    expect(ask('{"method":"feedRecord","parameters":{}}')).toBe(false)
  })

  it('copies a zone and knows its serial', () => {
    const list = ask('{"method":"list","parameters":{"zonename":"shop.lab.","domain_id":1}}') as unknown[]
    expect(list).toHaveLength(3)
    expect(ask('{"method":"getDomainInfo","parameters":{"name":"shop.lab."}}')).toMatchObject({ serial: 7, id: 1 })
    expect(ask('{"method":"list","parameters":{"zonename":"none."}}')).toBe(false)
  })
})
