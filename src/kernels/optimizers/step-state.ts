import type { Device } from '../../gpu/device.ts';

/** Step size and learning rate of an optimizer at a step. */
export interface StepRates {
  stepSize: number;
  rate: number;
}

/** Most steps that are encoded before a submit. */
const MAX_QUEUED_STEPS = 16;

/** Values of a step for the kernels of an optimizer. */
export interface OptimizerStepValues {
  /** Number of the step, from 1. */
  step?: number;
  /** Rates of all replicas, or of each. */
  rates?: readonly StepRates[];
  /** Whether the gradients wait for those of later steps: no weight changes. Default false. */
  keepsWeights?: boolean;
  /** Whether a sum of gradients begins. Default false. */
  beginsSum?: boolean;
}

/** Values that the kernels of a step read. */
export interface StepValues extends OptimizerStepValues {
  /** Start of the batch in the order of the samples. */
  batchStart: number;
}

/** Bytes before the rates. */
const HEAD = 16;

/**
 * The buffer with the values that change from one run of a recorded step to the next (shaders/optimizers/step_state.wgsl).
 * Write it before each run; steps that are already encoded keep their values.
 */
export class StepState {
  readonly buffer: GPUBuffer;
  /** The values of steps that share a submit; each is copied to `buffer` before its step. */
  private readonly queued: GPUBuffer;
  private readonly size: number;
  private readonly words: ArrayBuffer;
  private waiting = 0;

  /** @param replicas most replicas with separate rates */
  constructor(
    private readonly device: Device,
    private readonly replicas = 1,
  ) {
    this.size = Math.ceil((HEAD + 8 * replicas) / 16) * 16;
    this.words = new ArrayBuffer(MAX_QUEUED_STEPS * this.size);
    // Most kernels bind the head as a uniform. An optimizer of replicas with different rates binds the whole buffer.
    const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
    this.buffer = device.createBuffer({ label: 'step state', size: this.size, usage });
    const copied = GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    this.queued = device.createBuffer({ label: 'step states', size: this.words.byteLength, usage: copied });
  }

  /** Sets the values for later dispatches. They may share a submit with earlier ones, which keep their values. */
  write(values: StepValues): void {
    if (this.waiting === MAX_QUEUED_STEPS) this.device.flush();
    const at = this.waiting++ * this.size;
    this.fill(new DataView(this.words, at, this.size), values);
    this.device.copyAfterWrite(this.queued, at, this.buffer, this.size, this.send);
  }

  private fill(view: DataView, { batchStart, step = 0, rates = [], keepsWeights, beginsSum }: StepValues): void {
    view.setUint32(0, batchStart, true);
    view.setUint32(4, step, true);
    view.setUint32(8, keepsWeights ? 1 : 0, true);
    view.setUint32(12, beginsSum ? 1 : 0, true);
    for (let replica = 0; replica < this.replicas; replica++) {
      const { stepSize, rate } = rates[replica] ?? rates[0] ?? { stepSize: 0, rate: 0 };
      view.setFloat32(HEAD + 8 * replica, stepSize, true);
      view.setFloat32(HEAD + 4 + 8 * replica, rate, true);
    }
  }

  private readonly send = (): void => {
    const bytes = this.waiting * this.size;
    this.device.gpu.queue.writeBuffer(this.queued, 0, this.words, 0, bytes);
    this.device.counters.bytesUploaded += bytes;
    this.waiting = 0;
  };

  dispose(): void {
    this.device.destroyBuffer(this.buffer);
    this.device.destroyBuffer(this.queued);
  }
}

/** The buffer for kernels that read a step's number: of a recorded step, or with a number that stays. */
export const stateOf = (device: Device, step: number | StepState) =>
  step instanceof StepState ? step.buffer : device.uniform(Uint32Array.of(0, step, 0, 0, 0, 0, 0, 0));
