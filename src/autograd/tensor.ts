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

/** Host data for a tensor: numbers in row-major order, lists in lists of the tensor's shape, or an array with that shape. */
export type HostData = Numbers;

let nextSerial = 0;
/** Arrays that are the gradient of a tensor: those that nobody else's may be. */
const ownedGradients = new WeakSet<DeviceArray>();
/** What `console.log` of Node, Deno and Bun asks for. */
const inspect: unique symbol = Symbol.for('nodejs.util.inspect.custom');

/** A multi-dimensional array on a device, with the tape's record of how it came to be. Row-major and contiguous. */
export class Tensor {
  private gradient: Tensor | null = null;
  /**
   * Where the gradient is to be written, when an owner (a model's flat gradient buffer) set a place aside.
   * @internal
   */
  gradBuffer: DeviceArray | null = null;
  /**
   * Whether an operator that ends in a ReLU made it, or a dropout of such a tensor: its gradient is 0 in the end where it is not above
   * 0 itself, so that a gradient for it may come `throughRelu` (see DeviceArray).
   * @internal
   */
  isReluOutput = false;
  /**
   * What was made on the way to it and only it leads to: released by the backward pass, or with it. Null for none.
   * @internal
   */
  intermediates: readonly DeviceArray[] | null = null;
  /**
   * Order of creation, which `backward` follows in reverse.
   * @internal
   */
  readonly serial = nextSerial++;

