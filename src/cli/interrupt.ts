import type { Io } from './io.ts';

/** `npm start` and `npx` pass on a Ctrl-C that the terminal has sent already, so one press can arrive twice. */
const ECHO_MS = 300;

/**
 * A signal that the first Ctrl-C aborts, so that work can end in order; a second one exits at once with 130, the
 * shell's code for it. Call `dispose` when the work is done, or Ctrl-C stays caught.
 *
 * @param onPress Called at each press, before anything else, with whether it is the first.
 */
export function listenForInterrupt(
  io: Io,
  onPress: (isFirst: boolean) => void,
): { signal: AbortSignal; dispose(): void } {
  const abort = new AbortController();
  let firstAt = 0;
  const dispose = io.onInterrupt(() => {
    const now = performance.now();
    if (!abort.signal.aborted) {
      firstAt = now;
      onPress(true);
      abort.abort();
    } else if (now - firstAt > ECHO_MS) {
      onPress(false);
      io.exit(130);
    }
  });
  return { signal: abort.signal, dispose };
}
