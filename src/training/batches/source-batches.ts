import { type Numbers, readNumbers, toFloats } from '../../autograd/host-data.ts';
import type { Tensor } from '../../autograd/tensor.ts';
import { formatValue, tryRead } from '../../base/check.ts';
import { ArgumentError, ShapeError } from '../../base/errors.ts';
import type { Device } from '../../gpu/device.ts';
import type { Program } from '../../gpu/recorder.ts';
import { DeviceArray, type Shape, sameShape, showShape } from '../../kernels/array.ts';
import { type StepRates, StepState } from '../../kernels/optimizers/step-state.ts';
import type { Trainable } from '../trainable.ts';
import type { BatchSource } from './batch-source.ts';
import { readLabels, readSamples } from './host-batch.ts';
import { checkTargetRange, encodingOfNumbers, extremesOf, type TargetEncoding } from './targets.ts';

/** Keras's default. */
const DEFAULT_BATCH = 32;

/** The batch size to use for so many samples: the one that was asked for, at most all samples, as in Keras. @throws ArgumentError */
export function checkBatchSize(subject: string, samples: number, batchSize: number = DEFAULT_BATCH): number {
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new ArgumentError(`${subject}: batchSize must be a positive integer, but is ${formatValue(batchSize)}`);
  }
  return Math.min(batchSize, samples);
}

/** How many batches a pass over a stream takes. */
export interface PassLimit {
  /** The option that says so. */
  name: string;
  /** Undefined for all that come. */
  count: number | undefined;
  /** Whether there is one pass only, after which a stream is closed. Default false. */
  once?: boolean;
}

/** @throws ArgumentError unless `steps`, if there are any, is a positive integer, and for data other than a stream */
export function checkSteps(subject: string, name: string, steps: number | undefined, isStream: boolean): void {
  if (steps === undefined) return;
  if (!isStream)
    throw new ArgumentError(`${subject}: ${name} is for streams; a pass over other data is every sample once`);
  if (Number.isInteger(steps) && steps > 0) return;
  throw new ArgumentError(`${subject}: ${name} must be a positive integer, but is ${formatValue(steps)}`);
}

/** @throws ArgumentError unless it is a model, which is easily left out or put second */
export function checkModel(subject: string, model: Trainable, call: string): void {
  if (typeof model === 'object' && model !== null && 'plannedLayers' in model) return;
  throw new ArgumentError(`${subject}: the model comes first, as in ${call}, but was given ${formatValue(model)}`);
}

/** @throws ArgumentError, ShapeError unless the model can take the samples */
export function checkSource(subject: string, model: Trainable, data: BatchSource): void {
  if (data.device !== model.device) throw new ArgumentError(`${subject}: model and data are on different devices`);
  if (!sameShape(data.sampleShape, model.inputShape)) {
    throw new ShapeError(
      `${subject}: the model expects samples of ${showShape(model.inputShape)}, but the data has ${showShape(data.sampleShape)}`,
    );
  }
}

/** The replica that is meant: of a model with several, one must be named. @throws ArgumentError */
export function checkReplica(subject: string, { replicas }: Trainable, replica: number | undefined): number {
  if (replica === undefined && replicas === 1) return 0;
  if (Number.isInteger(replica) && replica! >= 0 && replica! < replicas) return replica!;
  throw new ArgumentError(
    `${subject}: the model has ${replicas} replicas, so \`replica\` must be an integer from 0 to ${replicas - 1}, but is ${formatValue(replica)}`,
  );
}

/** What a step's uniform carries for the optimiser. */
export interface StepValues {
  step?: number;
  rates?: readonly StepRates[];
}

/** A batch that is ready: called, it is submitted, and says how many samples it has. `values` is asked for once it was accepted. */
export type SubmitBatch = (values?: () => StepValues) => number;

/** The batches of some data, pass after pass, each through a recorded program. */
export interface Batches {
  readonly state: StepState;
  /** Samples of a pass, where that is known before. */
  readonly samples: number | null;
  /** Batches of a pass, likewise. */
  readonly stepsPerEpoch?: number;
  /** @param signal looked at while a batch is waited for; before it submits one, whoever runs the pass looks at it */
  pass(signal?: AbortSignal): Iterable<SubmitBatch> | AsyncIterable<SubmitBatch>;
  /** Before the first pass: so many passes, and so many batches of the next one, were made before. */
  skip(passes: number, batches: number): void;
  /** Closes what the passes read from, where that is a stream, and waits for it. @throws what its `finally` throws */
  close?(signal?: AbortSignal): Promise<void>;
  dispose(): void;
}

/** Dispatches the work on one batch. */
export type Step = (batch: { x: Tensor; targets: Tensor | null }) => void;

/**
 * One pass after another over a data set in batches: the order of the samples on the GPU, the step's uniform, and a
 * recorded program for each batch size that occurs (the last batch may be short).
 */
export class SourceBatches implements Batches {
  readonly state: StepState;
  readonly samples: number;
  private readonly order: DeviceArray;
  private readonly programs = new Map<number, Program>();
  private first = 0;
  /** The samples of a pass, of one replica after another; null before the first pass. */
  private rows: Uint32Array | null = null;

  constructor(
    private readonly data: BatchSource,
    private readonly batchSize: number,
    private readonly step: Step,
    /** How many copies of a model take a batch each, by an order of its own. */
    private readonly replicas: number,
    /** The samples that take part: those from `first` to before `end`. */
    private readonly range: { first: number; end: number } = { first: 0, end: data.size },
  ) {
    this.samples = range.end - range.first;
    this.state = new StepState(data.device, replicas);
    this.order = DeviceArray.empty(data.device, [this.samples], { dtype: 'u32', replicas: replicas }).keep();
  }

