/**
 * A text as a terminal would show it in the end: of a line that was written over, as progress bars are, what stood there last.
 */
export function settled(text: string): string {
  return text
    .split('\n')
    .map((line) => line.split('\r').findLast((part) => part !== '') ?? '')
    .join('\n')
}
