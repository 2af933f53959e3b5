import { copyArray } from '../autograd/copy-array.ts';
import { toHostArray } from '../autograd/host-array.ts';
import { type Numbers, readNumbers } from '../autograd/host-data.ts';
import { type StepNumber, StepRecording } from '../autograd/step-recording.ts';
import { Tensor, tensorsIn } from '../autograd/tensor.ts';
import { checkFunction, checkSurplus, formatValue, tryRead } from '../base/check.ts';
import { ArgumentError, DisposedError, GpuError } from '../base/errors.ts';
import { checkDevice, type Device } from '../gpu/device.ts';
import type { Program } from '../gpu/recorder.ts';
import { DeviceArray, type DType, type Shape, showShape, withScope } from '../kernels/array.ts';
import { prepareOptimizers } from '../nn/optimizers/optimizer.ts';

/** An argument of a compiled step for a tensor argument of its function. */
export type StepInput = Tensor | Numbers | number;

/** A compiled step: takes tensors or numbers from the host, and returns what its function returned. */
export interface CompiledStep<A extends readonly Tensor[], R> {
  (...inputs: { [K in keyof A]: StepInput }): R;
  /** Releases the recordings, and the tensors that the step returned. */
  dispose(): void;
  /** The same as `dispose`, for `using`. */
  [Symbol.dispose](): void;
}

/** Most recordings that are kept: one for each combination of input shapes and types. */
const MAX_RECORDINGS = 8;

/**
 * Compiles a training step, or any function of tensors. The first call records the dispatches of the function. Later calls run them as `fit`
 * runs its steps: in one submit, without creating anything on the adapter. Like `torch.compile` and `tf.function`, but it records dispatches:
 *
 *     const step = compileStep(device, (x, y) => {
 *       const loss = softmaxCrossEntropy(model.callLogits(x, { training: true }), y);
 *       loss.backward();
 *       optimizer.step();
 *       optimizer.clearGrad();
 *       return loss;
 *     });
 *     for (const [x, y] of batches) loss = step(x, y); // numbers or tensors
 *     console.log(await loss.item());
 *
 * - Inputs are copied into tensors of the step. A `Uint32Array` (labels) becomes u32, an `Int32Array` i32, all other numbers f32. A flat
 *   array has shape [n]; for other shapes pass `{ shape, data }`. New shapes or types are recorded again; the last 8 recordings are kept.
 * - The function runs once for each recording. Its other effects (printing, counting, random numbers of the host) happen only then.
 *   Learning rates, schedules and the random numbers of dropout layers are those of each step.
 * - The function cannot read values (`data`, `item`), create tensors from host data, or be async. Return the tensors to be read.
 * - The returned tensors (one, or a list or an object of them) are off the tape. They belong to the step, and the next call overwrites them.
 * @throws ArgumentError unless it is given a device and a function. A call throws ArgumentError for an input that is not a tensor or numbers,
 *   and for a function that cannot be recorded; GpuError if the function reads or uploads values; DisposedError; what the function throws
 */
export function compileStep<A extends readonly Tensor[], R>(
  device: Device,
  step: (...inputs: A) => R,
  ...surplus: never[]
): CompiledStep<A, R> {
  checkDevice('compileStep', device, 'compileStep(device, (x, y) => ...)');
  checkFunction('compileStep', step);
  checkSurplus('compileStep', surplus);
  const recordings = new Recordings(device, step as unknown as Step);
  const dispose = () => recordings.dispose();
  const call = (...inputs: StepInput[]) => recordings.run(inputs);
  return Object.assign(call, { dispose, [Symbol.dispose]: dispose }) as unknown as CompiledStep<A, R>;
}

type Step = (...inputs: Tensor[]) => unknown;

/** An input of a call. */
interface ReadInput {
  shape: Shape;
  dtype: DType;
  replicas: number;
  /** The array of a tensor; null for numbers from the host. */
  array: DeviceArray | null;
  /** Copies or uploads the input to an array of its shape and type. */
  copyTo(target: DeviceArray): void;
}

