import { Tensor } from '../../autograd/tensor.ts';
import { formatValue, tryRead } from '../../base/check.ts';
import { ArgumentError, DataError } from '../../base/errors.ts';
import type { Program } from '../../gpu/recorder.ts';
import { DeviceArray } from '../../kernels/array.ts';
import { StepState } from '../../kernels/optimizers/step-state.ts';
import type { Trainable } from '../trainable.ts';
import {
  type Batches,
  type PassLimit,
  readBatch,
  type Step,
  type StepValues,
  type SubmitBatch,
} from './source-batches.ts';
import type { TargetEncoding } from './targets.ts';
import type { Arrays, BatchStream } from './training-data.ts';

/** Batch sizes whose programs are kept, each with the memory of what it computes on the way. */
const MOST_SIZES = 8;

/** A batch size's program, and the buffers its batches are sent to. */
interface BatchProgram {
  program: Program;
  x: DeviceArray;
  targets: DeviceArray;
}

type StreamIterator = AsyncIterator<Arrays> | Iterator<Arrays>;

/** Batches of a pass without a bound after which a note says how to bound it: an end cannot be foreseen. */
const LONG_PASS = 10_000;
/** Milliseconds that an aborted stream has to close in, as it may have stalled for good. */
const CLOSING_MS = 500;
/** Milliseconds after which it is said that a stream is closing still. */
const SLOW_CLOSING_MS = 10_000;
/** How the streams that the user handed over, rather than a function that begins them, were left. */
const left = new WeakMap<object, 'closed this stream' | 'took all batches of this stream'>();

/** Batches that come from the host, sent to the GPU one by one, to every replica; each size that occurs has a recorded program. */
export class StreamBatches implements Batches {
  readonly state: StepState;
  readonly samples = null;
  private readonly slots = new Map<number, BatchProgram>();
  /** The stream of the pass under way, or of all passes; null where there is none to close. */
  private iterator: StreamIterator | null = null;
  /** Whether a pass has begun, and whether one was noted to be long. */
  private begun = false;
  private noted = false;
  /** Batches of the next pass that were made before, and how many there are to take and drop. */
  private batchesDone = 0;
  private batchesToSkip = 0;

  constructor(
    private readonly subject: string,
    private readonly model: Trainable,
    private readonly begin: () => BatchStream,
    /** Told of the sort of targets before a batch is used. */
    private readonly setTargetEncoding: (subject: string, encoding: TargetEncoding) => void,
    private readonly step: Step,
    private readonly bound: PassLimit,
    /** Whether a pass goes on where the one before stopped. */
    private readonly continuesAcrossEpochs = false,
  ) {
    this.state = new StepState(model.device, model.replicas);
  }

  skip(passes: number, batches: number): void {
    this.batchesDone = batches;
    this.batchesToSkip = batches + (this.continuesAcrossEpochs ? passes * this.bound.count! : 0);
  }

  async *pass(signal?: AbortSignal): AsyncGenerator<SubmitBatch> {
    this.iterator ??= iteratorOf(this.subject, this.begin());
    const { iterator, begun, bound } = this;
    const { count: steps, name } = bound;
    const before = begun ? undefined : left.get(iterator);
    this.begun = true;
    let count = this.batchesDone;
    this.batchesDone = 0;
    try {
      await this.drop(iterator, signal);
      for (; count !== steps; count++) {
        if (steps === undefined && count === LONG_PASS) this.noteLength();
        const next = await this.next(iterator, signal);
        if (next?.done) break;
        const accepted = next && this.accept(next.value);
        if (accepted?.isFirst) await this.model.device.ready(); // as in `BatchRunner.prepare`
        yield accepted ? (values) => this.submit(accepted, values) : NOTHING;
      }
    } finally {
      if (!this.continuesAcrossEpochs) await this.close(signal);
    }
    if (count >= (steps ?? 1)) return;
    const few = `the stream ended after ${count} batches of this pass`;
    const why = steps === undefined ? few : `${few}, but there are to be ${steps} (${name})`;
    throw new DataError(
      `${this.subject}: ${count === 0 && before ? `an earlier call ${before}, which has none left` : why}. ` +
        'For several passes give a function that begins the stream anew',
    );
  }

