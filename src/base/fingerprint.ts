/** A short text that differs, as good as certainly, when `text` differs. Not against somebody who wants two to be alike. */
export function fingerprint(text: string): string {
  let a = 0x811c9dc5
  let b = 0x41c6ce57
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index)
    a = Math.imul(a ^ code, 0x01000193)
    b = Math.imul(b ^ code, 0x5f356495) + (a >>> 15)
  }
  return [a, b].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('')
}