function readInput(device: Device, given: StepInput, i: number): ReadInput {
  const subject = `compileStep: input ${i}`;
  if (!(given instanceof Tensor)) return readHost(device, subject, given);
  const { array, shape, dtype, replicas } = given;
  if (array.disposed)
    throw new DisposedError(`${subject}, a tensor of shape ${showShape(shape)}, ${array.disposedMessage}`);
  if (given.device !== device) throw new ArgumentError(`${subject} is on another device than the step`);
  if (given.requiresGrad) {
    throw new ArgumentError(
      `${subject}, a tensor of shape ${showShape(shape)}, requires a gradient, but inputs are copied; let the function use it from outside`,
    );
  }
  return { shape, dtype, replicas, array, copyTo: (target) => device.copy(array.storage, target.storage) };
}

function readHost(device: Device, subject: string, given: Numbers | number): ReadInput {
  if (typeof given === 'number') return readHost(device, subject, { shape: [], data: [given] });
  const { flat, shape: known } = readNumbers(subject, given);
  const shape = known ?? [flat.length];
  const dtype = flat instanceof Uint32Array ? 'u32' : flat instanceof Int32Array ? 'i32' : 'f32';
  const values = toHostArray(subject, flat, dtype);
  return {
    ...{ shape, dtype, replicas: 1, array: null },
    copyTo: (target) => void (values.length > 0 && device.upload(target.storage, values)),
  };
}

/** The recordings of a step. */
class Recordings {
  /** By shapes and types of the inputs, the least recently used first. */
  private readonly recordings = new Map<string, RecordedStep>();
  private disposed = false;

  constructor(
    private readonly device: Device,
    private readonly step: Step,
  ) {}

  run(inputs: readonly StepInput[]): unknown {
    if (this.disposed) throw new DisposedError('compileStep: the step was called after its dispose()');
    const { device } = this;
    if (device.recording)
      throw new GpuError('compileStep: a compiled step cannot be called while another one is recorded');
    const given = inputs.map((input, i) => readInput(device, input, i));
    const key = given.map(({ dtype, shape, replicas }) => `${dtype} ${showShape(shape)} x ${replicas}`).join(', ');
    let recorded = this.recordings.get(key);
    if (recorded && !recorded.isCurrent) {
      this.recordings.delete(key);
      recorded.dispose();
      recorded = undefined;
    }
    recorded ??= new RecordedStep(device, this.step, given);
    this.recordings.delete(key);
    this.recordings.set(key, recorded);
    const [oldest] = this.recordings;
    if (this.recordings.size > MAX_RECORDINGS) {
      this.recordings.delete(oldest![0]);
      oldest![1].dispose();
    }
    return recorded.run(given);
  }

  dispose(): void {
    this.disposed = true;
    for (const recorded of this.recordings.values()) recorded.dispose();
    this.recordings.clear();
  }
}

/** A step recorded for one combination of input shapes and types. */
class RecordedStep {
  private readonly inputs: readonly DeviceArray[];
  private readonly recording: StepRecording;
  private readonly program: Program;
  /** Returned tensors by the arrays of the recording. */
  private readonly outputs = new Map<DeviceArray, Tensor>();
  /** What the function returned. */
  private readonly returned: unknown;
  /** What calls return: `returned` with tensors off the tape. */
  private result: unknown;
  /** Which parameters of each optimizer were frozen. */
  private readonly frozen: readonly string[];

