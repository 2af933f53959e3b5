import { formatValue } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import { boundArrays } from './bound-arrays.ts';
import type { Device } from './device.ts';
import type { Program } from './recorder.ts';
import { Storage } from './storage.ts';

/** Measured times of a program's dispatches, and how they were measured. */
export interface Timing {
  /** `timestamps`: by the GPU's clock, around each dispatch of whole runs. `serialised`: each dispatch submitted and waited for alone. */
  clock: 'timestamps' | 'serialised';
  /** Why timestamps were not used; null if they were. */
  reason: string | null;
  /** Milliseconds of each dispatch; the median of several. */
  ms: number[];
  /** Milliseconds of a run of the whole program; the median of several. */
  programMs: number;
}

export interface TimingOptions {
  /** Seconds to spend; short kernels are timed more often, and a slow program may take longer. Default 5. */
  seconds?: number;
  /** Clock in milliseconds, for tests. Default `performance.now`. */
  now?: () => number;
}

/** @throws ArgumentError unless `seconds` is a positive number */
export function checkSeconds(subject: string, seconds: number): void {
  if (typeof seconds === 'number' && Number.isFinite(seconds) && seconds > 0) return;
  throw new ArgumentError(`${subject}: seconds must be positive, but is ${formatValue(seconds)}`);
}

/** Most queries of a query set, by WebGPU. */
const MAX_QUERIES = 4096;
const MIN_ROUNDS = 3;
const MAX_ROUNDS = 50;
/** Largest share of a submit and a wait in a measured time. */
const OVERHEAD_SHARE = 0.05;

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Timestamps of one run of a program: begin and end of each dispatch in nanoseconds, and the wall time of the run. */
export interface TimedRun {
  times: readonly bigint[];
  wallMs: number;
}

/**
 * Why timestamps are implausible; null if they are not. They must not run backwards, and dispatches must end one after another.
 * (A GPU may record the begin of a dispatch before it waits for the previous one.) They must fit into the wall time and account for a
 * fair part of it, and the clock's resolution must suffice for the measured times.
 */
export function distrustReason(runs: readonly TimedRun[]): string | null {
  for (const { times, wallMs } of runs) {
    // A dispatch ends neither before its begin nor before the end of the previous dispatch.
    if (times.some((end, i) => i % 2 === 1 && (end < times[i - 1]! || end < (times[i - 2] ?? end)))) {
      return 'they run backwards';
    }
    const span = Number(times.at(-1)! - times[0]!) / 1e6;
    if (span === 0) return 'they do not change';
    if (span > 1.05 * wallMs + 0.1)
      return `they add up to ${span.toFixed(1)} ms of ${wallMs.toFixed(1)} ms that passed`;
    if (span < 0.05 * wallMs)
      return `they account for only ${span.toFixed(1)} ms of ${wallMs.toFixed(1)} ms that passed`;
  }
  const dispatches = runs.flatMap(({ times }) => durations(times));
  const mean = dispatches.reduce((sum, ms) => sum + ms, 0) / dispatches.length;
  const resolution = resolutionOf(runs.flatMap(({ times }) => times));
  if (resolution > 0.05 * mean) {
    return `their resolution of ${(1000 * resolution).toFixed(0)} us is too coarse for dispatches of ${(1000 * mean).toFixed(0)} us`;
  }
  return null;
}

/** Milliseconds of each dispatch: from its begin, or from the end of the previous one if that is later, to its end. */
export function durations(times: readonly bigint[]): number[] {
  return Array.from({ length: times.length / 2 }, (_, i) => {
    const [begin, end] = [times[2 * i]!, times[2 * i + 1]!];
    const before = times[2 * i - 1] ?? begin;
    return Number(end - (before > begin ? before : begin)) / 1e6;
  });
}

/** Resolution of a clock in milliseconds: the greatest common divisor of the differences between timestamps. */
function resolutionOf(times: readonly bigint[]): number {
  const divisor = (a: bigint, b: bigint): bigint => (b === 0n ? a : divisor(b, a % b));
  const first = times.reduce((least, time) => (time < least ? time : least));
  return Number(times.reduce((so, time) => divisor(so, time - first), 0n)) / 1e6;
}

/**
 * Times every dispatch of a program: by the GPU's timestamps if they are plausible, else each dispatch alone. The program runs many
 * times; use `preserving` to restore what it writes.
 */
export async function timeProgram(device: Device, program: Program, options: TimingOptions = {}): Promise<Timing> {
  const { seconds = 5, now = () => performance.now() } = options;
  program.run(); // compiles
  await device.sync();
  const programMs = await timeWhole(device, program, 250 * seconds, now);
  const stamped = await timeByTimestamps(device, program, { rounds: Math.round((500 * seconds) / programMs), now });
  if (typeof stamped !== 'string') return { clock: 'timestamps', reason: null, ms: stamped, programMs };
  const ms = await timeSerialised(device, program, 750 * seconds, now);
  return { clock: 'serialised', reason: stamped, ms, programMs };
}

