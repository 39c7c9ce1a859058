// evaluate.mjs URL EXPRESSION    evaluates in the Node process whose inspector is at URL, prints the value as JSON
import WebSocket from 'ws'

const [, , url, expression] = process.argv
const socket = new WebSocket(url)
socket.on('open', () => {
  socket.send(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression, returnByValue: true } }))
})
socket.on('message', (data) => {
  const { id, result } = JSON.parse(String(data))
  if (id !== 1) return
  socket.close()
  if (result?.exceptionDetails !== undefined || result?.result?.value === undefined) {
    console.error(String(data))
    process.exitCode = 1
    return
  }
  console.log(JSON.stringify(result.result.value))
})
socket.on('error', (error) => {
  console.error(error.message)
  process.exitCode = 1
})
