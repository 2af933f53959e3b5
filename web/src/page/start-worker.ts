/**
 * Starts the worker of a page.
 * @param file path relative to the page's script
 * @param fail called with a message if the worker cannot be loaded, or throws an uncaught error
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