const clampRounds = (rounds: number) => Math.max(MIN_ROUNDS, Math.min(MAX_ROUNDS, rounds));

/** Milliseconds of the whole program, the median of several. */
async function timeWhole(device: Device, program: Program, budget: number, now: () => number): Promise<number> {
  const once = async (times: number) => {
    const begun = now();
    for (let i = 0; i < times; i++) program.run();
    await device.sync();
    const ms = now() - begun;
    device.noteRate(times * program.cost, Math.max(0, ms));
    return ms / times;
  };
  const first = await once(1);
  // Several runs in flight, as in training, where the host is a few steps ahead.
  const times = first < 20 ? 5 : 1;
  const rounds = clampRounds(Math.floor(budget / (times * first)));
  const all: number[] = [];
  for (let i = 0; i < rounds; i++) all.push(await once(times));
  return median(all);
}

/** Milliseconds of each dispatch by timestamps, or the reason why timestamps cannot be used. */
async function timeByTimestamps(
  device: Device,
  program: Program,
  { rounds, now }: { rounds: number; now: () => number },
): Promise<number[] | string> {
  const count = 2 * program.dispatches;
  if (!device.gpu.features.has('timestamp-query')) return 'the adapter has no timestamps';
  if (count > MAX_QUERIES) return `the program has more than ${MAX_QUERIES / 2} dispatches`;
  if (count === 0) return 'the program is empty';
  const querySet = device.gpu.createQuerySet({ type: 'timestamp', count });
  const usage = GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC;
  const buffer = device.gpu.createBuffer({ label: 'timestamps', size: 8 * count, usage });
  const resolved = new Storage(buffer, 0, 8 * count, null);
  try {
    const runs: TimedRun[] = [];
    for (let i = 0; i <= clampRounds(rounds); i++) {
      await device.sync();
      const begun = now();
      program.runTimed(querySet, buffer);
      const bytes = await device.read(resolved);
      // The first run is skipped: clock rates and caches may differ from later runs.
      if (i > 0) runs.push({ times: [...new BigUint64Array(bytes)], wallMs: now() - begun });
    }
    const doubt = distrustReason(runs);
    if (doubt) return `its timestamps cannot be trusted: ${doubt}`;
    const all = runs.map(({ times }) => durations(times));
    return program.commands.map((_, i) => median(all.map((ms) => ms[i]!)));
  } finally {
    querySet.destroy();
    buffer.destroy();
  }
}

/** Milliseconds of each dispatch, submitted alone, repeated until submit and wait are a small share. */
async function timeSerialised(device: Device, program: Program, budget: number, now: () => number): Promise<number[]> {
  const timed = async (submit: () => void) => {
    const begun = now();
    submit();
    await device.sync();
    return now() - begun;
  };
  const waits: number[] = [];
  for (let i = 0; i < 10; i++) waits.push(await timed(() => {}));
  const overhead = median(waits);
  const share = budget / program.dispatches / MIN_ROUNDS;
  const ms: number[] = [];
  // In order, so that the inputs of each dispatch have the same contents as in a whole run.
  for (let i = 0; i < program.dispatches; i++) {
    const first = Math.max((await timed(() => program.runOnly(i))) - overhead, 1e-4);
    const wanted = Math.max(1, Math.ceil(overhead / OVERHEAD_SHARE / first));
    const times = Math.max(1, Math.min(wanted, 2000, Math.floor(share / first)));
    const rounds: number[] = [];
    for (let round = 0; round < MIN_ROUNDS; round++)
      rounds.push((await timed(() => program.runOnly(i, times))) / times);
    ms.push(median(rounds));
  }
  return ms;
}

/** Runs `body`, then restores the arrays that `program` writes outside of its own buffers, such as weights and running sums. */
export async function preserving<T>(device: Device, program: Program, body: () => Promise<T>): Promise<T> {
  await device.ready(); // nothing is written if a kernel of the program is refused
  const copies = writtenOutside(program).map((array) => {
    const copy = device.allocate(array.bytes);
    device.copy(array, copy);
    return { array, copy };
  });
  const result = await body(); // after an error here, the device is unusable and nothing can be restored
  for (const { array, copy } of copies) {
    device.copy(copy, array);
    copy.release();
  }
  await device.sync();
  return result;
}

/** Ranges that a program writes but does not own, each once. */
function writtenOutside(program: Program): Storage[] {
  const found: Storage[] = [];
  for (const { array, written } of program.commands.flatMap(boundArrays)) {
    const known = found.some(
      ({ buffer, offset, bytes }) => buffer === array.buffer && offset === array.offset && bytes === array.bytes,
    );
    if (written && !known && !program.owns(array.buffer)) found.push(array);
  }
  return found;
}
