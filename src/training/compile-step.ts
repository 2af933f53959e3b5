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

/** What a compiled step is called with, where its function takes a tensor. */
export type StepInput = Tensor | Numbers | number;

/** What `compileStep` returns: the function, to be called with tensors or with numbers of the host. */
export interface CompiledStep<A extends readonly Tensor[], R> {
  (...inputs: { [K in keyof A]: StepInput }): R;
  /** Releases the recordings, and the tensors that the step returned. */
  dispose(): void;
  /** The same as `dispose`, for `using`. */
  [Symbol.dispose](): void;
}

/** Recordings that are kept, for as many combinations of shapes. */
const MOST_RECORDINGS = 8;

/**
 * A training step (or any function of tensors) that is recorded when it is first called and then runs as `fit` runs its steps: in one
 * submit, without creating anything on the adapter. Like `torch.compile` and `tf.function`, but what is recorded is what
 * the function dispatched:
 *
 *     const step = compileStep(device, (x, y) => {
 *       const loss = softmaxCrossEntropy(model.callLogits(x, { training: true }), y);
 *       loss.backward();
 *       optimizer.step();
 *       optimizer.clearGrad();
 *       return loss;
 *     });
 *     for (const [x, y] of batches) loss = step(x, y); // numbers, or tensors
 *     console.log(await loss.item());
 *
 * - Inputs are copied into the step's own tensors. A `Uint32Array` (labels) becomes u32, an `Int32Array` i32, all other numbers f32; numbers in a
 *   row have shape [n], `{ shape, data }` any other. For other shapes or types it is recorded anew; the last 8 recordings are kept.
 * - The function runs once for each recording. What it does besides dispatching (printing, counting, numbers drawn on the host) happens
 *   then and not again; learning rates, schedules and the numbers that dropout layers of a model draw are those of each step. It cannot read values
 *   (`data`, `item`) nor make tensors of host data, and may not be async. Return what is to be read.
 * - What it returns (a tensor, or a list or an object of them) is off the tape, and the next call writes to the same tensors. They
 *   belong to the step, as everything it makes.
 * @throws ArgumentError unless it is given a device and a function. When called: ArgumentError for what is no tensor or numbers, and for
 *   a function that a recording cannot stand for; GpuError for reading or sending values; DisposedError; and what the function throws
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

/** An input as it was given: its shape and type, and what sends it to an array of these. */
interface Given {
  shape: Shape;
  dtype: DType;
  models: number;
  /** Where it lies on the device; null for numbers of the host. */
  from: DeviceArray | null;
  send(to: DeviceArray): void;
}

function readInput(device: Device, given: StepInput, i: number): Given {
  const subject = `compileStep: input ${i}`;
  if (!(given instanceof Tensor)) return readHost(device, subject, given);
  const { array, shape, dtype, models } = given;
  if (array.disposed)
    throw new DisposedError(`${subject}, a tensor of shape ${showShape(shape)}, ${array.disposedMessage}`);
  if (given.device !== device) throw new ArgumentError(`${subject} is on another device than the step`);
  if (given.requiresGrad) {
    throw new ArgumentError(
      `${subject}, a tensor of shape ${showShape(shape)}, requires a gradient, but inputs are copied; let the function use it from outside`,
    );
  }
  return { shape, dtype, models, from: array, send: (to) => device.copy(array.storage, to.storage) };
}

function readHost(device: Device, subject: string, given: Numbers | number): Given {
  if (typeof given === 'number') return readHost(device, subject, { shape: [], data: [given] });
  const { flat, shape: known } = readNumbers(subject, given);
  const shape = known ?? [flat.length];
  const dtype = flat instanceof Uint32Array ? 'u32' : flat instanceof Int32Array ? 'i32' : 'f32';
  const values = toHostArray(subject, flat, dtype);
  return {
    ...{ shape, dtype, models: 1, from: null },
    send: (to) => void (values.length > 0 && device.upload(to.storage, values)),
  };
}

/** A step's recordings, those used last at the end. */
class Recordings {
  private readonly kept = new Map<string, Recorded>();
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
    const key = given.map(({ dtype, shape, models }) => `${dtype} ${showShape(shape)} x ${models}`).join(', ');
    let recorded = this.kept.get(key);
    if (recorded && !recorded.isCurrent) {
      this.kept.delete(key);
      recorded.dispose();
      recorded = undefined;
    }
    recorded ??= new Recorded(device, this.step, given);
    this.kept.delete(key);
    this.kept.set(key, recorded);
    const [oldest] = this.kept;
    if (this.kept.size > MOST_RECORDINGS) {
      this.kept.delete(oldest![0]);
      oldest![1].dispose();
    }
    return recorded.run(given);
  }

  dispose(): void {
    this.disposed = true;
    for (const recorded of this.kept.values()) recorded.dispose();
    this.kept.clear();
  }
}

