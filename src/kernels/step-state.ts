import type { Device } from '../gpu/device.ts';

/** What an optimiser's kernel multiplies with at a step, and the plain rate. */
export interface StepRates {
  stepSize: number;
  rate: number;
}

/**
 * The small buffer that carries what changes from one run of a recorded step to the next (shaders/step_state.wgsl).
 * Write it before each run: the write takes its place in the queue, so steps under way keep their own values.
 */
export class StepState {
  readonly buffer: GPUBuffer;
  private readonly words: ArrayBuffer;
  private readonly view: DataView;

  /** @param models how many may have rates of their own */
  constructor(
    private readonly device: Device,
    private readonly models = 1,
  ) {
    const size = Math.ceil((8 + 8 * models) / 16) * 16;
    // Most kernels see the head as a uniform; an optimiser of models with rates of their own sees all of it.
    const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
    this.words = new ArrayBuffer(size);
    this.view = new DataView(this.words);
    this.buffer = device.gpu.createBuffer({ label: 'step state', size, usage });
    device.counters.buffersCreated++;
  }

  /** @param values.batchStart position of the batch in the order; `step` from 1; `rates` of all models, or one of each */
  write({
    batchStart,
    step = 0,
    rates = [],
  }: {
    batchStart: number;
    step?: number;
    rates?: readonly StepRates[];
  }): void {
    this.view.setUint32(0, batchStart, true);
    this.view.setUint32(4, step, true);
    for (let model = 0; model < this.models; model++) {
      const { stepSize, rate } = rates[model] ?? rates[0] ?? { stepSize: 0, rate: 0 };
      this.view.setFloat32(8 + 8 * model, stepSize, true);
      this.view.setFloat32(12 + 8 * model, rate, true);
    }
    this.device.flush(); // what was dispatched before must still see the old values
    this.device.gpu.queue.writeBuffer(this.buffer, 0, this.words);
    this.device.counters.bytesUploaded += this.words.byteLength;
  }

  dispose(): void {
    this.buffer.destroy();
  }
}
