import type { Tensor } from '../autograd/tensor.ts';
import type { Device } from '../gpu/device.ts';
import type { Storage } from '../gpu/storage.ts';
import { DeviceArray } from '../kernels/array.ts';
import { accumulateLoss, accumulateMetrics } from '../kernels/metrics.ts';

/** Where counts begin in the buffer: bindings begin at multiples of 256 bytes. */
const COUNTS_AT = 256;
const SUMS_BYTES = 16;

/** What was added by the steps submitted so far. */
export interface Sums {
  /** Mean over the samples. */
  loss: number;
  /** Share of hits; only for those who gave hits. */
  accuracy: number;
  samples: number;
  counts: Uint32Array;
}

/** Running sums of loss and hits, and counts, on the GPU. Steps add to them; the host reads them when it likes. */
export class RunningTotals {
  /** One buffer, so that one read-back brings everything. */
  private readonly held: DeviceArray;
  private readonly sums: DeviceArray;
  /** u32 [words], for metrics to add to. */
  readonly counts: DeviceArray;
  private readonly bytes: number;

  constructor(
    private readonly device: Device,
    words = 0,
  ) {
    this.bytes = words > 0 ? COUNTS_AT + 4 * words : SUMS_BYTES;
    this.held = DeviceArray.empty(device, [this.bytes / 4]).keep();
    const part = (storage: Storage, size: number, dtype: 'f32' | 'u32') =>
      new DeviceArray(device, [size], dtype, 1, storage).keep();
    this.sums = part(this.held.storage.view(0, SUMS_BYTES), 4, 'f32');
    this.counts = part(this.held.storage.view(words > 0 ? COUNTS_AT : 0, 4 * words), words, 'u32');
    this.reset();
  }

  reset(): void {
    this.device.upload(this.held.storage, new Float32Array(this.bytes / 4));
  }

  /** Dispatches the addition of a batch of `rows` samples: its mean loss [] and, where they are counted, its hits [N]. */
  add(loss: Tensor, hits: Tensor | null, rows: number): void {
    if (hits) accumulateMetrics(loss.array, hits.array, this.sums);
    else accumulateLoss(loss.array, rows, this.sums);
  }

  /** Waits for the steps submitted so far. */
  async read(): Promise<Sums> {
    const bytes = await this.device.read(this.held.storage);
    const [loss, hits, samples] = new Float32Array(bytes, 0, 4) as unknown as number[];
    const n = Math.max(1, samples!);
    const counts = this.counts.size > 0 ? new Uint32Array(bytes, COUNTS_AT) : new Uint32Array(0);
    return { loss: loss! / n, accuracy: hits! / n, samples: samples!, counts };
  }

  dispose(): void {
    this.held.dispose();
  }
}
