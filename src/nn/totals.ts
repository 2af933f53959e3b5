import type { Tensor } from '../autograd/tensor.ts';
import type { Device } from '../gpu/device.ts';
import { DeviceArray } from '../kernels/array.ts';
import { accumulateLoss, accumulateMetrics, readTotals, TOTALS_WORDS } from '../kernels/metrics.ts';

/** Bindings begin at multiples of 256 bytes. */
const aligned = (bytes: number) => Math.ceil(bytes / 256) * 256;
const SUMS_BYTES = 4 * TOTALS_WORDS;

/** What was added by the steps submitted so far, of one replica. */
export interface Sums {
  /** Mean over the samples. */
  loss: number;
  /** Share of hits; only for those who gave hits. */
  accuracy: number;
  samples: number;
  counts: Uint32Array;
}

/** Running sums of losses, and exact counts of samples, hits and more, on the GPU. Steps add to them; the host reads them when it likes. */
export class RunningTotals {
  /** All u32, in one buffer, so that one read-back brings everything: the sums of all replicas, then their counts. */
  private readonly held: DeviceArray;
  private readonly sums: DeviceArray;
  /** u32 [words] of each replica, for metrics to add to. */
  readonly counts: DeviceArray;
  private readonly countsAt: number;
  private readonly bytes: number;

  constructor(
    private readonly device: Device,
    private readonly replicas: number,
    private readonly words = 0,
  ) {
    const sumsBytes = SUMS_BYTES * replicas;
    this.countsAt = words > 0 ? aligned(sumsBytes) : 0;
    this.bytes = words > 0 ? this.countsAt + 4 * words * replicas : sumsBytes;
    this.held = DeviceArray.empty(device, [this.bytes / 4]).keep();
    const part = (offset: number, size: number) => {
      const storage = this.held.storage.view(offset, 4 * size * replicas);
      return new DeviceArray(device, [size], 'u32', replicas, storage).keep();
    };
    this.sums = part(0, TOTALS_WORDS);
    this.counts = part(this.countsAt, words);
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

  /** Waits for the steps submitted so far. @returns the sums of each replica */
  async read(): Promise<Sums[]> {
    const bytes = await this.device.read(this.held.storage);
    const { countsAt, words } = this;
    return Array.from({ length: this.replicas }, (_, r) => {
      const { loss, hits, samples } = readTotals(new Uint32Array(bytes, SUMS_BYTES * r, TOTALS_WORDS));
      const n = Math.max(1, samples);
      const counts = words > 0 ? new Uint32Array(bytes, countsAt + 4 * words * r, words) : new Uint32Array(0);
      return { loss: loss / n, accuracy: hits / n, samples, counts };
    });
  }

  /** The sums and counts as they lie on the GPU. */
  async save(): Promise<Uint32Array<ArrayBuffer>> {
    return new Uint32Array(await this.device.read(this.held.storage));
  }

  /** Goes on from what `save` returned. */
  load(words: Uint32Array<ArrayBuffer>): void {
    this.device.upload(this.held.storage, words);
  }

  dispose(): void {
    this.held.dispose();
  }
}
