import { DisposedError, OutOfMemoryError } from '../base/errors.ts';
import { BindGroups } from './bind-groups.ts';
import { type Binding, bufferOf, type Command, type DispatchInfo } from './command.ts';
import type { Counters } from './info.ts';
import { failureOf } from './memory.ts';
import type { Pipeline } from './pipelines.ts';
import { type BufferPool, Storage } from './storage.ts';
import { costOf, SubmitBudget } from './submit-budget.ts';

/** Arrays that a dispatch may write. */
export function* writtenArrays({ written }: Pipeline, bindings: readonly Binding[]): Generator<Storage> {
  for (const i of written) {
    const array = bindings[i];
    if (array instanceof Storage) yield array;
  }
}

type Dispatched = Pick<Command, 'pipeline' | 'bindings'>;

/** What a submit holds: a dispatch, a copy, or the begin of a program, which computes all of its own arrays anew. */
export type Encoded = Dispatched | { from: Binding; to: Binding } | { renewed: readonly Storage[] };

/** The most bytes that an array may have under a limit for bindings or buffers, which need not be one of vec4s (2^31 - 1, say). */
export const maxArrayBytes = (limit: number) => Math.floor(limit / 16) * 16;

/** Dispatches encoded before a submit happens by itself, so that the GPU starts while the host goes on. */
const MAX_PENDING_DISPATCHES = 128;

/**
 * The one place where commands are encoded. Normally a dispatch goes straight into the open pass, and `flush` submits
 * it; while recording, dispatches are kept in a list instead, which `Program.run` encodes whole. Where what waits to be submitted
 * is much work, it is submitted before the next dispatch (see `SubmitBudget`).
 */
export class Recorder {
  private encoder: GPUCommandEncoder | null = null;
  private pass: GPUComputePassEncoder | null = null;
  private pending = 0;
  private pendingCost = 0;
  private submittedTotal = 0;
  /** How much goes into a submit. */
  readonly budget = new SubmitBudget();
  private recordedCommands: Command[] | null = null;
  private readonly pendingWrites = new Set<() => void>();
  /** What waits to be submitted. */
  private encoded: Encoded[] = [];
  private readonly bindGroups: BindGroups;

  constructor(
    private readonly gpu: GPUDevice,
    private readonly counters: Counters,
    /** Called when nothing waits to be submitted any more, with what was submitted. */
    private readonly afterSubmit: (encoded: readonly Encoded[]) => void,
    /** Whether the adapter ever refused a pipeline or a buffer. */
    readonly failures: { readonly hasRefused: boolean },
  ) {
    this.bindGroups = new BindGroups(gpu, counters);
  }

  /** Keeps no bind groups of earlier dispatches any longer. */
  dropBindGroups(): void {
    this.bindGroups.clear();
  }

  get recording(): boolean {
    return this.recordedCommands !== null;
  }

  /** Whether commands wait to be submitted. */
  get hasPending(): boolean {
    return this.encoder !== null;
  }

  dispatch(
    pipeline: Pipeline,
    bindings: readonly Binding[],
    workgroups: readonly [number, number, number],
    info?: DispatchInfo,
  ): void {
    // What a refusal made invalid is not used again, and a recording keeps its own.
    const isKept = !this.recordedCommands && !this.failures.hasRefused;
    const bindGroup = isKept ? this.bindGroups.get(pipeline, bindings) : this.bindGroups.create(pipeline, bindings);
    const command = { pipeline, bindGroup, workgroups, bindings, info, cost: costOf(bindings, info) };
    if (this.recordedCommands) {
      this.recordedCommands.push(command);
    } else {
      this.flushIfOverBudget(command);
      this.encode(command, { pipeline, bindings }); // without the bind group, which need not be held
      if (this.pending >= MAX_PENDING_DISPATCHES) this.flush();
    }
  }

  /** Encodes a finished list into the open pass; what `flush` has to submit then is all of it, or the end of much work. */
  replay(commands: readonly Command[]): void {
    for (const command of commands) {
      this.flushIfOverBudget(command);
      this.encode(command);
    }
  }

  /** The same, each command in a pass of its own that writes the times of its begin and end at 2i and 2i + 1. */
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

  /** Copies the first `count` times of a query set into a buffer, as 64-bit nanoseconds. */
  resolve(querySet: GPUQuerySet, count: number, to: GPUBuffer): void {
    this.pass?.end();
    this.pass = null;
    this.encoder ??= this.gpu.createCommandEncoder();
    this.encoder.resolveQuerySet(querySet, 0, count, to, 0);
  }