  /** Takes the batches that were trained on before. @throws DataError for a stream that has fewer */
  private async drop(open: StreamIterator, signal?: AbortSignal): Promise<void> {
    const { batchesToSkip } = this;
    this.batchesToSkip = 0;
    for (let i = 0; i < batchesToSkip; i++) {
      if (!(await this.next(open, signal))?.done) continue;
      throw new DataError(
        `${this.subject}: the stream ended after ${i} batches, but ${batchesToSkip} of it were trained on before`,
      );
    }
  }

  /**
   * The next batch; null where `signal` asks for the end before it comes, which a stream that has stalled may never do. A stream
   * that has ended or failed is not open any more.
   */
  private async next(open: StreamIterator, signal?: AbortSignal): Promise<IteratorResult<Arrays> | null> {
    let ended = true;
    try {
      const next = signal?.aborted ? null : await unlessAborted(open.next(), signal, 0);
      ended = next?.done ?? false;
      return next;
    } finally {
      if (ended) {
        this.iterator = null;
        if (!left.has(open)) left.set(open, 'took all batches of this stream');
      }
    }
  }

  /**
   * Closes a stream that is left before its end, as `for await` does, and waits until it is closed; after `signal` asked for the
   * end, half a second at most. @throws what its `finally` throws
   */
  async close(signal?: AbortSignal): Promise<void> {
    const { iterator } = this;
    this.iterator = null;
    if (!iterator?.return) return;
    left.set(iterator, 'closed this stream');
    const { subject } = this;
    const slow = setTimeout(() => {
      // biome-ignore lint/suspicious/noConsole: nobody else would say why the call does not end
      console.warn(
        `${subject}: the stream has been closing for ${SLOW_CLOSING_MS / 1000} s; its return() has to settle first`,
      );
    }, SLOW_CLOSING_MS);
    try {
      await unlessAborted(iterator.return(), signal, CLOSING_MS);
    } finally {
      clearTimeout(slow);
    }
  }

  /** Says it once. */
  private noteLength(): void {
    if (this.noted) return;
    this.noted = true;
    // biome-ignore lint/suspicious/noConsole: nobody else would say why nothing comes
    console.warn(
      `${this.subject}: ${LONG_PASS} batches of one pass were taken from the stream, and more follow. ` +
        `Where it has no end, give ${this.bound.name}, the number of batches of a pass`,
    );
  }

  /**
   * Checks a batch, and records the step on batches of its size if it is the first: then it is to wait for `device.ready()`. What is
   * submitted is what it holds now where `waits`. @throws ShapeError, DataError, ArgumentError for one that does not fit
   */
  prepareBatch(batch: Arrays, waits: boolean): { isFirst: boolean; submit: SubmitBatch } {
    const accepted = this.accept(batch);
    const { x, y, isFirst } = accepted;
    const kept = waits || isFirst ? { ...accepted, x: x.slice(), y: y.slice() } : accepted;
    return { isFirst, submit: (values) => this.submit(kept, values) };
  }

  private accept(batch: Arrays) {
    const { subject, model } = this;
    if (typeof batch !== 'object' || batch === null || !('x' in batch) || !('y' in batch)) {
      throw new ArgumentError(`${subject}: a batch is { x, y }, but ${formatValue(batch)} came`);
    }
    const { x, y, samples, encoding } = readBatch(subject, model, batch);
    this.setTargetEncoding(subject, encoding);
    const isFirst = !this.slots.has(samples);
    this.slot(samples, encoding);
    return { x, y, samples, encoding, isFirst };
  }

