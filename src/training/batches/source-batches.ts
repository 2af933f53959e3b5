import { type Numbers, readNumbers, toFloats } from '../../autograd/host-data.ts';
import type { Tensor } from '../../autograd/tensor.ts';
import { formatValue, tryRead } from '../../base/check.ts';
import { ArgumentError, ShapeError } from '../../base/errors.ts';
import type { Device } from '../../gpu/device.ts';
import type { Program } from '../../gpu/recorder.ts';
import { DeviceArray, type Shape, sameShape, showShape } from '../../kernels/array.ts';
import { type OptimizerStepValues, StepState } from '../../kernels/optimizers/step-state.ts';
import type { Trainable } from '../trainable.ts';
import type { BatchSource } from './batch-source.ts';
import { readLabels, readSamples } from './host-batch.ts';
import { checkTargetRange, encodingOfNumbers, findExtremes, type TargetEncoding } from './targets.ts';

/** Keras's default. */
const DEFAULT_BATCH = 32;

/** `batchSize`, or the number of samples if that is smaller, as in Keras. @throws ArgumentError */
export function checkBatchSize(subject: string, samples: number, batchSize: number = DEFAULT_BATCH): number {
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new ArgumentError(`${subject}: batchSize must be a positive integer, but is ${formatValue(batchSize)}`);
  }
  return Math.min(batchSize, samples);
}

/** Number of batches that a pass takes from a stream. */
export interface PassLimit {
  /** Name of the option that sets it, for messages. */
  option: string;
  /** Undefined for all batches of the stream. */
  batches: number | undefined;
  /** Whether there is only one pass, after which a stream is closed. Default false. */
  isSinglePass?: boolean;
}

/** @throws ArgumentError unless `steps` is undefined or, for a stream, a positive integer */
export function checkSteps(subject: string, name: string, steps: number | undefined, isStream: boolean): void {
  if (steps === undefined) return;
  if (!isStream)
    throw new ArgumentError(`${subject}: ${name} is for streams; a pass over other data is every sample once`);
  if (Number.isInteger(steps) && steps > 0) return;
  throw new ArgumentError(`${subject}: ${name} must be a positive integer, but is ${formatValue(steps)}`);
}

/** @throws ArgumentError unless `model` is a model: it is easily left out or put second */
export function checkModel(subject: string, model: Trainable, call: string): void {
  if (typeof model === 'object' && model !== null && 'plannedLayers' in model) return;
  throw new ArgumentError(`${subject}: the model comes first, as in ${call}, but was given ${formatValue(model)}`);
}

/** @throws ArgumentError, ShapeError if device or sample shape differ from the model's */
export function checkSource(subject: string, model: Trainable, data: BatchSource): void {
  if (data.device !== model.device) throw new ArgumentError(`${subject}: model and data are on different devices`);
  if (!sameShape(data.sampleShape, model.inputShape)) {
    throw new ShapeError(
      `${subject}: the model expects samples of ${showShape(model.inputShape)}, but the data has ${showShape(data.sampleShape)}`,
    );
  }
}

/** The replica to use, which must be named if the model has several. @throws ArgumentError */
export function checkReplica(subject: string, { replicas }: Trainable, replica: number | undefined): number {
  if (replica === undefined && replicas === 1) return 0;
  if (Number.isInteger(replica) && replica! >= 0 && replica! < replicas) return replica!;
  throw new ArgumentError(
    `${subject}: the model has ${replicas} replicas, so \`replica\` must be an integer from 0 to ${replicas - 1}, but is ${formatValue(replica)}`,
  );
}

/** Submits a batch that is ready. `values` is called only if the batch can run. @returns its number of samples */
export type SubmitBatch = (values?: () => OptimizerStepValues) => number;

/** The batches of some data, pass after pass, each run by a recorded program. */
export interface Batches {
  /** The uniform of the recorded steps. */
  readonly state: StepState;
  /** Samples of a pass; null for a stream. */
  readonly samples: number | null;
  /** Batches of a pass; undefined for a stream. */
  readonly stepsPerEpoch?: number;
  /**
   * The batches of the next pass, in order.
   * @param signal ends the wait for a batch; the caller must check it before each submit
   */
  pass(signal?: AbortSignal): Iterable<SubmitBatch> | AsyncIterable<SubmitBatch>;
  /** Sets the order of the samples in the following passes, for each replica or one for all; a stream has no such method. */
  setOrders?(orders: readonly Uint32Array[]): void;
  /** Call it before the first pass: skips passes, and batches of the next pass, that an interrupted training has run. */
  skip(passes: number, batches: number): void;
  /** Closes the stream that passes read from and waits until it is closed. @throws what its `finally` throws */
  close?(signal?: AbortSignal): Promise<void>;
  dispose(): void;
}

/** Dispatches the work on one batch: it is recorded once for each batch size. */
export type Step = (batch: { x: Tensor; targets: Tensor | null }) => void;

/**
 * Batches of samples on the GPU. Holds the order of the samples, the step's uniform, and a recorded program for each batch size: the last
 * batch may be shorter.
 */
