import { checkFlag, checkFunction, checkOptions, checkShape, formatValue } from '../base/check.ts';
import { ArgumentError, DisposedError, GpuError, ShapeError } from '../base/errors.ts';
import { checkDevice, type Device } from '../gpu/device.ts';
import {
  DeviceArray,
  type DType,
  type HostArray,
  type Shape,
  sameShape,
  showShape,
  withScope,
} from '../kernels/array.ts';
import { commonReplicas } from '../kernels/run.ts';
import { copyArray } from './copy-array.ts';
import { readValues } from './host-array.ts';
import { type Numbers, readNumbers } from './host-data.ts';
import type { Node } from './node.ts';
import { recordingOf } from './step-recording.ts';
import { backward } from './tape.ts';
import { formatTensor, summarizeTensor } from './tensor-text.ts';

export type { HostArray } from '../kernels/array.ts';

/** Host data for a tensor: numbers in row-major order, nested lists of the tensor's shape, or an array with that shape. */
export type HostData = Numbers;

let nextSerial = 0;
/** Arrays that are the gradient of one tensor, and must not become the gradient of another. */
const ownedGradients = new WeakSet<DeviceArray>();
/** The method that `console.log` of Node, Deno and Bun calls. */
const inspect: unique symbol = Symbol.for('nodejs.util.inspect.custom');

/** A multi-dimensional array on a device, with the tape's record of how it was computed. Row-major and contiguous. */
export class Tensor {
  private gradient: Tensor | null = null;
  /**
   * Array that receives the gradient, if an owner (a model's flat gradient buffer) provides one; else null.
   * @internal
   */
  gradBuffer: DeviceArray | null = null;
  /**
   * Whether it is the output of an operator that ends in a ReLU, or a dropout of such an output. The ReLU sets its gradient to 0 wherever
   * the tensor is not above 0, so a kernel may apply that mask already (`appliedReluMask` of DeviceArray).
   * @internal
   */
  isReluOutput = false;
  /**
   * Intermediate arrays that only this tensor's graph uses; the backward pass releases them, or `dispose`. Null for none.
   * @internal
   */
  intermediates: readonly DeviceArray[] | null = null;
  /**
   * Number in order of creation; `backward` visits tensors in reverse order.
   * @internal
   */
  readonly serial = nextSerial++;

  /**
   * Use `tensor()` or an operator to create a tensor.
   * @internal
   */
  constructor(
    /**
     * The data, as kernels see it.
     * @internal
     */
    readonly array: DeviceArray,
    /** Whether `backward()` computes a gradient for it. */
    readonly requiresGrad = false,
    /**
     * The operator that computed it; null for leaves, and if no input requires a gradient.
     * @internal
     */
    readonly node: Node | null = null,
  ) {
    if (!(array instanceof DeviceArray)) {
      throw new ArgumentError(`Tensor: is made by tensor(device, data, shape), but was given ${formatValue(array)}`);
    }
  }

  /**
   * Gradient from `backward()`, for leaves with `requiresGrad`: f32, of the tensor's shape. Null before, and after it was disposed.
   * The tensor owns it: it is disposed with the tensor or its scope, by `grad = null` and by assigning another gradient.
   * Assigning a tensor that shares its memory, such as the gradient of another tensor, stores a copy.
   * @throws ArgumentError, ShapeError, DisposedError if the assigned value cannot be a gradient of this tensor
   */
  get grad(): Tensor | null {
    if (this.gradient?.array.disposed) this.grad = null;
    return this.gradient;
  }

  /** Replaces the gradient; null removes it. */
  set grad(gradient: Tensor | null) {
    const before = this.gradient;
    if (gradient === null) recordingOf(this.device)?.noteCleared(this);
    if (gradient === before) return;
    this.gradient = gradient === null ? null : this.adoptGradient(gradient);
    before?.dispose();
  }

  /** Returns `given`, or a copy if something else uses its memory. */
  private adoptGradient(given: Tensor): Tensor {
    checkGradient(this, given);
    const { storage } = given.array;
    const isInPlace = storage.isSame(this.gradBuffer?.storage);
    const isFree = given !== this && !ownedGradients.has(given.array) && !storage.isShared;
    const gradient = isInPlace || isFree ? given : new Tensor(copyArray(given.array));
    gradient.array.moveToScopeOf(this.array);
    ownedGradients.add(gradient.array);
    return gradient;
  }

