/** A guest's question: the path with its query, and the address it came from. */
export type MetadataQuestion = { readonly path: string; readonly peer: string }

/** `status` as in HTTP; the body is text. */
export type MetadataAnswer = { readonly status: number; readonly body: string }

/** The HTTP server that guests ask about themselves. */
export type MetadataServer = {
  /** Answers at this address from now on; nothing happens when it does already. @throws PVC_NETWORK_FAILED when it cannot */
  start(
    at: { readonly address: string; readonly port: number },
    answer: (question: MetadataQuestion) => Promise<MetadataAnswer>,
  ): Promise<void>
  stop(): Promise<void>
}
