import { DisposedError, OutOfMemoryError } from '../base/errors.ts';
import { BindGroups } from './bind-groups.ts';
import { type Binding, bufferOf, type Command, type DispatchInfo } from './command.ts';
import type { Counters } from './info.ts';
import { failureOf } from './memory.ts';
import type { Pipeline } from './pipelines.ts';
import { type BufferPool, Storage } from './storage.ts';
import { costOf, SubmitBudget } from './submit-budget.ts';

/** The arrays that a dispatch may write. */
export function* writtenArrays({ written }: Pipeline, bindings: readonly Binding[]): Generator<Storage> {
  for (const i of written) {
    const array = bindings[i];
    if (array instanceof Storage) yield array;
  }
}

type Dispatched = Pick<Command, 'pipeline' | 'bindings'>;

/** A part of a submit: a dispatch, a copy, or the start of a program, which recomputes all of its own arrays. */
export type Encoded = Dispatched | { from: Binding; to: Binding } | { renewed: readonly Storage[] };

/** Largest size of an array, in bytes, under a limit on bindings or buffers: a multiple of 16, for vec4; limits such as 2^31 - 1 are not. */
export const maxArrayBytes = (limit: number) => Math.floor(limit / 16) * 16;

/** Dispatches encoded before an automatic submit, so that the GPU starts while the host continues. */
const MAX_PENDING_DISPATCHES = 128;

/**
 * Encodes all commands of a device. Normally a dispatch is encoded into the open pass, and `flush` submits it.
 * During recording, dispatches are appended to a list, which `Program.run` encodes. Pending work above the budget
 * is submitted before the next dispatch (see `SubmitBudget`).
 */
export class Recorder {
  private encoder: GPUCommandEncoder | null = null;
  private pass: GPUComputePassEncoder | null = null;
  private pending = 0;
  private pendingCost = 0;
  private submittedTotal = 0;
  /** Limits on the cost of a submit and of a dispatch. */
  readonly budget = new SubmitBudget();
  private recordedCommands: Command[] | null = null;
  private readonly pendingWrites = new Set<() => void>();
  /** Dispatches and copies to be submitted. */
  private encoded: Encoded[] = [];
  private readonly bindGroups: BindGroups;

  constructor(
    private readonly gpu: GPUDevice,
    private readonly counters: Counters,
    /** Called after each submit, with its contents. */
    private readonly afterSubmit: (encoded: readonly Encoded[]) => void,
    /** Whether the adapter ever refused a pipeline or a buffer. */
    readonly failures: { readonly hasRefused: boolean },
  ) {
    this.bindGroups = new BindGroups(gpu, counters);
  }

  /** Drops the cached bind groups. */
  dropBindGroups(): void {
    this.bindGroups.clear();
  }

  get recording(): boolean {
    return this.recordedCommands !== null;
  }

  /** Whether there are commands to submit. */
  get hasPending(): boolean {
    return this.encoder !== null;
  }

  dispatch(
    pipeline: Pipeline,
    bindings: readonly Binding[],
    workgroups: readonly [number, number, number],
    info?: DispatchInfo,
  ): void {
    // Bind groups may be invalid after a refusal, so they are not cached then; a recording keeps its bind groups itself.
    const isKept = !this.recordedCommands && !this.failures.hasRefused;
    const bindGroup = isKept ? this.bindGroups.get(pipeline, bindings) : this.bindGroups.create(pipeline, bindings);
    const command = { pipeline, bindGroup, workgroups, bindings, info, cost: costOf(bindings, info) };
    if (this.recordedCommands) {
      this.recordedCommands.push(command);
    } else {
      this.flushIfOverBudget(command);
      this.encode(command, { pipeline, bindings }); // without the bind group, so that it can be freed
      if (this.pending >= MAX_PENDING_DISPATCHES) this.flush();
    }
  }

  /** Encodes a recorded list into the open pass; submits its beginning if it exceeds the budget. */
  replay(commands: readonly Command[]): void {
    for (const command of commands) {
      this.flushIfOverBudget(command);
      this.encode(command);
    }
  }

