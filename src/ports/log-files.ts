/** A log file that is held open, whatever becomes of its name. */
export type OpenLogFile = {
  /** `device:inode`. */
  readonly id: string
  sizeBytes(): Promise<number>
  /** Bytes from `offset`, at most `maxBytes`; fewer at the end of the file. */
  read(offset: number, maxBytes: number): Promise<Uint8Array>
  close(): Promise<void>
}

/**
 * The directory into which libvirt writes what guests print. Paths outside it are refused, and so is everything that is not
 * a regular file: the definition of a VM must not make the node show its other files.
 * @throws PVC_CONSOLE_UNREADABLE
 */
export type LogFiles = {
  /** Which file has this name now; undefined: none. */
  identify(path: string): Promise<{ readonly id: string; readonly sizeBytes: number } | undefined>
  /** Undefined: there is no file of this name. */
  open(path: string): Promise<OpenLogFile | undefined>
  /** Calls `listener` with the path of a file that changed, or undefined when any may have; hints only. */
  watch(listener: (path: string | undefined) => void): () => void
}
