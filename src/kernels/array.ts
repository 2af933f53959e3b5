import { DisposedError, OutOfMemoryError, ShapeError } from '../base/errors.ts';
import type { Device } from '../gpu/device.ts';
import type { Storage } from '../gpu/storage.ts';

/** Element types on the GPU. Each takes four bytes. */
export type DType = 'f32' | 'u32' | 'i32';
/** Sizes along the axes, the slowest first; `[]` for a scalar. */
export type Shape = readonly number[];
/** Elements of an array on the host. */
export type HostArray = Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Int32Array<ArrayBuffer>;

export const sizeOf = (shape: Shape): number => shape.reduce((product, n) => product * n, 1);
export const showShape = (shape: Shape): string => `[${shape.join(',')}]`;
export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((n, i) => n === b[i]);

const DISPOSED = 'was used after it was disposed';

/**
 * A row-major, contiguous array on the GPU, as kernels take and return it. `shape` is the shape of one replica. The storage holds
 * `replicas` of them, one after another: the same weight of ten networks trained at once is one array with `replicas` 10.
 */
export class DeviceArray {
  /** Elements of one replica. */
  readonly size: number;
  /** The output of the ReLU whose mask is already applied to this gradient; null for any other array. */
  appliedReluMask: DeviceArray | null = null;
  /** Number of times that `Tensor.assign` or an optimizer's `step` replaced the elements. */
  version = 0;
  private gone = false;
  private why = DISPOSED;

  constructor(
    readonly device: Device,
    readonly shape: Shape,
    readonly dtype: DType,
    readonly replicas: number,
    private readonly held: Storage,
  ) {
    this.size = sizeOf(shape);
    device.scopes.at(-1)?.add(this);
    if (device.trackings && !device.recording) for (const tracking of device.trackings) tracking.addTensor(this, held);
  }

  /** A new array with unspecified contents. */
  static empty(device: Device, shape: Shape, options: { dtype?: DType; replicas?: number } = {}): DeviceArray {
    const replicas = options.replicas ?? 1;
    const bytes = 4 * replicas * sizeOf(shape);
    return new DeviceArray(device, shape, options.dtype ?? 'f32', replicas, device.allocate(bytes));
  }

  /** An array with the same elements and another shape of the same size. They share the storage; dispose each of them. */
  reshape(shape: Shape): DeviceArray {
    if (sizeOf(shape) !== this.size) {
      throw new ShapeError(
        `reshape: ${showShape(this.shape)} has ${this.size} elements, ${showShape(shape)} has ${sizeOf(shape)}`,
      );
    }
    return new DeviceArray(this.device, shape, this.dtype, this.replicas, this.storage.retain());
  }

  get storage(): Storage {
    if (this.gone) throw new DisposedError(`a tensor of shape ${showShape(this.shape)} ${this.why}`);
    if (this.held.failed) {
      throw new OutOfMemoryError(
        `a tensor of shape ${showShape(this.shape)} was used, but the adapter had no memory for it; use a smaller batch or model`,
      );
    }
    if (this.held.loss) throw this.held.loss;
    return this.held;
  }

  get disposed(): boolean {
    return this.gone;
  }

  /** The first elements, as many as the host has a copy of; null if it has none, or if they may have changed. */
  get knownValues(): HostArray | null {
    const bytes = this.gone || this.held.failed || this.held.loss ? null : this.held.knownBytes;
    if (!bytes) return null;
    return new { f32: Float32Array, u32: Uint32Array, i32: Int32Array }[this.dtype](bytes);
  }

  /**
   * Removes the array from the scope that would dispose it; the caller then owns it.
   * @param name shown by `Device.track`
   */
  keep(name?: string): this {
    for (const scope of this.device.scopes) scope.delete(this);
    if (name) for (const tracking of this.device.trackings ?? []) tracking.setName(this, name);
    return this;
  }

  /** Moves the array to the scope of `owner`; if that has none, out of all scopes. */
  moveToScopeOf(owner: DeviceArray): void {
    const target = this.device.scopes.find((scope) => scope.has(owner));
    this.keep();
    target?.add(this);
  }

  /** How error messages describe the array after it was disposed. */
  get disposedMessage(): string {
    return this.why;
  }

  /** Releases the storage; no effect if already disposed. @param why how error messages describe the array from now on */
  dispose(why = DISPOSED): void {
    if (this.gone) return;
    this.gone = true;
    this.why = why;
    if (this.device.trackings) for (const tracking of this.device.trackings) tracking.remove(this);
    this.keep();
    this.held.release();
  }
}

/** Runs `body`, then disposes every array created in it except those that `body` kept with `keep()` and those that `kept` returns. */
export function withScope<T>(device: Device, body: () => T, kept: (result: T) => Iterable<DeviceArray>): T {
  const scope = new Set<DeviceArray>();
  device.scopes.push(scope);
  let survivors: DeviceArray[] = [];
  try {
    const result = body();
    survivors = [...kept(result)].filter((array) => scope.has(array));
    return result;
  } finally {
    device.scopes.splice(device.scopes.indexOf(scope), 1);
    for (const array of survivors) {
      scope.delete(array);
      device.scopes.at(-1)?.add(array); // arrays that outlive this scope belong to the enclosing one
    }
    for (const array of [...scope]) array.dispose();
  }
}
