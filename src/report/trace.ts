import { checkObject, readable, show } from '../check.ts';
import { ArgumentError } from '../errors.ts';

/** What a report needs of a profile (see `profileStep`). */
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

/** An event of the Trace Event Format; times in microseconds. */
export interface TraceEvent {
  name: string;
  /** X: a span; M: a name for a process or thread. */
  ph: 'X' | 'M';
  pid: number;
  tid: number;
  ts?: number;
  dur?: number;
  args: Record<string, unknown>;
}

/**
 * The profile as a file for chrome://tracing or ui.perfetto.dev: the dispatches of a step one after another on a GPU track.
 * Their times are medians, so that gaps between them do not show.
 */
export function chromeTrace(profile: ProfileFigures): { displayTimeUnit: 'ms'; traceEvents: TraceEvent[] } {
  checkObject('chromeTrace', profile);
  const whole = readable(
    'chromeTrace',
    () =>
      profile.adapter &&
      Array.isArray(profile.dispatches) &&
      profile.dispatches.every((one) => Array.isArray(one?.workgroups)),
  );
  if (!whole) {
    throw new ArgumentError(
      `chromeTrace: takes what profileStep or profileProgram returned, but was given ${show(profile)}`,
    );
  }
  const [pid, tid] = [1, 1];
  const { name, driver, isSoftware } = profile.adapter;
  const gpu = `GPU: ${name}${isSoftware ? ' (CPU)' : ''}, ${driver}`;
  const traceEvents: TraceEvent[] = [
    { name: 'process_name', ph: 'M', pid, tid, args: { name: gpu } },
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