  /**
   * Submits what waits, where this command would make it too much for a submit. Only ever between dispatches: a copy belongs to
   * the submit of its `beforeSubmit`.
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

  /** Notes that what is encoded next is part of this. */
  noteEncoded(encoded: Encoded): void {
    this.encoded.push(encoded);
  }

  copy(from: GPUBuffer, offset: number, to: GPUBuffer, toOffset: number, bytes: number): void {
    this.encoder ??= this.gpu.createCommandEncoder();
    this.pass?.end();
    this.pass = null;
    this.encoder.copyBufferToBuffer(from, offset, to, toOffset, bytes);
  }

  /** Calls `write` once before the commands encoded so far are submitted: what it sends to the queue is there when they run. */
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
  /** What it was given, which must be there whenever it runs: a released buffer soon is another's. */
  private readonly externalArrays: readonly Storage[];
  private readonly renewal: { renewed: readonly Storage[] };
  /** Arrays that it may write. */
  private readonly written: readonly Storage[];

  constructor(
    private readonly recorder: Recorder,
    /** Its dispatches in order, for profiles. */
    readonly commands: readonly Command[],
    private readonly pool: BufferPool,
    /** Gives its uniforms back. */
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

  /** What it costs (see `costOf`). */
  get cost(): number {
    return this.commands.reduce((sum, { cost }) => sum + cost, 0);
  }

  /** Submits one of its dispatches alone, `times` over, for benchmarks. What it computes from is what was there. */
  runOnly(i: number, times = 1): void {
    this.check();
    for (const array of this.written) array.countWrite();
    for (let k = 0; k < times; k++) this.recorder.replay(this.commands.slice(i, i + 1));
    this.recorder.flush();
  }

  /** Submits the whole list, each dispatch in a pass of its own, and their times (see `Recorder.replayTimed`) into `times`. */
  runTimed(querySet: GPUQuerySet, times: GPUBuffer): void {
    this.begin();
    this.recorder.replayTimed(this.commands, querySet);
    this.recorder.resolve(querySet, 2 * this.commands.length, times);
    this.recorder.flush();
  }

  /** Whether a buffer is one of its intermediate results, rather than something it was given. */
  owns(buffer: GPUBuffer): boolean {
    return this.pool.owns(buffer);
  }

  /** Bytes of GPU memory the program holds for its intermediate results. */
  get bytes(): number {
    return this.pool.bytes;
  }

  /** Submits the whole list, `times` over, without waiting for it. */
  run(times = 1): void {
    for (let i = 0; i < times; i++) this.encode();
    this.recorder.flush();
  }

  /**
   * Encodes the whole list, to be submitted with what comes next: by a read-back, an upload or `device.flush()` at the latest. Of
   * much work the beginning is submitted at once.
   * @throws DisposedError where the program or something it was given was disposed; OutOfMemoryError where there was no memory for it;
   *   ShaderError if the adapter refused one of its pipelines, or one that was to compute what it was given
   */
  encode(): void {
    this.begin();
    this.recorder.replay(this.commands);
  }

  /** Before the whole list is encoded, which computes anew what an earlier run lost. */
  private begin(): void {
    this.check();
    if (this.recorder.failures.hasRefused) for (const storage of this.renewal.renewed) storage.loss = null;
    for (const array of this.written) array.countWrite();
    this.recorder.noteEncoded(this.renewal);
  }

  /** @throws what `encode` would, now */
  check(): void {
    if (this.disposed) throw new DisposedError('program: run after dispose()');
    if (this.externalArrays.some((storage) => storage.released)) {
      throw new DisposedError(
        'program: something it reads or writes was disposed: the data, the model or the optimizer must be there until its end',
      );
    }
    if (this.recorder.failures.hasRefused) this.checkRefusals();
  }

  private checkRefusals(): void {
    for (const { pipeline } of this.commands) if (pipeline.refused) throw pipeline.refused;
    const isOutOfMemory = (one: Binding) => failureOf(bufferOf(one)) !== null;
    if (this.commands.some(({ bindings }) => bindings.some(isOutOfMemory))) {
      throw new OutOfMemoryError(
        'program: the adapter had no memory for something it reads or writes; use a smaller batch or model',
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