  /** The name in messages; bundlers rename the class itself. */
  get [Symbol.toStringTag](): string {
    return 'Tensor';
  }

  /**
   * Shape, type and values as NumPy prints them; of more than 1,000 values, only those at the edges. Waits for the adapter.
   * @throws DisposedError
   */
  text(): Promise<string> {
    return this.data().then((values) => formatTensor(this, values));
  }

  /**
   * Shape, type and the first values if the host knows them: after a tensor is created from numbers, or read, until it is
   * written again. `console.log(x)` shows this text; in a browser use `console.log(String(x))`.
   */
  toString(): string {
    return summarizeTensor(this);
  }
  [inspect](): string {
    return summarizeTensor(this);
  }

  /** The device that holds the values. */
  get device(): Device {
    return this.array.device;
  }
  /** Shape of one replica; `[]` for a scalar. */
  get shape(): Shape {
    return this.array.shape;
  }
  /** Type of the elements. */
  get dtype(): DType {
    return this.array.dtype;
  }
  /** Number of replicas: independent tensors of this shape stored one after another; 1 by default. */
  get replicas(): number {
    return this.array.replicas;
  }

  /**
   * The older name of `replicas`.
   * @deprecated Use `replicas`.
   */
  get models(): number {
    return this.array.replicas;
  }
  /** Elements of one replica. */
  get size(): number {
    return this.array.size;
  }

  /**
   * Copies the values to the host: `replicas * size` of them, in row-major order. Waits for the GPU.
   * @throws GpuError during the recording of a step, at once rather than as a rejection; DisposedError as a rejection
   */
  data(): Promise<HostArray> {
    this.checkNotRecorded();
    return this.read();
  }

  /** Throws at once during a recording, which has no values yet: callers in functions that are not async rarely await the promise. */
  private checkNotRecorded(): void {
    const { device } = this;
    if (!device.recording) return;
    const recording = recordingOf(device);
    const refused = new GpuError(
      recording
        ? 'data: no values can be read within a compiled step, which is recorded before it runs; return the tensor from the step, and read it afterwards'
        : 'data: no values can be read here, where a step is recorded that runs later, as fit, evaluate and predict do; call the model, loss, layer or ' +
            'metric by itself to look at values',
    );
    (recording ?? device).refuse(refused);
    throw refused;
  }

  private async read(): Promise<HostArray> {
    const bytes = await this.device.read(this.array.storage);
    if (this.dtype === 'u32') return new Uint32Array(bytes);
    return this.dtype === 'i32' ? new Int32Array(bytes) : new Float32Array(bytes);
  }

  /** The value of a one-element tensor. @throws ShapeError for any other number of elements */
  item(): Promise<number> {
    this.checkNotRecorded();
    return this.readItem();
  }

  private async readItem(): Promise<number> {
    if (this.size * this.replicas !== 1) {
      throw new ShapeError(
        `item: the tensor must have one element, but has shape ${showShape(this.shape)}${this.replicas > 1 ? ` x ${this.replicas} replicas` : ''}`,
      );
    }
    return (await this.data())[0]!;
  }

  /**
   * Computes the gradient of this tensor with respect to every leaf it depends on that has `requiresGrad`, and adds it to the leaf's
   * `grad`, as PyTorch does. The pass releases the graph: intermediate arrays at once, and tensors that you may hold (this one, a
   * model's output) with their scope. Outside of scopes, such tensors can be read until the second `step` of an optimizer after this
   * pass. Without an optimizer, they can be read until the leaves' gradients are cleared and computed again.
   * @param dout gradient of the final result with respect to this tensor, of the same shape; default 1 for a scalar
   * @param options.retainGraph keeps the graph for another backward pass, until that pass or until an optimizer's `step` changes its leaves.
   *   Default false
   * @throws ShapeError if `dout` is missing or has another shape; ArgumentError if nothing requires a gradient, an earlier pass released
   *   the graph, or a tensor of the graph was changed since; DisposedError
   */
  backward(dout?: Tensor, options: { retainGraph?: boolean } = {}): void {
    const { retainGraph = false } = checkOptions('backward', options, { retainGraph: true });
    checkFlag('backward', 'retainGraph', retainGraph);
    if (!dout && this.size !== 1) {
      throw new ShapeError(
        `backward: a tensor of shape ${showShape(this.shape)} is not a scalar, so its gradient must be given: pass it as dout`,
      );
    }
    if (dout) arrayOf('backward', 'the gradient', dout);
    backward(this, dout, { retainGraph });
  }

