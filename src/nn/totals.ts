import type { Tensor } from '../autograd/tensor.ts';
import type { Device } from '../gpu/device.ts';
import { DeviceArray } from '../kernels/array.ts';
import { accumulateMetrics } from '../kernels/metrics.ts';

/** Mean loss and share of hits over `samples` samples. */
export interface Metrics {
  loss: number;
  accuracy: number;
}

/** Running sums of loss and hits on the GPU. Steps add to them; the host reads them when it likes. */
export class RunningTotals {
  private readonly sums: DeviceArray;

  constructor(private readonly device: Device) {
    this.sums = DeviceArray.empty(device, [4]).keep();
    this.reset();
  }

  reset(): void {
    this.device.upload(this.sums.storage, new Float32Array(4));
  }

  /** Dispatches the addition of a batch: its mean loss [] and its hits [N]. */
  add(loss: Tensor, hits: Tensor): void {
    accumulateMetrics(loss.array, hits.array, this.sums);
  }

  /** What was added by the steps submitted so far. */
  async read(): Promise<Metrics & { samples: number }> {
    const [loss, hits, samples] = new Float32Array(await this.device.read(this.sums.storage)) as unknown as number[];
    const n = Math.max(1, samples!);
    return { loss: loss! / n, accuracy: hits! / n, samples: samples! };
  }

  dispose(): void {
    this.sums.dispose();
  }
}
