import type { Device } from '../gpu/device.ts';

/**
 * The small uniform that carries what changes from one run of a recorded step to the next (shaders/step_state.wgsl).
 * Write it before each run: the write takes its place in the queue, so steps under way keep their own values.
 */
export class StepState {
  readonly buffer: GPUBuffer;
  private readonly words = new ArrayBuffer(16);
  private readonly view = new DataView(this.words);

  constructor(private readonly device: Device) {
    const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
    this.buffer = device.gpu.createBuffer({ label: 'step state', size: 16, usage });
    device.counters.buffersCreated++;
  }

  /** @param values.batchStart position of the batch in the order; `step` from 1; `stepSize`, `rate` see `Optimizer` */
  write(values: { batchStart: number; step?: number; stepSize?: number; rate?: number }): void {
    this.view.setUint32(0, values.batchStart, true);
    this.view.setUint32(4, values.step ?? 0, true);
    this.view.setFloat32(8, values.stepSize ?? 0, true);
    this.view.setFloat32(12, values.rate ?? 0, true);
    this.device.flush(); // what was dispatched before must still see the old values
    this.device.gpu.queue.writeBuffer(this.buffer, 0, this.words);
    this.device.counters.bytesUploaded += 16;
  }

  dispose(): void {
    this.buffer.destroy();
  }
}
