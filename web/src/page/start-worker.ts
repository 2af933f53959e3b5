/**
 * Starts the worker of a page.
 * @param file beside the page's script
 * @param fail told in words where it cannot be loaded, or where it throws what nobody catches
 */
export function startWorker(file: string, fail: (message: string) => void): Worker {
  const worker = new Worker(new URL(file, import.meta.url), { type: 'module' });
  worker.addEventListener('error', ({ message }) => {
    fail(
      message
        ? `The worker of this page has failed (${message}): load the page again.`
        : 'The worker of this page cannot be loaded: check the connection, and load the page again, in a browser that has workers of modules.',
    );
  });
  return worker;
}