  constructor(device: Device, step: Step, given: readonly ReadInput[]) {
    prepareOptimizers(device);
    this.inputs = given.map(({ shape, dtype, replicas }) =>
      DeviceArray.empty(device, shape, { dtype, replicas }).keep(),
    );
    this.recording = new StepRecording(device);
    try {
      let result: unknown;
      this.program = device.record(() => {
        result = withScope(
          device,
          () => this.recording.run(() => checkSynchronous(step(...this.inputs.map((array) => new Tensor(array))))),
          (returned) => [...tensorsIn(returned)].map(({ array }) => array),
        );
        this.recording.checkGradients();
      });
      this.returned = result;
      this.result = this.detach(result);
      this.frozen = [...this.recording.steps].map(({ frozenKey }) => frozenKey);
    } catch (error) {
      this.recording.undo();
      for (const input of this.inputs) input.dispose();
      throw error;
    }
  }

  /** Whether the same parameters are trainable as when it was recorded, and gradients are as it left them. @throws DisposedError, ArgumentError as `step` */
  get isCurrent(): boolean {
    const { isCurrent, steps } = this.recording;
    return [...steps].every(({ frozenKey }, i) => frozenKey === this.frozen[i]) && isCurrent;
  }

  /** Throws, if at all, before anything is uploaded or counted. */
  run(given: readonly ReadInput[]): unknown {
    const { steps, numbers } = this.recording;
    for (const optimizer of steps) optimizer.check();
    this.program.check();
    this.copyInputs(given);
    const written: ReadonlySet<StepNumber> = steps; // by `begin`
    for (const number of numbers) if (!written.has(number)) number.write(number.iterations + 1);
    for (const optimizer of steps) optimizer.begin();
    this.program.run();
    if ([...this.outputs.values()].some(({ array }) => array.disposed)) this.result = this.detach(this.returned);
    return this.result;
  }

  private copyInputs(given: readonly ReadInput[]): void {
    const isInput = ({ array }: ReadInput) =>
      this.inputs.some(({ storage }) => storage.buffer === array?.storage.buffer);
    // An input of the step may be passed to the step again: copy it first, because it may be overwritten before it is read.
    const copies = given.map((one) => (isInput(one) ? copyArray(one.array!).keep() : null));
    for (const [i, one] of given.entries()) {
      const to = this.inputs[i]!;
      if (copies[i]) to.device.copy(copies[i].storage, to.storage);
      else one.copyTo(to);
    }
    for (const copy of copies) copy?.dispose();
  }

  /** Replaces tensors of the recording in a returned value by tensors off the tape. */
  private detach(value: unknown): unknown {
    if (value instanceof Tensor) {
      const { array } = value;
      if (!this.inputs.includes(array) && !this.program.owns(array.storage.buffer)) return value;
      const before = this.outputs.get(array);
      if (before && !before.array.disposed) return before;
      const { device, shape, dtype, replicas, storage } = array.keep();
      const output = new Tensor(new DeviceArray(device, shape, dtype, replicas, storage.view(0, storage.bytes)).keep());
      this.outputs.set(array, output);
      return output;
    }
    if (Array.isArray(value)) return value.map((one) => this.detach(one));
    if (!isPlainObject(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, this.detach(one)]));
  }

  dispose(): void {
    for (const [array, output] of this.outputs) {
      output.dispose();
      array.dispose();
    }
    for (const input of this.inputs) input.dispose();
    for (const leaf of this.recording.leaves) {
      if (leaf.grad && !leaf.grad.array.disposed && this.program.owns(leaf.grad.array.storage.buffer)) leaf.clearGrad();
    }
    this.program.dispose();
  }
}

const isPlainObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;

/** @throws ArgumentError for a promise: dispatches after an `await` would not be recorded */
function checkSynchronous<T>(result: T): T {
  const then = tryRead('compileStep', () => (result as { then?: unknown } | null | undefined)?.then);
  if (typeof then !== 'function') return result;
  (result as unknown as Promise<unknown>).then(undefined, () => {}); // its rejection has the same cause as this error
  throw new ArgumentError(
    `compileStep: takes a function that is not async, but it returned ${formatValue(result)}; return the tensors from the step, and await their values afterwards`,
  );
}
