import { Tensor } from '../../autograd/tensor.ts';
import { formatValue, tryRead } from '../../base/check.ts';
import { ArgumentError, DataError } from '../../base/errors.ts';
import type { Program } from '../../gpu/recorder.ts';
import { DeviceArray } from '../../kernels/array.ts';
import { type OptimizerStepValues, StepState } from '../../kernels/optimizers/step-state.ts';
import type { Trainable } from '../trainable.ts';
import { type Batches, type PassLimit, readBatch, type Step, type SubmitBatch } from './source-batches.ts';
import type { TargetEncoding } from './targets.ts';
import type { Arrays, BatchStream } from './training-data.ts';

/** Most batch sizes whose programs are kept; each holds the memory of its intermediate results. */
const MAX_PROGRAMS = 8;

/** The recorded program of a batch size, and the buffers that its batches are uploaded to. */
interface BatchProgram {
  program: Program;
  x: DeviceArray;
  targets: DeviceArray;
}

type StreamIterator = AsyncIterator<Arrays> | Iterator<Arrays>;

/** Batches after which a pass without a limit warns: it cannot detect whether the stream has an end. */
const LONG_PASS_BATCHES = 10_000;
/** Milliseconds that an aborted stream gets to close, because it may have stalled forever. */
const CLOSE_TIMEOUT_MS = 500;
/** Milliseconds after which closing a stream warns. */
const SLOW_CLOSE_MS = 10_000;
/** How earlier calls left the streams that users passed themselves rather than as functions. */
const endings = new WeakMap<object, 'closed this stream' | 'took all batches of this stream'>();

/** Batches from the host, uploaded one by one to every replica; each batch size has a recorded program. */
export class StreamBatches implements Batches {
  readonly state: StepState;
  readonly samples = null;
  /** By batch size, the least recently used first. */
  private readonly programs = new Map<number, BatchProgram>();
  /** The stream of the current pass, or of all passes; null if none is open. */
  private iterator: StreamIterator | null = null;
  private hasBegun = false;
  private hasWarned = false;
  /** Batches of the next pass that an interrupted training has run. */
  private batchesDone = 0;
  /** Batches to take from the stream and ignore before the next pass. */
  private batchesToSkip = 0;

  constructor(
    private readonly subject: string,
    private readonly model: Trainable,
    private readonly openStream: () => BatchStream,
    /** Called with each batch before it is used. */
    private readonly setTargetEncoding: (subject: string, encoding: TargetEncoding) => void,
    private readonly step: Step,
    private readonly limit: PassLimit,
    /** Whether a pass continues where the previous one stopped. */
    private readonly continuesAcrossEpochs = false,
  ) {
    this.state = new StepState(model.device, model.replicas);
  }

  skip(passes: number, batches: number): void {
    this.batchesDone = batches;
    this.batchesToSkip = batches + (this.continuesAcrossEpochs ? passes * this.limit.batches! : 0);
  }

  async *pass(signal?: AbortSignal): AsyncGenerator<SubmitBatch> {
    this.iterator ??= iteratorOf(this.subject, this.openStream());
    const { iterator } = this;
    const { batches: steps, option } = this.limit;
    const ending = this.hasBegun ? undefined : endings.get(iterator);
    this.hasBegun = true;
    let count = this.batchesDone;
    this.batchesDone = 0;
    try {
      await this.skipBatches(iterator, signal);
      for (; count !== steps; count++) {
        if (steps === undefined && count === LONG_PASS_BATCHES) this.warnOfLongPass();
        const next = await this.next(iterator, signal);
        if (next?.done) break;
        const accepted = next && this.accept(next.value);
        if (accepted?.isFirst) await this.model.device.ready(); // as in `SourceBatches.prepare`
        yield accepted ? (values) => this.submit(accepted, values) : SUBMIT_NOTHING;
      }
    } finally {
      if (!this.continuesAcrossEpochs) await this.close(signal);
    }
    if (count >= (steps ?? 1)) return;
    const tooShort = `the stream ended after ${count} batches of this pass`;
    const reason = steps === undefined ? tooShort : `${tooShort}, but ${option} is ${steps}`;
    throw new DataError(
      `${this.subject}: ${count === 0 && ending ? `an earlier call ${ending}, which has none left` : reason}. ` +
        'For several passes, pass a function that opens the stream again',
    );
  }