  private submit({ x, y, samples, encoding }: ReturnType<StreamBatches['accept']>, values?: () => StepValues): number {
    const { replicas, device } = this.model;
    const slot = this.slot(samples, encoding);
    slot.program.check(); // a step that cannot be taken is not counted
    for (let r = 0; r < replicas; r++) {
      device.upload(slot.x.storage, x, r * x.byteLength);
      device.upload(slot.targets.storage, y, r * y.byteLength);
    }
    this.state.write({ batchStart: 0, ...values?.() });
    slot.program.run();
    return samples;
  }

  /** The program of a batch size, now the one used last; the one not used for the longest time of too many goes. */
  private slot(samples: number, encoding: TargetEncoding): BatchProgram {
    const { model } = this;
    let slot = this.slots.get(samples);
    this.slots.delete(samples);
    if (!slot) {
      const { replicas: models } = model;
      const x = DeviceArray.empty(model.device, [samples, ...model.inputShape], { replicas: models }).keep();
      const values = encoding === 'values';
      const shape = values ? [samples, ...model.outputShape] : [samples];
      const targets = DeviceArray.empty(model.device, shape, {
        dtype: values ? 'f32' : 'u32',
        replicas: models,
      }).keep();
      try {
        const program = model.device.record(() => this.step({ x: new Tensor(x), targets: new Tensor(targets) }));
        slot = { program, x, targets };
      } catch (error) {
        x.dispose();
        targets.dispose();
        throw error;
      }
    }
    this.slots.set(samples, slot);
    if (this.slots.size > MOST_SIZES) {
      const [oldest, unused] = this.slots.entries().next().value!;
      this.slots.delete(oldest);
      release(unused);
    }
    return slot;
  }

  dispose(): void {
    for (const slot of this.slots.values()) release(slot);
    this.state.dispose();
  }
}

function release({ program, x, targets }: BatchProgram): void {
  program.dispose();
  x.dispose();
  targets.dispose();
}

/** What is submitted where the end was asked for: nothing, as whoever runs a pass looks at the signal before. */
const NOTHING: SubmitBatch = () => 0;

/** What `coming` comes to; null if `signal` asked for the end, and that did not come within `grace` milliseconds of it. */
async function unlessAborted<T>(
  coming: T | PromiseLike<T>,
  signal: AbortSignal | undefined,
  grace: number,
): Promise<T | null> {
  if (!signal || typeof (coming as PromiseLike<T>)?.then !== 'function') return coming;
  const waiting = new AbortController();
  const aborted = new Promise<null>((resolve) => {
    const end = () => {
      const timer = setTimeout(() => resolve(null), grace);
      waiting.signal.addEventListener('abort', () => clearTimeout(timer));
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { signal: waiting.signal });
  });
  try {
    return await Promise.race([coming, aborted]);
  } finally {
    waiting.abort(); // listens no longer
  }
}

/** @throws ArgumentError for what is no stream */
function iteratorOf(subject: string, stream: BatchStream): AsyncIterator<Arrays> | Iterator<Arrays> {
  if (typeof stream === 'object' && stream !== null) {
    if (Symbol.asyncIterator in stream)
      return checkIterator(
        subject,
        tryRead(subject, () => stream[Symbol.asyncIterator]()),
      );
    if (Symbol.iterator in stream)
      return checkIterator(
        subject,
        tryRead(subject, () => stream[Symbol.iterator]()),
      );
  }
  throw new ArgumentError(
    `${subject}: the function must return a stream of { x, y }, but returned ${formatValue(stream)}`,
  );
}

/** @throws ArgumentError unless batches can be taken from it, and it can be closed if it has a `return` */
function checkIterator<T extends AsyncIterator<Arrays> | Iterator<Arrays>>(subject: string, iterator: T): T {
  const { next, return: close } = tryRead(subject, () => ({ next: iterator.next, return: iterator.return }));
  if (typeof next === 'function' && (close === undefined || close === null || typeof close === 'function'))
    return iterator;
  throw new ArgumentError(
    `${subject}: the stream's iterator needs a function next, and as return a function or nothing, but has ` +
      `${typeof next === 'function' ? `return ${formatValue(close)}` : `next ${formatValue(next)}`}`,
  );
}