  /**
   * Tensors are made by `tensor()` and by operators.
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
     * How it was computed; null for leaves and where no input needs a gradient.
     * @internal
     */
    readonly node: Node | null = null,
  ) {
    if (!(array instanceof DeviceArray)) {
      throw new ArgumentError(`Tensor: is made by tensor(device, data, shape), but was given ${formatValue(array)}`);
    }
  }

  /**
   * Gradient of the last `backward()`, for leaves that asked for one; null before, and once it was disposed. F32, of the tensor's shape. It
   * belongs to its tensor: it is disposed with it, by `grad = null` and by another one in its place, and goes with the scope that the
   * tensor goes with. Assigned what shares its memory, such as the gradient of another tensor, it is a copy of that.
   * @throws ArgumentError, ShapeError, DisposedError when assigned what is no gradient of this tensor
   */
  get grad(): Tensor | null {
    if (this.gradient?.array.disposed) this.grad = null;
    return this.gradient;
  }

  /** Puts another gradient, or none, in its place. */
  set grad(gradient: Tensor | null) {
    const before = this.gradient;
    if (gradient === null) recordingOf(this.device)?.noteCleared(this);
    if (gradient === before) return;
    this.gradient = gradient === null ? null : this.adoptGradient(gradient);
    before?.dispose();
  }

  /** A gradient, or a copy of one that is somebody else's, too. */
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

  /** What messages call it, whatever a bundler makes of the class's name. */
  get [Symbol.toStringTag](): string {
    return 'Tensor';
  }

  /**
   * Shape, type and values as NumPy prints them; of more than 1,000 values those at the edges. Waits for the adapter.
   * @throws DisposedError
   */
  text(): Promise<string> {
    return this.data().then((values) => formatTensor(this, values));
  }

  /**
   * Shape, type and the first values, where the host knows them: those of a tensor made from numbers, or read before, until something
   * is written to it. `console.log(x)` shows this; in a browser `console.log(String(x))`.
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
  /** Shape of one model; `[]` for a scalar. */
  get shape(): Shape {
    return this.array.shape;
  }
  /** Type of the elements. */
  get dtype(): DType {
    return this.array.dtype;
  }
  /** Independent models stored one after another; 1 unless asked for. */
  get models(): number {
    return this.array.replicas;
  }
  /** Elements of one model. */
  get size(): number {
    return this.array.size;
  }

  /**
   * Copies the values to the host: `models * size` of them, in row-major order. Waits for the GPU.
   * @throws GpuError at once, not by the promise, where a step is recorded; DisposedError by the promise
   */
  data(): Promise<HostArray> {
    this.checkNotRecorded();
    return this.read();
  }

  /** A recording has no values yet. Thrown at once: who looks at values in a function that is not async seldom waits for the promise. */
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

  /** The value of a one-element tensor. @throws ShapeError when there are more. */
  item(): Promise<number> {
    this.checkNotRecorded();
    return this.readItem();
  }

  private async readItem(): Promise<number> {
    if (this.size * this.models !== 1) {
      throw new ShapeError(
        `item: the tensor must have one element, but has shape ${showShape(this.shape)}${this.models > 1 ? ` x ${this.models} models` : ''}`,
      );
    }
    return (await this.data())[0]!;
  }

  /**
   * Computes the gradient of this tensor for every leaf it depends on that has `requiresGrad`, and adds it to the leaf's
   * `grad`, as PyTorch does. That ends the graph it goes through: what only an operator or a model saw of it is released on the way, and
   * tensors that you may hold (this one, a model's output) with the scope they are in. Outside of scopes they belong to the
   * optimizer whose `step` is next, and can be read until its `step` after that; without an optimizer, until their leaves' gradients were
   * cleared and a backward pass gave new ones.
   * @param dout gradient of the final result for this tensor, of the same shape; may be left out for a scalar (then 1)
   * @param options.retainGraph keeps the graph for another backward pass, until then or until an optimizer's `step` changed its leaves.
   *   Default false
   * @throws ShapeError for a missing or ill-fitting `dout`; ArgumentError where nothing requires a gradient, an earlier pass released the
   *   graph, or a tensor was given other values since the graph was made; DisposedError
   */
  backward(dout?: Tensor, options: { retainGraph?: boolean } = {}): void {
    const { retainGraph = false } = checkOptions('backward', options, { retainGraph: true });
    checkFlag('backward', 'retainGraph', retainGraph);
    if (!dout && this.size !== 1) {
      throw new ShapeError(
        `backward: a tensor of shape ${showShape(this.shape)} is no scalar, so its gradient must be given`,
      );
    }
    if (dout) arrayOf('backward', 'the gradient', dout);
    backward(this, dout, { retainGraph });
  }

  /**
   * Takes an array as the gradient.
   * @internal
   */
  setGrad(gradient: DeviceArray): void {
    this.grad = new Tensor(gradient);
  }

  /** Forgets the gradient, and releases it: the next `backward()` begins anew instead of adding to it. */
  clearGrad(): void {
    this.grad = null;
  }

  /**
   * Replaces the values; tensor, gradient and what an optimizer remembers stay. It is not on the tape: no gradient goes through it.
   * @param values a tensor of the same shape and type, or numbers as `tensor` takes them. Of several models, those of all
   * @throws ShapeError for values of another shape; ArgumentError for another type or device; DisposedError
   */
  assign(values: Tensor | HostData): this {
    const { array, device, shape, dtype, models } = this;
    if (array.disposed)
      throw new DisposedError(`assign: the tensor, of shape ${showShape(shape)}, ${array.disposedMessage}`);
    if (values instanceof Tensor) this.copyFrom(values);
    else {
      const host = readValues('assign', values, { shape, dtype, models });
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
    // A kernel cannot read and write one buffer, as weights of one model lie in.
    const shared = from.storage.buffer === array.storage.buffer;
    const apart = shared ? copyArray(from) : from;
    copyArray(apart, array);
    if (shared) apart.dispose();
  }

  /**
   * The same values as a tensor off the tape, which shares the memory and is yours: it stays when the graph of this one is released.
   * @throws DisposedError
   */
  detach(): Tensor {
    const { array } = this;
    return new Tensor(array.reshape(array.shape));
  }

  /**
   * Releases the GPU memory: of the values, of the gradient and of what a backward pass through it would need. Doing so again is
   * harmless; reading the tensor afterwards throws DisposedError.
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

/** The data of an operator's argument. @throws ArgumentError naming operator and argument when it is no tensor, DisposedError */
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

/** @throws ArgumentError, ShapeError unless `gradient` is one that `of` can have */
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

/** @throws ArgumentError unless it is a shape, which is said with that of the data; for what is no data, what is wrong with it */
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
 * A tensor from host data. Its type is f32 unless `dtype` says otherwise, also of a `Uint32Array` or `Int32Array` (where `compileStep`
 * takes the type from the array): labels need `{ dtype: 'u32' }`.
 * @param data `models * product(shape)` numbers in row-major order, or lists in lists of that very shape
 * @param shape shape of one model's tensor; `[]` for a scalar
 * @param options.dtype type of the elements; default f32
 * @param options.requiresGrad whether `backward()` computes a gradient for it; default false, and only f32 can have one
 * @param options.models independent tensors stored one after another, as for the replicas of a model; default 1
 * @throws ShapeError when counts or shapes differ, ArgumentError for an impossible shape, type or value
 */
export function tensor(
  device: Device,
  data: HostData,
  shape: Shape,
  options: { dtype?: DType; requiresGrad?: boolean; models?: number } = {},
): Tensor {
  checkDevice('tensor', device, 'tensor(device, data, shape)');
  checkOptions('tensor', options, { dtype: true, requiresGrad: true, models: true });
  const { dtype = 'f32', requiresGrad = false, models = 1 } = options;
  checkTensorShape(data, shape);
  if (!Number.isInteger(models) || models < 1) {
    throw new ArgumentError(`tensor: models must be a positive integer, but is ${formatValue(models)}`);
  }
  if (!['f32', 'u32', 'i32'].includes(dtype))
    throw new ArgumentError(`tensor: dtype must be f32, u32 or i32, but is ${formatValue(dtype)}`);
  if (requiresGrad && dtype !== 'f32') throw new ArgumentError(`tensor: only f32 tensors have gradients, not ${dtype}`);
  const host = readValues('tensor', data, { shape, dtype, models });
  const array = DeviceArray.empty(device, shape, { dtype, replicas: models });
  try {
    if (host.length > 0) device.upload(array.storage, host);
  } catch (error) {
    array.dispose();
    throw error;
  }
  return new Tensor(array, requiresGrad);
}

/**
 * Runs `body` and releases every tensor made in it, except those it returns (alone, in an array or in an object) and the
 * gradients of leaves that outlive it.
 * @throws ArgumentError unless it is given a device and a function
 */
export function scope<T>(device: Device, body: () => T): T {
  checkDevice('scope', device, 'scope(device, () => ...)');
  checkFunction('scope', body);
  return withScope(device, body, (result) =>
    [...tensorsIn(result)].flatMap(({ array, grad }) => (grad ? [array, grad.array] : [array])),
  );
}

/** The tensors of what a function returned: alone, in lists or in plain objects. */
export function* tensorsIn(value: unknown): Generator<Tensor> {
  if (value instanceof Tensor) yield value;
  else if (Array.isArray(value)) for (const item of value) yield* tensorsIn(item);
  else if (value && Object.getPrototypeOf(value) === Object.prototype) {
    for (const item of Object.values(value)) yield* tensorsIn(item);
  }
}
