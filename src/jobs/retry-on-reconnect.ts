/** Between two attempts. */
const RETRY_MS = 200;
const CODES = ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'];

/** Whether an error tells that a command came to a server that went away or is still starting, and nothing of the command itself. */
export function isConnectionError(error: unknown): boolean {
  const { code, message } = Object(error) as { code?: unknown; message?: unknown };
  if (CODES.includes(String(code))) return true;
  return /^Connection is closed|^Command aborted due to connection close|^(LOADING|MASTERDOWN) /.test(String(message));
}

/**
 * Asks a server for something, again each time that the connection is cut while it is under way. Commands that are sent while a connection is
 * lost wait by themselves; one that was under way may end with an error, whether or not the server did it: `ask` must be harmless twice.
 * @param signal ends the attempts
 */
export async function retryOnReconnect<T>(ask: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!isConnectionError(error) || signal?.aborted) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}