  /**
   * Sets the gradient.
   * @internal
   */
  setGrad(gradient: DeviceArray): void {
    this.grad = new Tensor(gradient);
  }

  /** Releases the gradient: the next `backward()` sets it instead of adding to it. */
  clearGrad(): void {
    this.grad = null;
  }

  /**
   * Replaces the values; the gradient and an optimizer's state stay. The tape does not record it: no gradient passes through it.
   * @param values a tensor of the same shape and type, or numbers as for `tensor`; with several replicas, the values of all
   * @throws ShapeError for values of another shape; ArgumentError for another type or device; DisposedError
   */
  assign(values: Tensor | HostData): this {
    const { array, device, shape, dtype, replicas } = this;
    if (array.disposed)
      throw new DisposedError(`assign: the tensor, of shape ${showShape(shape)}, ${array.disposedMessage}`);
    if (values instanceof Tensor) this.copyFrom(values);
    else {
      const host = readValues('assign', values, { shape, dtype, replicas });
      if (host.length > 0) device.upload(array.storage, host);
    }
    array.version++;
    return this;
  }

  private copyFrom(other: Tensor): void {
    const { array, shape, dtype } = this;
    const from = other.array;
    if (from.disposed) {
      throw new DisposedError(
        `assign: the values, a tensor of shape ${showShape(from.shape)}, ${from.disposedMessage}`,
      );
    }
    commonReplicas('assign', [array, from]);
    if (!sameShape(from.shape, shape)) {
      throw new ShapeError(
        `assign: the tensor has shape ${showShape(shape)}, but the values have ${showShape(from.shape)}`,
      );
    }
    if (from.dtype !== dtype) {
      throw new ArgumentError(
        `assign: the tensor is ${dtype}, but the values are ${from.dtype}; use cast(x, '${dtype}')`,
      );
    }
    if (from.storage === array.storage) return;
    // A kernel cannot read and write the same buffer, and the weights of one model share a buffer.
    const shared = from.storage.buffer === array.storage.buffer;
    const apart = shared ? copyArray(from) : from;
    copyArray(apart, array);
    if (shared) apart.dispose();
  }

  /**
   * A tensor with the same memory that is not on the tape. It stays valid when the graph of this tensor is released.
   * @throws DisposedError
   */
  detach(): Tensor {
    const { array } = this;
    return new Tensor(array.reshape(array.shape));
  }

  /**
   * Releases the GPU memory of the values, of the gradient and of arrays for its backward pass. Calling it again does nothing;
   * reading the tensor afterwards throws DisposedError.
   */
  dispose(): void {
    this.array.dispose();
    for (const array of [...(this.node?.saved ?? []), ...(this.intermediates ?? [])]) array.dispose();
    this.grad = null;
  }

