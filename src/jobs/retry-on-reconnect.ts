/** Time between attempts. */
const RETRY_MS = 200;
const CODES = ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'];

/** Whether an error means that the server went away or is still starting, not that the command was wrong. */
export function isConnectionError(error: unknown): boolean {
  const { code, message } = Object(error) as { code?: unknown; message?: unknown };
  if (CODES.includes(String(code))) return true;
  return /^Connection is closed|^Command aborted due to connection close|^(LOADING|MASTERDOWN) /.test(String(message));
}

/**
 * Calls `send`, and repeats it each time the connection is cut during the call. Commands that are sent while a connection is lost wait by
 * themselves. A command that was being processed may fail although the server executed it, so repeating `send` must be harmless.
 * @param signal ends the attempts
 */
export async function retryOnReconnect<T>(send: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await send();
    } catch (error) {
      if (!isConnectionError(error) || signal?.aborted) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}
