import { checkObject, formatValue, tryRead } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';

/**
 * The part of a profile (see `profileStep`) that reports need.
 * @internal
 */
export interface ProfileFigures {
  adapter: { name: string; driver: string; isSoftware: boolean };
  clock: 'timestamps' | 'serialised';
  clockReason: string | null;
  ceilings: { fmaGflops: number; copyGBs: number };
  step: {
    ms: number;
    dispatches: number;
    submits: number;
    createdObjects: number;
    bytesUploaded: number;
    bytesMoved: number;
    flops: number;
    peakBytes: number;
  };
  dispatches: readonly {
    kernel: string;
    shapes: string;
    workgroups: readonly number[];
    ms: number;
    flops: number;
    bytes: number;
  }[];
  kernels: readonly {
    kernel: string;
    shapes: string;
    calls: number;
    ms: number;
    share: number;
    flops: number;
    bytes: number;
    gflops: number;
    gbs: number;
    ofFma: number;
    ofCopy: number;
  }[];
}

/**
 * An event of the Trace Event Format; times in microseconds.
 * @inline
 */
export interface TraceEvent {
  /** What happened. */
  name: string;
  /** X: a span; M: a name for a process or thread. */
  ph: 'X' | 'M';
  /** Number of the process. */
  pid: number;
  /** Number of the thread, which is a track of the drawing. */
  tid: number;
  /** Its beginning. */
  ts?: number;
  /** Its duration. */
  dur?: number;
  /** Values that are shown when it is selected. */
  args: Record<string, unknown>;
}

/**
 * Converts a profile to a file for chrome://tracing or ui.perfetto.dev: the dispatches of a step one after another on a GPU track.
 * Their times are medians, so gaps between them are not shown.
 * @param profile the result of `profileStep` or `profileProgram`
 * @returns plain data, to be written as JSON
 * @throws ArgumentError for anything else
 */
export function chromeTrace(profile: ProfileFigures): {
  /** Unit that times are shown in. */
  displayTimeUnit: 'ms';
  /** The events in order. */
  traceEvents: TraceEvent[];
} {
  checkObject('chromeTrace', profile);
  return tryRead('chromeTrace', () => {
    if (isComplete(profile)) return traceOf(profile);
    throw new ArgumentError(
      `chromeTrace: takes what profileStep or profileProgram returned, but was given ${formatValue(profile)}`,
    );
  });
}

/** Whether a profile has everything that a trace shows. */
function isComplete({ adapter, clock, dispatches }: ProfileFigures): boolean {
  const areTexts = (...values: unknown[]) => values.every((value) => typeof value === 'string');
  const areNumbers = (...values: unknown[]) => values.every((value) => typeof value === 'number');
  return (
    areTexts(adapter?.name, adapter?.driver, clock) &&
    Array.isArray(dispatches) &&
    Array.from(dispatches).every(
      (dispatch) =>
        areTexts(dispatch?.kernel, dispatch?.shapes) &&
        areNumbers(dispatch.ms, dispatch.flops, dispatch.bytes) &&
        Array.isArray(dispatch.workgroups) &&
        areNumbers(...dispatch.workgroups),
    )
  );
}

function traceOf(profile: ProfileFigures): ReturnType<typeof chromeTrace> {
  const [pid, tid] = [1, 1];
  const { name, driver, isSoftware } = profile.adapter;
  const gpuName = `GPU: ${name}${isSoftware ? ' (CPU)' : ''}, ${driver}`;
  const traceEvents: TraceEvent[] = [
    { name: 'process_name', ph: 'M', pid, tid, args: { name: gpuName } },
    { name: 'thread_name', ph: 'M', pid, tid, args: { name: `dispatches of a step (${profile.clock})` } },
  ];
  let ts = 0;
  for (const { kernel, shapes, workgroups, ms, flops, bytes } of profile.dispatches) {
    const dur = 1000 * ms;
    const args = {
      shapes,
      workgroups: workgroups.join(' x '),
      flops,
      bytes,
      gflops: flops / ms / 1e6,
      gbs: bytes / ms / 1e6,
    };
    traceEvents.push({ name: kernel, ph: 'X', pid, tid, ts, dur, args });
    ts += dur;
  }
  return { displayTimeUnit: 'ms', traceEvents };
}