  /** The same as `dispose`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** The array of an operator's argument. @throws ArgumentError, with operator and argument, if it is not a tensor; DisposedError */
export function arrayOf(operator: string, argument: string, value: Tensor): DeviceArray {
  if (!(value instanceof Tensor))
    throw new ArgumentError(`${operator}: ${argument} must be a tensor, but is ${formatValue(value)}`);
  const { array } = value;
  if (array.disposed) {
    throw new DisposedError(
      `${operator}: ${argument}, a tensor of shape ${showShape(array.shape)}, ${array.disposedMessage}`,
    );
  }
  return array;
}

/** @throws ArgumentError, ShapeError, DisposedError unless `gradient` can be the gradient of `of` */
function checkGradient(of: Tensor, gradient: Tensor): void {
  if (!(gradient instanceof Tensor)) {
    throw new ArgumentError(`grad: must be a tensor or null, but is ${formatValue(gradient)}`);
  }
  if (gradient.array.disposed) {
    throw new DisposedError(`grad: a tensor of shape ${showShape(gradient.shape)} ${gradient.array.disposedMessage}`);
  }
  commonReplicas('grad', [of.array, gradient.array]);
  if (gradient.dtype !== 'f32' || !sameShape(gradient.shape, of.shape)) {
    throw new ShapeError(
      `grad: must be f32 of shape ${showShape(of.shape)}, but is ${gradient.dtype} ${showShape(gradient.shape)}`,
    );
  }
}

/** @throws ArgumentError unless `shape` is a shape; the message has the shape of the data, or what is wrong with the data */
function checkTensorShape(data: HostData, shape: Shape): void {
  if (Array.isArray(shape)) {
    checkShape('tensor', shape);
    return;
  }
  const given = readNumbers('tensor', data);
  throw new ArgumentError(
    `tensor: a shape is a list of integers from 0 up, but ${formatValue(shape)} was given; the shape is the third argument: ` +
      `tensor(device, data, [${(given.shape ?? [given.flat.length]).join(', ')}])`,
  );
}

/**
 * Creates a tensor from host data. Without `dtype` its type is f32, also for a `Uint32Array` or `Int32Array` (`compileStep`
 * takes the type from the array); labels need `{ dtype: 'u32' }`.
 * @param data `replicas * product(shape)` numbers in row-major order, or nested lists of exactly that shape
 * @param shape shape of one replica; `[]` for a scalar
 * @param options.dtype type of the elements; default f32
 * @param options.requiresGrad whether `backward()` computes a gradient for it; default false, and only f32 can have one
 * @param options.replicas number of independent tensors stored one after another, as for the replicas of a model; default 1
 * @param options.models deprecated: use `replicas`
 * @throws ShapeError if counts or shapes differ; ArgumentError for an invalid shape, type or value
 */
export function tensor(
  device: Device,
  data: HostData,
  shape: Shape,
  options: { dtype?: DType; requiresGrad?: boolean; replicas?: number; models?: number } = {},
): Tensor {
  checkDevice('tensor', device, 'tensor(device, data, shape)');
  checkOptions('tensor', options, { dtype: true, requiresGrad: true, replicas: true, models: true });
  const { dtype = 'f32', requiresGrad = false, replicas = options.models ?? 1 } = options;
  checkTensorShape(data, shape);
  if (!Number.isInteger(replicas) || replicas < 1) {
    throw new ArgumentError(`tensor: replicas must be a positive integer, but is ${formatValue(replicas)}`);
  }
  if (!['f32', 'u32', 'i32'].includes(dtype))
    throw new ArgumentError(`tensor: dtype must be f32, u32 or i32, but is ${formatValue(dtype)}`);
  if (requiresGrad && dtype !== 'f32') throw new ArgumentError(`tensor: only f32 tensors have gradients, not ${dtype}`);
  const host = readValues('tensor', data, { shape, dtype, replicas });
  const array = DeviceArray.empty(device, shape, { dtype, replicas });
  try {
    if (host.length > 0) device.upload(array.storage, host);
  } catch (error) {
    array.dispose();
    throw error;
  }
  return new Tensor(array, requiresGrad);
}

/**
 * Runs `body` and releases every tensor created in it, except returned tensors (alone, in an array or in an object) and the
 * gradients of leaves that outlive the scope.
 * @throws ArgumentError unless it is given a device and a function
 */
export function scope<T>(device: Device, body: () => T): T {
  checkDevice('scope', device, 'scope(device, () => ...)');
  checkFunction('scope', body);
  return withScope(device, body, (result) =>
    [...tensorsIn(result)].flatMap(({ array, grad }) => (grad ? [array, grad.array] : [array])),
  );
}

/** The tensors in a value: the value itself, or in lists or plain objects. */
export function* tensorsIn(value: unknown): Generator<Tensor> {
  if (value instanceof Tensor) yield value;
  else if (Array.isArray(value)) for (const item of value) yield* tensorsIn(item);
  else if (value && Object.getPrototypeOf(value) === Object.prototype) {
    for (const item of Object.values(value)) yield* tensorsIn(item);
  }
}