  /** Takes and ignores the batches that were trained on before. @throws DataError if the stream has fewer */
  private async skipBatches(iterator: StreamIterator, signal?: AbortSignal): Promise<void> {
    const { batchesToSkip } = this;
    this.batchesToSkip = 0;
    for (let i = 0; i < batchesToSkip; i++) {
      if (!(await this.next(iterator, signal))?.done) continue;
      throw new DataError(
        `${this.subject}: the stream ended after ${i} batches, but the resumed training has trained on ${batchesToSkip}`,
      );
    }
  }

  /**
   * The next batch; null if `signal` aborts before it arrives, because a stalled stream may never deliver it. A stream that has ended
   * or thrown is no longer open.
   */
  private async next(iterator: StreamIterator, signal?: AbortSignal): Promise<IteratorResult<Arrays> | null> {
    let hasEnded = true;
    try {
      const next = signal?.aborted ? null : await nullIfAborted(iterator.next(), signal, 0);
      hasEnded = next?.done ?? false;
      return next;
    } finally {
      if (hasEnded) {
        this.iterator = null;
        if (!endings.has(iterator)) endings.set(iterator, 'took all batches of this stream');
      }
    }
  }

  /**
   * Closes a stream before its end, as `for await` does, and waits until it is closed: at most half a second if `signal` is aborted.
   * @throws what its `finally` throws
   */
  async close(signal?: AbortSignal): Promise<void> {
    const { iterator } = this;
    this.iterator = null;
    if (!iterator?.return) return;
    endings.set(iterator, 'closed this stream');
    const { subject } = this;
    const slow = setTimeout(() => {
      // biome-ignore lint/suspicious/noConsole: nobody else would say why the call does not end
      console.warn(
        `${subject}: the stream has been closing for ${SLOW_CLOSE_MS / 1000} s; its return() has to settle first`,
      );
    }, SLOW_CLOSE_MS);
    try {
      await nullIfAborted(iterator.return(), signal, CLOSE_TIMEOUT_MS);
    } finally {
      clearTimeout(slow);
    }
  }

  /** Warns once. */
  private warnOfLongPass(): void {
    if (this.hasWarned) return;
    this.hasWarned = true;
    // biome-ignore lint/suspicious/noConsole: nobody else would say why nothing comes
    console.warn(
      `${this.subject}: ${LONG_PASS_BATCHES} batches of one pass were taken from the stream, and more follow. ` +
        `If it has no end, set ${this.limit.option}, the number of batches of a pass`,
    );
  }

  /**
   * Checks a batch and, if it is the first of its size, records the step: then wait for `device.ready()` before `submit`.
   * @param waits whether `submit` may be called later, when the caller may have changed the arrays: then they are copied
   * @throws ShapeError, DataError, ArgumentError if the batch does not fit the model
   */
  prepareBatch(batch: Arrays, waits: boolean): { isFirst: boolean; submit: SubmitBatch } {
    const accepted = this.accept(batch);
    const { x, y, isFirst } = accepted;
    const batchToSubmit = waits || isFirst ? { ...accepted, x: x.slice(), y: y.slice() } : accepted;
    return { isFirst, submit: (values) => this.submit(batchToSubmit, values) };
  }