  get device(): Device {
    return this.data.device;
  }

  get stepsPerEpoch(): number {
    return Math.ceil(this.samples / this.batchSize);
  }

  /** The order of the following passes, for all replicas or one for each; steps already submitted keep theirs. */
  setOrders(orders: readonly Uint32Array[]): void {
    const { samples, replicas } = this;
    const { replicaStride = 0 } = this.data;
    const all = new Uint32Array(replicas * samples);
    for (let r = 0; r < replicas; r++) {
      all.set(orders[r % orders.length]!, r * samples);
      const first = this.range.first + r * replicaStride;
      if (first > 0) for (let i = r * samples; i < (r + 1) * samples; i++) all[i]! += first;
    }
    this.device.upload(this.order.storage, all);
    this.rows = all;
  }

  skip(_passes: number, batches: number): void {
    this.first = batches;
  }

  async *pass(): AsyncGenerator<SubmitBatch> {
    const { first } = this;
    this.first = 0;
    for (let i = first; i < this.stepsPerEpoch; i++) {
      await this.prepare(i);
      yield (values) => this.run(i, values?.());
    }
  }

  /**
   * Records the step on batch number `i` if it is the first of its size, and waits until the adapter has taken its kernels: a step
   * of which it refused some would spoil the weights.
   * @throws ShaderError, OutOfMemoryError
   */
  private async prepare(i: number): Promise<void> {
    const count = Math.min(this.batchSize, this.samples - i * this.batchSize);
    if (this.programs.has(count)) return;
    this.program(count);
    await this.device.ready();
  }

  /** Encodes the step on batch number `i` of the pass; short steps share a submit. @returns its number of samples */
  run(i: number, values: StepValues = {}): number {
    const batchStart = i * this.batchSize;
    const count = Math.min(this.batchSize, this.samples - batchStart);
    const program = this.program(count);
    this.data.send?.(() => this.rowsOf(batchStart, count), count);
    this.state.write({ batchStart, ...values });
    program.encode();
    return count;
  }

  /** Which samples a batch has, of one replica after another. */
  private rowsOf(batchStart: number, count: number): Uint32Array {
    const { rows, samples, replicas } = this;
    const found = new Uint32Array(replicas * count);
    for (let r = 0; r < replicas; r++) {
      const first = r * samples + batchStart;
      found.set(rows!.subarray(first, first + count), r * count);
    }
    return found;
  }

  /** The program for batches of `count` samples, recorded at its first use. */
  program(count: number): Program {
    // Not before: features of a frozen part are told apart by replica only once they are there.
    if (!this.rows) this.setOrders([Uint32Array.from({ length: this.samples }, (_, i) => i)]);
    let program = this.programs.get(count);
    if (!program) {
      program = this.device.record(() => {
        const batch = this.data.batch(this.order, this.state, count);
        checkBatch(this.data, batch, count);
        this.step(batch);
      });
      this.programs.set(count, program);
    }
    return program;
  }

  dispose(): void {
    for (const program of this.programs.values()) program.dispose();
    this.order.dispose();
    this.state.dispose();
  }
}

/** @throws ShapeError unless a source gave the batch that it promised, which users may write too */
function checkBatch(
  { sampleShape, classes, targetShape }: BatchSource,
  { x, targets }: ReturnType<BatchSource['batch']>,
  count: number,
): void {
  const check = (part: string, given: Tensor | null, dtype: string, shape: Shape) => {
    if (given?.dtype === dtype && sameShape(given.shape, shape)) return;
    const found = given ? `${given.dtype} ${showShape(given.shape)}` : formatValue(given);
    throw new ShapeError(`the data's batch(): ${part} must be ${dtype} ${showShape(shape)}, but is ${found}`);
  };
  check('x', x, 'f32', [count, ...sampleShape]);
  if (classes !== null) check('targets', targets, 'u32', [count]);
  else if (targetShape) check('targets', targets, 'f32', [count, ...targetShape]);
}

/** @throws ArgumentError for weights of samples, which would be ignored */
export function checkNoSampleWeight(subject: string, data: object): void {
  const name = ['sampleWeight', 'sample_weight'].find((one) => one in data);
  if (name === undefined) return;
  throw new ArgumentError(
    `${subject}: ${name} is not supported; samples can be weighed by their class, with classWeight`,
  );
}

/** Samples and targets of the host as a model and its loss take them. */
export interface HostBatch {
  x: Float32Array<ArrayBuffer>;
  /** Labels as u32, any other targets as f32. */
  y: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;
  samples: number;
  encoding: TargetEncoding;
}

/** @throws ArgumentError, ShapeError, DataError for what does not suit the model */
export function readBatch(subject: string, model: Trainable, data: { x: Numbers; y: Numbers }): HostBatch {
  checkNoSampleWeight(subject, data);
  const { inputShape, outputShape, training } = model;
  const given = tryRead(subject, () => ({ x: data.x, y: data.y }));
  const { values: x, size: samples } = readSamples(`${subject}: x`, inputShape, given.x);
  const targets = readNumbers(`${subject}: y`, given.y);
  const goal = { outputShape, loss: training.loss };
  const encoding = encodingOfNumbers(subject, goal, samples, targets);
  const y =
    encoding === 'values'
      ? toFloats(`${subject}: y`, targets, outputShape)
      : readLabels(`${subject}: y`, targets, samples, outputShape[0]!);
  if (encoding === 'values') checkTargetRange(subject, goal, extremesOf(y));
  return { x, y, samples, encoding };
}