  /** Like `replay`, with one pass for each command, which writes its begin and end times to queries 2i and 2i + 1. */
  replayTimed(commands: readonly Command[], querySet: GPUQuerySet): void {
    for (const [i, command] of commands.entries()) {
      this.flushIfOverBudget(command);
      this.pass?.end();
      this.encoder ??= this.gpu.createCommandEncoder();
      const timestampWrites = { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 };
      this.pass = this.encoder.beginComputePass({ timestampWrites });
      this.encode(command);
    }
  }

  /** Copies the first `count` timestamps of a query set into a buffer, as 64-bit nanoseconds. */
  resolve(querySet: GPUQuerySet, count: number, to: GPUBuffer): void {
    this.pass?.end();
    this.pass = null;
    this.encoder ??= this.gpu.createCommandEncoder();
    this.encoder.resolveQuerySet(querySet, 0, count, to, 0);
  }

  /**
   * Submits pending commands if this one would exceed the budget of a submit. Called only before dispatches, because a copy must be in
   * the same submit as its `beforeSubmit`.
   */
  private flushIfOverBudget({ cost }: Command): void {
    if (this.pendingCost > 0 && this.pendingCost + cost > this.budget.maxSubmitCost) this.flush();
  }

  private encode(command: Command, noted: Dispatched = command): void {
    const { pipeline, bindGroup, workgroups, cost } = command;
    this.encoder ??= this.gpu.createCommandEncoder();
    this.pass ??= this.encoder.beginComputePass();
    this.pass.setPipeline(pipeline.gpu);
    this.pass.setBindGroup(0, bindGroup);
    this.pass.dispatchWorkgroups(...workgroups);
    this.encoded.push(noted);
    this.pending++;
    this.pendingCost += cost;
    this.counters.dispatches++;
  }

  /** Adds a copy, or the start of a program, to the contents of the next submit. */
  noteEncoded(encoded: Encoded): void {
    this.encoded.push(encoded);
  }

  copy(from: GPUBuffer, offset: number, to: GPUBuffer, toOffset: number, bytes: number): void {
    this.encoder ??= this.gpu.createCommandEncoder();
    this.pass?.end();
    this.pass = null;
    this.encoder.copyBufferToBuffer(from, offset, to, toOffset, bytes);
  }

  /** Calls `write` once before the pending commands are submitted, so that they see the data it uploads to the queue. */
  beforeSubmit(write: () => void): void {
    this.pendingWrites.add(write);
  }

  flush(): void {
    if (!this.encoder) return;
    this.pass?.end();
    for (const write of this.pendingWrites) write();
    this.pendingWrites.clear();
    this.submittedTotal += this.pendingCost;
    this.gpu.queue.submit([this.encoder.finish()]);
    this.counters.submits++;
    this.encoder = null;
    this.pass = null;
    this.pending = 0;
    this.pendingCost = 0;
    const { encoded } = this;
    this.encoded = [];
    this.afterSubmit(encoded);
  }

  /** Cost of all dispatches submitted so far. */
  get submittedCost(): number {
    return this.submittedTotal;
  }

  startRecording(): void {
    this.flush();
    this.recordedCommands = [];
  }

  stopRecording(): readonly Command[] {
    const list = this.recordedCommands ?? [];
    this.recordedCommands = null;
    return list;
  }
}

/** A recorded list of dispatches with the buffers it needs. Running it creates no GPU object but the command encoder. */
export class Program {
  private disposed = false;
  /** Arrays from outside of the program, which must exist whenever it runs: a released buffer is soon reused. */
  private readonly externalArrays: readonly Storage[];
  private readonly renewal: { renewed: readonly Storage[] };
  /** Arrays that it may write. */
  private readonly written: readonly Storage[];

