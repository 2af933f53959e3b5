import { DisposedError, OutOfMemoryError } from '../errors.ts';
import type { Counters } from './info.ts';
import type { Pipeline } from './pipelines.ts';
import { type BufferPool, Storage } from './storage.ts';

/** What a kernel reads or writes: an array, a buffer, or a uniform's place in one. */
export type Binding = Storage | GPUBuffer | GPUBufferBinding;

/** What the caller of a dispatch says of it; for profiles alone. */
export interface Work {
  /** Floating-point operations, a multiply-add counting as two. */
  flops?: number;
  /** Bytes read and written, where that is not what the bound arrays hold: some rows of a table, or an update in place. */
  bytes?: number;
  /** Shapes of the bound arrays, in their order. */
  shapes?: readonly (readonly number[])[];
}

/** A dispatch as a program keeps it. */
export interface Command {
  pipeline: Pipeline;
  bindGroup: GPUBindGroup;
  workgroups: readonly [number, number, number];
  bindings: readonly Binding[];
  work: Work | undefined;
}

/** Kernels may see an array as vec4: a binding is whole ones, which the pool's buffers, multiples of 256 bytes, have room for. */
const bindingBytes = (bytes: number) => Math.max(16, Math.ceil(bytes / 16) * 16);
/** The most bytes that an array may have under a limit for bindings or buffers, which need not be one of vec4s (2^31 - 1, say). */
export const mostBytes = (limit: number) => Math.floor(limit / 16) * 16;

/** Dispatches encoded before a submit happens by itself, so that the GPU starts while the host goes on. */
const SUBMIT_AFTER = 128;

/**
 * The one place where commands are encoded. Normally a dispatch goes straight into the open pass, and `flush` submits
 * it; while recording, dispatches are kept in a list instead, which `Program.run` encodes whole.
 */
export class Recorder {
  private encoder: GPUCommandEncoder | null = null;
  private pass: GPUComputePassEncoder | null = null;
  private pending = 0;
  private list: Command[] | null = null;
  private readonly writes = new Set<() => void>();

  constructor(
    private readonly gpu: GPUDevice,
    private readonly counters: Counters,
    /** Called when nothing waits to be submitted any more. */
    private readonly afterSubmit: () => void = () => {},
  ) {}

  get recording(): boolean {
    return this.list !== null;
  }

  /** Whether commands wait to be submitted. */
  get hasPending(): boolean {
    return this.encoder !== null;
  }

  dispatch(
    pipeline: Pipeline,
    bindings: readonly Binding[],
    workgroups: readonly [number, number, number],
    work?: Work,
  ): void {
    const entries = bindings.map((resource, binding) => ({
      binding,
      resource:
        'bytes' in resource
          ? { buffer: resource.buffer, offset: resource.offset, size: bindingBytes(resource.bytes) }
          : 'buffer' in resource
            ? resource
            : { buffer: resource },
    }));
    const bindGroup = this.gpu.createBindGroup({ label: pipeline.name, layout: pipeline.layout, entries });
    this.counters.bindGroupsCreated++;
    const command = { pipeline, bindGroup, workgroups, bindings, work };
    if (this.list) {
      this.list.push(command);
    } else {
      this.encode(command);
      if (this.pending >= SUBMIT_AFTER) this.flush();
    }
  }

  /** Encodes a finished list into the open pass; with the step's uniform written first, `flush` makes it one submit. */
  replay(commands: readonly Command[]): void {
    for (const command of commands) this.encode(command);
  }