/** A step recorded for inputs of these shapes and types. */
class Recorded {
  private readonly inputs: readonly DeviceArray[];
  private readonly recording: StepRecording;
  private readonly program: Program;
  /** What it returned, by the arrays that it made. */
  private readonly outputs = new Map<DeviceArray, Tensor>();
  private readonly made: unknown;
  private result: unknown;
  /** Which parameters of each optimizer were frozen. */
  private readonly frozen: readonly string[];

  constructor(device: Device, step: Step, given: readonly Given[]) {
    prepareOptimizers(device);
    this.inputs = given.map(({ shape, dtype, models }) =>
      DeviceArray.empty(device, shape, { dtype, replicas: models }).keep(),
    );
    this.recording = new StepRecording(device);
    try {
      let result: unknown;
      this.program = device.record(() => {
        result = withScope(
          device,
          () => this.recording.run(() => checkSynchronous(step(...this.inputs.map((array) => new Tensor(array))))),
          (made) => [...tensorsIn(made)].map(({ array }) => array),
        );
        this.recording.checkGradients();
      });
      this.made = result;
      this.result = this.offTape(result);
      this.frozen = [...this.recording.steps].map(({ frozenKey }) => frozenKey);
    } catch (error) {
      this.recording.undo();
      for (const input of this.inputs) input.dispose();
      throw error;
    }
  }

  /** Whether it is what would be recorded now: whether the same parameters are trained, and gradients as it left them. @throws DisposedError, ArgumentError as `step` */
  get isCurrent(): boolean {
    const { isCurrent, steps } = this.recording;
    return [...steps].every(({ frozenKey }, i) => frozenKey === this.frozen[i]) && isCurrent;
  }

  /** @throws before anything is sent or counted */
  run(given: readonly Given[]): unknown {
    const { steps, numbers } = this.recording;
    for (const optimizer of steps) optimizer.check();
    this.program.check();
    this.send(given);
    const written: ReadonlySet<StepNumber> = steps; // by `begin`
    for (const number of numbers) if (!written.has(number)) number.write(number.iterations + 1);
    for (const optimizer of steps) optimizer.begin();
    this.program.run();
    if ([...this.outputs.values()].some(({ array }) => array.disposed)) this.result = this.offTape(this.made);
    return this.result;
  }

  private send(given: readonly Given[]): void {
    const isInput = ({ from }: Given) => this.inputs.some(({ storage }) => storage.buffer === from?.storage.buffer);
    // An input that the step returned, and that comes back, may be written before it is read.
    const copies = given.map((one) => (isInput(one) ? copyArray(one.from!).keep() : null));
    for (const [i, one] of given.entries()) {
      const to = this.inputs[i]!;
      if (copies[i]) to.device.copy(copies[i].storage, to.storage);
      else one.send(to);
    }
    for (const copy of copies) copy?.dispose();
  }

  /** What the step returned, with tensors that are nobody's to differentiate: those that it made belong to the recording. */
  private offTape(value: unknown): unknown {
    if (value instanceof Tensor) {
      const { array } = value;
      if (!this.inputs.includes(array) && !this.program.owns(array.storage.buffer)) return value;
      const before = this.outputs.get(array);
      if (before && !before.array.disposed) return before;
      const { device, shape, dtype, replicas: models, storage } = array.keep();
      const output = new Tensor(new DeviceArray(device, shape, dtype, models, storage.view(0, storage.bytes)).keep());
      this.outputs.set(array, output);
      return output;
    }
    if (Array.isArray(value)) return value.map((one) => this.offTape(one));
    if (!isPlain(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, this.offTape(one)]));
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

const isPlain = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;

/** @throws ArgumentError for a promise: what comes after an await would not be recorded */
function checkSynchronous<T>(result: T): T {
  const then = tryRead('compileStep', () => (result as { then?: unknown } | null | undefined)?.then);
  if (typeof then !== 'function') return result;
  (result as unknown as Promise<unknown>).then(undefined, () => {}); // this error is about the same
  throw new ArgumentError(
    `compileStep: takes a function that is not async, but it returned ${formatValue(result)}; return the tensors from the step, and await their values afterwards`,
  );
}