export class SourceBatches implements Batches {
  readonly state: StepState;
  readonly samples: number;
  private readonly order: DeviceArray;
  private readonly programs = new Map<number, Program>();
  /** The batch that the next pass begins with. */
  private firstBatch = 0;
  /** Indices of the samples in the order of a pass, one replica after another; null before the first pass. */
  private sampleOrder: Uint32Array | null = null;

  constructor(
    private readonly data: BatchSource,
    private readonly batchSize: number,
    private readonly step: Step,
    /** Replicas of the model; each has its own order of the samples. */
    private readonly replicas: number,
    /** The samples to use, from `first` to before `end`. */
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

  /** See `Batches`. Steps that were submitted before keep their order. */
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
    this.sampleOrder = all;
  }

  skip(_passes: number, batches: number): void {
    this.firstBatch = batches;
  }

  async *pass(): AsyncGenerator<SubmitBatch> {
    const { firstBatch } = this;
    this.firstBatch = 0;
    for (let i = firstBatch; i < this.stepsPerEpoch; i++) {
      await this.prepare(i);
      yield (values) => this.run(i, values?.());
    }
  }

  /**
   * Records the step on batch `i` if it is the first of its size, and waits until the adapter has compiled its kernels: a step with
   * a kernel missing would spoil the weights.
   * @throws ShaderError, OutOfMemoryError
   */
  private async prepare(i: number): Promise<void> {
    const count = Math.min(this.batchSize, this.samples - i * this.batchSize);
    if (this.programs.has(count)) return;
    this.program(count);
    await this.device.ready();
  }

  /** Encodes the step on batch `i` of the pass; short steps share a submit. @returns its number of samples */
  run(i: number, values: OptimizerStepValues = {}): number {
    const batchStart = i * this.batchSize;
    const count = Math.min(this.batchSize, this.samples - batchStart);
    const program = this.program(count);
    this.data.send?.(() => this.samplesOf(batchStart, count), count);
    this.state.write({ batchStart, ...values });
    program.encode();
    return count;
  }

  /** Indices of a batch's samples, one replica after another. */
  private samplesOf(batchStart: number, count: number): Uint32Array {
    const { sampleOrder, samples, replicas } = this;
    const indices = new Uint32Array(replicas * count);
    for (let r = 0; r < replicas; r++) {
      const first = r * samples + batchStart;
      indices.set(sampleOrder!.subarray(first, first + count), r * count);
    }
    return indices;
  }

  /** The program for batches of `count` samples, recorded at its first use. */
  program(count: number): Program {
    // Not in the constructor: `replicaStride` of cached features is known only once they are computed.
    if (!this.sampleOrder) this.setOrders([Uint32Array.from({ length: this.samples }, (_, i) => i)]);
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

/** @throws ShapeError if a batch has other shapes or types than its source declares: users may write sources */
function checkBatch(
  { sampleShape, classes, targetShape }: BatchSource,
  { x, targets }: ReturnType<BatchSource['batch']>,
  count: number,
): void {
  const check = (name: string, given: Tensor | null, dtype: string, shape: Shape) => {
    if (given?.dtype === dtype && sameShape(given.shape, shape)) return;
    const found = given ? `${given.dtype} ${showShape(given.shape)}` : formatValue(given);
    throw new ShapeError(`the data's batch(): ${name} must be ${dtype} ${showShape(shape)}, but is ${found}`);
  };
  check('x', x, 'f32', [count, ...sampleShape]);
  if (classes !== null) check('targets', targets, 'u32', [count]);
  else if (targetShape) check('targets', targets, 'f32', [count, ...targetShape]);
}

/** @throws ArgumentError if data has sample weights, which would be ignored */
export function checkNoSampleWeight(subject: string, data: object): void {
  const name = ['sampleWeight', 'sample_weight'].find((key) => key in data);
  if (name === undefined) return;
  throw new ArgumentError(
    `${subject}: ${name} is not supported; samples can be weighted by their class, with classWeight`,
  );
}

/** Samples and targets from the host, converted for a model and its loss. */
export interface HostBatch {
  x: Float32Array<ArrayBuffer>;
  /** Labels as u32, any other targets as f32. */
  y: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;
  samples: number;
  encoding: TargetEncoding;
}

/** Checks and converts a batch from the host. @throws ArgumentError, ShapeError, DataError if it does not fit the model */
export function readBatch(subject: string, model: Trainable, data: { x: Numbers; y: Numbers }): HostBatch {
  checkNoSampleWeight(subject, data);
  const { inputShape, outputShape, training } = model;
  const given = tryRead(subject, () => ({ x: data.x, y: data.y }));
  const { values: x, size: samples } = readSamples(`${subject}: x`, inputShape, given.x);
  const targets = readNumbers(`${subject}: y`, given.y);
  const target = { outputShape, loss: training.loss };
  const encoding = encodingOfNumbers(subject, target, samples, targets);
  const y =
    encoding === 'values'
      ? toFloats(`${subject}: y`, targets, outputShape)
      : readLabels(`${subject}: y`, targets, samples, outputShape[0]!);
  if (encoding === 'values') checkTargetRange(subject, target, findExtremes(y));
  return { x, y, samples, encoding };
}