  /** The same, each command in a pass of its own that writes the times of its begin and end at 2i and 2i + 1. */
  replayTimed(commands: readonly Command[], querySet: GPUQuerySet): void {
    for (const [i, command] of commands.entries()) {
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

  private encode({ pipeline, bindGroup, workgroups }: Command): void {
    this.encoder ??= this.gpu.createCommandEncoder();
    this.pass ??= this.encoder.beginComputePass();
    this.pass.setPipeline(pipeline.gpu);
    this.pass.setBindGroup(0, bindGroup);
    this.pass.dispatchWorkgroups(...workgroups);
    this.pending++;
    this.counters.dispatches++;
  }

  copy(from: GPUBuffer, offset: number, to: GPUBuffer, toOffset: number, bytes: number): void {
    this.encoder ??= this.gpu.createCommandEncoder();
    this.pass?.end();
    this.pass = null;
    this.encoder.copyBufferToBuffer(from, offset, to, toOffset, bytes);
  }

  /** Calls `write` once before the commands encoded so far are submitted: what it sends to the queue is there when they run. */
  beforeSubmit(write: () => void): void {
    this.writes.add(write);
  }

  flush(): void {
    if (!this.encoder) return;
    this.pass?.end();
    for (const write of this.writes) write();
    this.writes.clear();
    this.gpu.queue.submit([this.encoder.finish()]);
    this.counters.submits++;
    this.encoder = null;
    this.pass = null;
    this.pending = 0;
    this.afterSubmit();
  }

  get submittedCost(): number {
    return 0;
  }

  noteRate(_cost: number, _milliseconds: number): void {}

  startRecording(): void {
    this.flush();
    this.list = [];
  }

  stopRecording(): readonly Command[] {
    const list = this.list ?? [];
    this.list = null;
    return list;
  }
}

/** A recorded list of dispatches with the buffers it needs. Running it creates no GPU object but the command encoder. */
export class Program {
  private disposed = false;
  /** What it was given, which must be there whenever it runs: a released buffer soon is another's. */
  private readonly given: readonly Storage[];
  private readonly bound: readonly Storage[];

  constructor(
    private readonly recorder: Recorder,
    /** Its dispatches in order, for profiles. */
    readonly commands: readonly Command[],
    private readonly pool: BufferPool,
    /** Gives its uniforms back. */
    private readonly releaseUniforms: () => void,
  ) {
    const bound = commands.flatMap(({ bindings }) => bindings).filter((binding) => binding instanceof Storage);
    this.bound = [...new Set(bound)];
    this.given = this.bound.filter(({ buffer }) => !pool.owns(buffer));
  }

  /** Kernel runs in one execution. */
  get dispatches(): number {
    return this.commands.length;
  }

  /** Names of its kernels, in order. */
  get kernels(): string[] {
    return this.commands.map(({ pipeline }) => pipeline.name);
  }

  /** Submits one of its dispatches alone, `times` over, for benchmarks. What it computes from is what was there. */
  runOnly(i: number, times = 1): void {
    this.checkArrays();
    for (let k = 0; k < times; k++) this.recorder.replay(this.commands.slice(i, i + 1));
    this.recorder.flush();
  }

  /** Submits the whole list, each dispatch in a pass of its own, and their times (see `Recorder.replayTimed`) into `times`. */
  runTimed(querySet: GPUQuerySet, times: GPUBuffer): void {
    this.checkArrays();
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

  /** Submits the whole list, `times` over, as one command buffer, without waiting for it. */
  run(times = 1): void {
    for (let i = 0; i < times; i++) this.encode();
    this.recorder.flush();
  }

  /**
   * Encodes the whole list, to be submitted with what comes next: by a read-back, an upload or `device.flush()` at the latest.
   * @throws DisposedError where the program or something it was given was disposed; OutOfMemoryError where there was no memory for it
   */
  encode(): void {
    this.checkArrays();
    this.recorder.replay(this.commands);
  }

  private checkArrays(): void {
    if (this.disposed) throw new DisposedError('program: run after dispose()');
    if (this.given.some((storage) => storage.released)) {
      throw new DisposedError(
        'program: something it reads or writes was disposed: the data, the model or the optimizer must be there until its end',
      );
    }
    if (this.bound.some((storage) => storage.failed)) {
      throw new OutOfMemoryError(
        'program: the adapter had no memory for something it reads or writes; use a smaller batch or model',
      );
    }
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.recorder.flush();
    this.releaseUniforms();
    this.pool.dispose();
  }
}