  constructor(
    private readonly recorder: Recorder,
    /** Its dispatches in order, for profiles. */
    readonly commands: readonly Command[],
    private readonly pool: BufferPool,
    /** Releases its uniforms. */
    private readonly releaseUniforms: () => void,
  ) {
    const bindings = new Set(commands.flatMap((command) => command.bindings));
    const bound = [...bindings].filter((binding) => binding instanceof Storage);
    this.externalArrays = bound.filter(({ buffer }) => !pool.owns(buffer));
    this.written = [...new Set(commands.flatMap((command) => [...writtenArrays(command.pipeline, command.bindings)]))];
    this.renewal = { renewed: bound.filter(({ buffer }) => pool.owns(buffer)) };
  }

  /** Kernel runs in one execution. */
  get dispatches(): number {
    return this.commands.length;
  }

  /** Names of its kernels, in order. */
  get kernels(): string[] {
    return this.commands.map(({ pipeline }) => pipeline.name);
  }

  /** Estimated cost (see `costOf`). */
  get cost(): number {
    return this.commands.reduce((sum, { cost }) => sum + cost, 0);
  }

  /** Submits only dispatch `i`, `times` times, for benchmarks. It reads the current contents of its inputs. */
  runOnly(i: number, times = 1): void {
    this.check();
    for (const array of this.written) array.countWrite();
    for (let k = 0; k < times; k++) this.recorder.replay(this.commands.slice(i, i + 1));
    this.recorder.flush();
  }

  /** Submits the whole list with one pass for each dispatch, and writes their times to `times` (see `Recorder.replayTimed`). */
  runTimed(querySet: GPUQuerySet, times: GPUBuffer): void {
    this.begin();
    this.recorder.replayTimed(this.commands, querySet);
    this.recorder.resolve(querySet, 2 * this.commands.length, times);
    this.recorder.flush();
  }

  /** Whether a buffer holds an intermediate result, rather than an array from outside. */
  owns(buffer: GPUBuffer): boolean {
    return this.pool.owns(buffer);
  }

  /** Bytes of GPU memory the program holds for its intermediate results. */
  get bytes(): number {
    return this.pool.bytes;
  }

  /** Submits the whole list, `times` times, without waiting for it. */
  run(times = 1): void {
    for (let i = 0; i < times; i++) this.encode();
    this.recorder.flush();
  }

  /**
   * Encodes the whole list. It is submitted with later commands: by a read-back, an upload or `device.flush()` at the latest. If it exceeds
   * the budget of a submit, its beginning is submitted at once.
   * @throws DisposedError if the program or an array that it uses was disposed; OutOfMemoryError if there was no memory for it;
   *   ShaderError if the adapter refused one of its pipelines, or one that computes its inputs
   */
  encode(): void {
    this.begin();
    this.recorder.replay(this.commands);
  }

  /** Prepares a run of the whole list. It recomputes all arrays of the program, so earlier losses are cleared. */
  private begin(): void {
    this.check();
    if (this.recorder.failures.hasRefused) for (const storage of this.renewal.renewed) storage.loss = null;
    for (const array of this.written) array.countWrite();
    this.recorder.noteEncoded(this.renewal);
  }

  /** @throws the errors that `encode` would throw */
  check(): void {
    if (this.disposed) throw new DisposedError('program: run after dispose()');
    if (this.externalArrays.some((storage) => storage.released)) {
      throw new DisposedError(
        'program: an array that it reads or writes was disposed; dispose the data, the model and the optimizer after the program',
      );
    }
    if (this.recorder.failures.hasRefused) this.checkRefusals();
  }

  private checkRefusals(): void {
    for (const { pipeline } of this.commands) if (pipeline.refused) throw pipeline.refused;
    const isOutOfMemory = (one: Binding) => failureOf(bufferOf(one)) !== null;
    if (this.commands.some(({ bindings }) => bindings.some(isOutOfMemory))) {
      throw new OutOfMemoryError(
        'program: the adapter had no memory for an array that it reads or writes; use a smaller batch or model',
      );
    }
    for (const { loss } of this.externalArrays) if (loss) throw loss;
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.recorder.flush();
    this.releaseUniforms();
    this.pool.dispose();
  }
}