  private accept(batch: Arrays) {
    const { subject, model } = this;
    if (typeof batch !== 'object' || batch === null || !('x' in batch) || !('y' in batch)) {
      throw new ArgumentError(`${subject}: a batch is { x, y }, but ${formatValue(batch)} came`);
    }
    const { x, y, samples, encoding } = readBatch(subject, model, batch);
    this.setTargetEncoding(subject, encoding);
    const isFirst = !this.programs.has(samples);
    this.programFor(samples, encoding);
    return { x, y, samples, encoding, isFirst };
  }

  private submit(
    { x, y, samples, encoding }: ReturnType<StreamBatches['accept']>,
    values?: () => OptimizerStepValues,
  ): number {
    const { replicas, device } = this.model;
    const recorded = this.programFor(samples, encoding);
    recorded.program.check(); // before `values`, which counts the step
    for (let r = 0; r < replicas; r++) {
      device.upload(recorded.x.storage, x, r * x.byteLength);
      device.upload(recorded.targets.storage, y, r * y.byteLength);
    }
    this.state.write({ batchStart: 0, ...values?.() });
    recorded.program.run();
    return samples;
  }

  /** The program for a batch size, recorded if needed; the least recently used one is dropped if there are too many. */
  private programFor(samples: number, encoding: TargetEncoding): BatchProgram {
    const { model } = this;
    let recorded = this.programs.get(samples);
    this.programs.delete(samples);
    if (!recorded) {
      const { replicas } = model;
      const x = DeviceArray.empty(model.device, [samples, ...model.inputShape], { replicas }).keep();
      const values = encoding === 'values';
      const shape = values ? [samples, ...model.outputShape] : [samples];
      const targets = DeviceArray.empty(model.device, shape, {
        dtype: values ? 'f32' : 'u32',
        replicas,
      }).keep();
      try {
        const program = model.device.record(() => this.step({ x: new Tensor(x), targets: new Tensor(targets) }));
        recorded = { program, x, targets };
      } catch (error) {
        x.dispose();
        targets.dispose();
        throw error;
      }
    }
    this.programs.set(samples, recorded);
    if (this.programs.size > MAX_PROGRAMS) {
      const [size, unused] = this.programs.entries().next().value!;
      this.programs.delete(size);
      disposeProgram(unused);
    }
    return recorded;
  }

  dispose(): void {
    for (const recorded of this.programs.values()) disposeProgram(recorded);
    this.state.dispose();
  }
}

function disposeProgram({ program, x, targets }: BatchProgram): void {
  program.dispose();
  x.dispose();
  targets.dispose();
}

/** Stands for a batch after the signal aborted: the caller of `pass` checks the signal before it submits. */
const SUBMIT_NOTHING: SubmitBatch = () => 0;

/** The result of `promise`; null if it is still pending `graceMs` after `signal` aborts. */
async function nullIfAborted<T>(
  promise: T | PromiseLike<T>,
  signal: AbortSignal | undefined,
  graceMs: number,
): Promise<T | null> {
  if (!signal || typeof (promise as PromiseLike<T>)?.then !== 'function') return promise;
  const listening = new AbortController();
  const aborted = new Promise<null>((resolve) => {
    const end = () => {
      const timer = setTimeout(() => resolve(null), graceMs);
      listening.signal.addEventListener('abort', () => clearTimeout(timer));
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { signal: listening.signal });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    listening.abort(); // removes the listener and the timer
  }
}

/** @throws ArgumentError if `stream` is not a stream */
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

/** @throws ArgumentError unless `next` is a function, and `return` is one or missing */
function checkIterator<T extends AsyncIterator<Arrays> | Iterator<Arrays>>(subject: string, iterator: T): T {
  const { next, return: close } = tryRead(subject, () => ({ next: iterator.next, return: iterator.return }));
  if (typeof next === 'function' && (close === undefined || close === null || typeof close === 'function'))
    return iterator;
  throw new ArgumentError(
    `${subject}: the stream's iterator needs a function next, and as return a function or nothing, but has ` +
      `${typeof next === 'function' ? `return ${formatValue(close)}` : `next ${formatValue(next)}`}`,
  );
}
