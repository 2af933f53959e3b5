import type { Tensor } from '../autograd/tensor.ts';
import { checkOptions, show } from '../check.ts';
import { ArgumentError, ShapeError } from '../errors.ts';
import type { Device } from '../gpu/device.ts';
import type { Program } from '../gpu/recorder.ts';
import { DeviceArray, sameShape, showShape } from '../kernels/array.ts';
import { StepState } from '../kernels/step-state.ts';
import type { BatchSource } from './batch-source.ts';
import type { Model } from './model.ts';

/** Keras's default; with fewer samples, all of them. */
const DEFAULT_BATCH = 32;

/**
 * The batch size to use, once data and options are known to suit the model.
 * @throws ArgumentError, ShapeError when they do not
 */
export function checkData(what: string, model: Model, data: BatchSource, options: { batchSize?: number } = {}): number {
  if (typeof data?.batch !== 'function') {
    throw new ArgumentError(`${what}: takes data such as an ImageLoader, but was given ${show(data)}`);
  }
  checkOptions(what, options);
  const { batchSize = Math.min(DEFAULT_BATCH, data.size) } = options;
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new ArgumentError(`${what}: batchSize must be a positive integer, but is ${show(batchSize)}`);
  }
  if (batchSize > data.size) {
    throw new ArgumentError(`${what}: a batch of ${batchSize} is larger than the data, which has ${data.size} samples`);
  }
  if (data.device !== model.device) throw new ArgumentError(`${what}: model and data are on different devices`);
  if (!sameShape(data.sampleShape, model.inputShape)) {
    throw new ShapeError(
      `${what}: the model expects samples of ${showShape(model.inputShape)}, but the data has ${showShape(data.sampleShape)}`,
    );
  }
  return batchSize;
}

/** @throws ShapeError unless the model's output has a column for each class */
export function checkClasses(what: string, model: Model, data: BatchSource): void {
  if (!sameShape(model.outputShape, [data.classes])) {
    throw new ShapeError(
      `${what}: the data has ${data.classes} classes, so the model must end in [${data.classes}], but ends in ${showShape(model.outputShape)}`,
    );
  }
}

/**
 * One pass after another over a data set in batches: the order of the samples on the GPU, the step's uniform, and a
 * recorded program for each batch size that occurs (the last batch may be short).
 */
export class BatchRunner {
  readonly state: StepState;
  private readonly order: DeviceArray;
  private readonly programs = new Map<number, Program>();

  constructor(
    private readonly data: BatchSource,
    private readonly batchSize: number,
    /** Dispatches the work on one batch. */
    private readonly step: (batch: { x: Tensor; labels: Tensor }) => void,
  ) {
    this.state = new StepState(data.device);
    this.order = DeviceArray.empty(data.device, [data.size], { dtype: 'u32' }).keep();
    this.setOrder(Uint32Array.from({ length: data.size }, (_, i) => i));
  }

  get device(): Device {
    return this.data.device;
  }

  get stepsPerEpoch(): number {
    return Math.ceil(this.data.size / this.batchSize);
  }

  /** The order of the following passes; steps already submitted keep theirs. */
  setOrder(order: Uint32Array<ArrayBuffer>): void {
    this.device.upload(this.order.storage, order);
  }

  /** Submits batch number `i` of the pass. @returns its number of samples */
  run(i: number, optimizer: { step?: number; stepSize?: number; rate?: number } = {}): number {
    const batchStart = i * this.batchSize;
    const count = Math.min(this.batchSize, this.data.size - batchStart);
    const program = this.program(count);
    this.state.write({ batchStart, ...optimizer });
    program.run();
    return count;
  }

  /** The program for batches of `count` samples, recorded at its first use. */
  program(count: number): Program {
    let program = this.programs.get(count);
    if (!program) {
      program = this.device.record(() => this.step(this.data.batch(this.order, this.state, count)));
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
