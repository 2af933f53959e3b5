import type { Io } from './io.ts';

/** `npm start` and `npx` forward a Ctrl-C that the terminal has also sent, so one press can arrive twice. */
const ECHO_MS = 300;

/**
 * Returns a signal that the first Ctrl-C aborts, so that work can end in order. A second one exits at once with 130, the shell's code
 * for it. Call `dispose` when the work is done, or Ctrl-C remains disabled.
 *
 * @param onPress called first at each press, with whether it is the first one
 */
export function listenForInterrupt(
  io: Io,
  onPress: (isFirst: boolean) => void,
): { signal: AbortSignal; dispose(): void } {
  const abort = new AbortController();
  let firstPressTime = 0;
  const dispose = io.onInterrupt(() => {
    const now = performance.now();
    if (!abort.signal.aborted) {
      firstPressTime = now;
      onPress(true);
      abort.abort();
    } else if (now - firstPressTime > ECHO_MS) {
      onPress(false);
      io.exit(130);
    }
  });
  return { signal: abort.signal, dispose };
}
