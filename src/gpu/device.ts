import { checkFunction, checkOptions, formatValue, tryRead } from '../base/check.ts';
import { ArgumentError, DeviceLostError, DisposedError, GpuError, OutOfMemoryError } from '../base/errors.ts';
import { toPrintableLine } from '../base/printable.ts';
import type { Binding, DispatchInfo } from './command.ts';
import { cutDispatch, gridPartSource } from './cut-grid.ts';
import { Failures } from './failures.ts';
import type { AdapterInfo, Counters } from './info.ts';
import { KernelSelection } from './kernel-selection.ts';
import { LostWork } from './lost-work.ts';
import { type HostMemory, Memory } from './memory.ts';
import { asAdapterError, noWebGpuError, type OpenedDevice, openAdapter } from './open.ts';
import type { Origin } from './origin.ts';
import { type KernelSource, type Pipeline, PipelineCache } from './pipelines.ts';
import type { Probe } from './probe.ts';
import { QueueWaits } from './queue-waits.ts';
import { type Encoded, maxArrayBytes, Program, Recorder, writtenArrays } from './recorder.ts';
import { BufferPool, checkKeepBytes, type Storage } from './storage.ts';
import { costOf, type SubmitBudget } from './submit-budget.ts';
import { Tracking } from './track.ts';
import { checkUsable, Transfers } from './transfers.ts';
import { Uniforms } from './uniforms.ts';

/** Bytes of buffers for read-backs that wait for reuse. */
const STAGING_KEEP_BYTES = 2 ** 25;
/** Milliseconds after which buffers that nothing used are given back, when a wait finds the device idle. */
const UNUSED_MS = 30_000;
const DISPOSED = 'device: used after dispose()';
/** What `console.log` of Node, Deno and Bun asks for. */
const inspect: unique symbol = Symbol.for('nodejs.util.inspect.custom');

export type Workgroups = readonly [x: number, y: number, z: number];

/**
 * A WebGPU device with what tilegrad keeps for it: buffer pool, pipeline cache, command recorder and counters.
 * Everything made on it dies with `dispose()`. Errors that WebGPU reports late (a shader that does not compile, memory
 * that ran out, a lost device) are thrown by the next call that touches the device.
 *
 * A kernel or a buffer that the adapter refuses leaves the device usable: the error is thrown once, and again by whatever uses that kernel,
 * that buffer or an array that was to be computed with it. A lost device stays lost.
 */
export class Device {
  /** What the device has done since it was opened. */
  readonly counters: Counters = {
    dispatches: 0,
    submits: 0,
    pipelinesCreated: 0,
    bindGroupsCreated: 0,
    buffersCreated: 0,
    bytesAllocated: 0,
    bytesUploaded: 0,
    bytesReadBack: 0,
    readBacks: 0,
  };
  /** What messages call it, whatever a bundler makes of the class's name. */
  readonly [Symbol.toStringTag] = 'Device';
  /** The WebGPU device itself. */
  readonly gpu: GPUDevice;
  /** Name, driver, features and limits of the adapter. */
  readonly info: AdapterInfo;
  /** What was found about the adapter when it was opened. */
  readonly probe: Probe;
  /** Lanes of the widest subgroup, where kernels may pass values between eight lanes or more; else null. */
  readonly subgroupLanes: number | null;
  /** WebGPU limits of the device. */
  readonly limits: GPUSupportedLimits;
  /**
   * How what the queue promises is waited for.
   * @internal
   */
  readonly waits: QueueWaits;
  private readonly pipelines: PipelineCache;
  private readonly recorder: Recorder;
  private readonly memory: Memory;
  private readonly mainPool: BufferPool;
  private readonly stagingPool: BufferPool;
  private readonly uniforms: Uniforms;
  private readonly transfers: Transfers;
  private programPool: BufferPool | null = null;
  /** What failed within the recording under way. */
  private recordingError: Error | null = null;
  private readonly failures: Failures;
  private disposed = false;
  /** Which kernels run at which sizes: `choices.made` has every choice so far, by operator and sizes. */
  readonly choices = new KernelSelection();
  /**
   * What is dispatched now belongs to this (see `withOrigin`).
   * @internal
   */
  origin: Origin = { layer: null, backward: false, choices: [] };
  /**
   * Open `scope` calls, innermost last; arrays register themselves here (see kernels/array.ts).
   * @internal
   */
  readonly scopes: Set<{ dispose(): void }>[] = [];

  /**
   * What `track` began; null, so that tensors need look no further, where nothing is tracked.
   * @internal
   */
  trackings: readonly Tracking[] | null = null;

  /**
   * What keeps programs for later, which `trim` disposes.
   * @internal
   */
  readonly caches = new Set<{ dispose(): void }>();
  private readonly releaseFree: () => void;
  /** Who gets the reports of trackings in the end. */
  private readonly reports = new Map<Tracking, (report: string) => void>();

  private constructor(
    opened: OpenedDevice,
    /** Dropped on dispose: Dawn keeps the process alive as long as anything holds the object it was opened with. */
    private onDispose: (() => void) | null,
    /** How promises of WebGPU are waited for, where there is a better way than to await them. */
    wait: (<T>(promise: Promise<T>) => Promise<T>) | null,
    hostMemory: HostMemory | null,
    keepBytes: number | undefined,
  ) {
    if (!opened?.gpu?.limits)
      throw new ArgumentError('Device: is opened by openDevice() or Device.open(gpu), not made with new');
    const { gpu, info, probe, subgroupLanes } = opened;
    this.gpu = gpu;
    this.info = info;
    this.probe = probe;
    this.subgroupLanes = subgroupLanes;
    this.limits = gpu.limits;
    this.waits = new QueueWaits(gpu.queue, wait);
    const flush = () => this.recorder.flush();
    this.failures = new Failures(gpu, flush, (message) => this.memory.reportOutOfMemory(message));
    this.pipelines = new PipelineCache(gpu, this.counters, this.failures);
    const lostWork = new LostWork(this.failures);
    const pools = () => [this.mainPool, this.stagingPool];
    const afterSubmit = (encoded: readonly Encoded[]) => {
      lostWork.afterSubmit(encoded);
      for (const pool of pools()) pool.trim();
    };
    this.recorder = new Recorder(gpu, this.counters, afterSubmit, this.failures);
    this.releaseFree = () => {
      for (const cache of this.caches) cache.dispose();
      this.recorder.flush();
      this.recorder.dropBindGroups();
      for (const pool of pools()) pool.drop();
    };
    const until = <T>(promise: Promise<T>) => this.waits.until(promise);
    this.memory = new Memory(gpu, this.counters, hostMemory, this.releaseFree, this.failures, until);
    const { recorder, memory, counters } = this;
    this.uniforms = new Uniforms(gpu.queue, memory, counters, recorder);
    const maxBufferSize = maxArrayBytes(this.limits.maxBufferSize);
    this.mainPool = new BufferPool(memory, 'tensor', maxBufferSize, { commands: recorder, counters, keepBytes });
    this.stagingPool = new BufferPool(memory, 'staging', maxBufferSize, {
      commands: recorder,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
      keepBytes: STAGING_KEEP_BYTES,
    });
    const { failures, waits, stagingPool } = this;
    const throwPendingErrors = () => this.throwPendingErrors();
    this.transfers = new Transfers(gpu.queue, {
      recorder,
      memory,
      counters,
      failures,
      waits,
      stagingPool,
      throwPendingErrors,
    });
    gpu.addEventListener('uncapturederror', (event) => {
      event.preventDefault(); // it is thrown, or printed by `dispose`
      this.failures.handleUncaptured(event.error);
    });
    gpu.lost.then((lost) => {
      const error = new DeviceLostError(`device lost (${lost.reason}): ${lost.message}`);
      if (!this.disposed) this.failures.fail(error);
      this.waits.end(this.disposed ? new DisposedError(DISPOSED) : error);
    });
  }

  /**
   * Opens a device on the adapter that `gpu` (`navigator.gpu`, or Dawn's) prefers.
   * @param options.powerPreference which adapter is wanted where there are several; default 'high-performance'
   * @param options.onDispose called when the device is disposed and the implementation has answered all it was asked
   * @param options.keepBytes most bytes of released buffers that are kept for reuse; default 256 MiB, and more where a loop needs it
   * @param options.wait how promises of WebGPU are waited for, where an implementation is known well enough; default: as `QueueWaits` measures
   * @param options.hostMemory what a software adapter computes in, where it can be asked how much is left
   * @throws AdapterError where there is no WebGPU (`navigator.gpu` is undefined), no adapter, or it gives no device; ArgumentError for an option there is not, or an impossible `keepBytes`
   */
  static async open(
    gpu: GPU | undefined,
    options: {
      powerPreference?: GPUPowerPreference;
      onDispose?: () => void;
      wait?: <T>(promise: Promise<T>) => Promise<T>;
      keepBytes?: number | undefined;
      hostMemory?: HostMemory;
    } = {},
  ): Promise<Device> {
    const names = { powerPreference: true, onDispose: true, wait: true, keepBytes: true, hostMemory: true };
    const { keepBytes, hostMemory } = checkOptions('Device.open', options, names);
    checkKeepBytes('Device.open', keepBytes);
    if (gpu === undefined || gpu === null) throw noWebGpuError(gpu);
    if (typeof tryRead('Device.open', () => gpu?.requestAdapter) !== 'function') {
      throw new ArgumentError(
        `Device.open: takes what navigator.gpu is in a browser, but was given ${formatValue(gpu)}`,
      );
    }
    const wait = options.wait ?? null;
    const powerPreference = options.powerPreference ?? 'high-performance';
    try {
      const opened = await openAdapter(gpu, powerPreference, wait ?? (<T>(promise: Promise<T>) => promise));
      const host = opened.info.isSoftware ? (hostMemory ?? null) : null;
      const device = new Device(opened, options.onDispose ?? null, wait, host, keepBytes);
      await device.waits.measure();
      return device;
    } catch (error) {
      throw asAdapterError(error);
    }
  }

  /** What `console.log` shows: the adapter, and how much of its memory arrays take. */
  [inspect](): string {
    const { name, driver } = this.info;
    const used = this.counters.bytesAllocated - this.freeBytes;
    return `Device ${toPrintableLine(`${name} (${driver})`)}, ${this.disposed ? 'disposed' : `${used} bytes in use`}`;
  }

  /** Throws what went wrong since the last call, if anything. */
  private check(): void {
    if (this.disposed) throw new DisposedError(DISPOSED);
    this.failures.check();
  }

  /**
   * The compiled form of a kernel, from the cache or made now. @throws ShaderError for one that the adapter refused before
   * @internal
   */
  pipeline(source: KernelSource): Pipeline {
    this.check();
    return this.pipelines.get(source);
  }

  /** Bytes of the largest array that kernels can be given. */
  get largestArray(): number {
    return maxArrayBytes(Math.min(this.limits.maxBufferSize, this.limits.maxStorageBufferBindingSize));
  }

  /**
   * A buffer from the pool (or from the arena of the program being recorded). Contents are whatever was there.
   * @internal
   */
  allocate(bytes: number): Storage {
    this.check();
    const limit = this.largestArray;
    if (!Number.isInteger(bytes) || bytes < 0) {
      throw new ArgumentError(
        `device: a buffer has a number of bytes from 0 up, but ${formatValue(bytes)} were asked for`,
      );
    }
    if (bytes > limit) {
      throw new OutOfMemoryError(
        `device: a buffer of ${bytes} bytes was asked for, but this adapter binds at most ${limit}: use a smaller batch or model`,
      );
    }
    return (this.programPool ?? this.mainPool).acquire(bytes);
  }

  /**
   * Where these 32-bit words lie, which the dispatch that comes next binds as a uniform, or as an array to read; a program keeps them. Kernel
   * parameters are mostly derived from shapes, so that the same few contents come again and again: each is written once.
   * @internal
   */
  uniform(words: Uint32Array<ArrayBuffer>): GPUBufferBinding {
    this.check();
    if (!(words instanceof Uint32Array))
      throw new ArgumentError(`device: a uniform is a Uint32Array, but is ${formatValue(words)}`);
    return this.uniforms.get(words);
  }

  /** Bytes of buffers that were released and are kept for reuse, of all that `counters.bytesAllocated` counts. */
  get freeBytes(): number {
    return this.mainPool.freeBytes;
  }

  /**
   * A buffer outside of the pools, which `destroyBuffer` gives back. @throws OutOfMemoryError
   * @internal
   */
  createBuffer(descriptor: GPUBufferDescriptor): GPUBuffer {
    this.check();
    return this.memory.create(descriptor);
  }

  /**
   * Gives back what `createBuffer` made, after what was dispatched so far: a submit that holds a destroyed buffer is refused whole.
   * @internal
   */
  destroyBuffer(buffer: GPUBuffer): void {
    if (!this.disposed) this.recorder.flush();
    this.memory.destroy(buffer);
  }

  /**
   * Whether dispatches are being kept for a program instead of run.
   * @internal
   */
  get recording(): boolean {
    return this.recorder.recording;
  }

  /** Has `record` throw the first such error at its end: of what failed within it where nobody may have seen it, as in a promise. */
  refuse(error: Error): void {
    this.recordingError ??= error;
  }

  /**
   * Appends a kernel run to the command list. `bindings[i]` goes to `@group(0) @binding(i)`. One that would take very long becomes
   * several, each a part of its grid.
   * @throws ShaderError, OutOfMemoryError where the adapter has refused the kernel or something it is given
   * @internal
   */
  dispatch(pipeline: Pipeline, bindings: readonly Binding[], workgroups: Workgroups, info?: DispatchInfo): void {
    this.check();
    if (workgroups.some((n) => n === 0)) return; // an empty tensor: nothing to compute
    const limit = this.limits.maxComputeWorkgroupsPerDimension;
    if (workgroups.some((n) => n > limit)) {
      throw new GpuError(
        `${pipeline.name}: ${workgroups.join(' x ')} workgroups, but a dimension holds at most ${limit}`,
      );
    }
    if (pipeline.refused) throw pipeline.refused;
    for (const binding of bindings) checkUsable(this.failures, binding);
    for (const array of writtenArrays(pipeline, bindings)) array.countWrite();
    const pieces = Math.ceil(costOf(bindings, info) / this.budget.maxDispatchCost);
    const source = pieces > 1 ? gridPartSource(pipeline.source, bindings.length) : null;
    if (!source) {
      this.recorder.dispatch(pipeline, bindings, workgroups, info);
      return;
    }
    const partPipeline = this.pipeline(source);
    for (const part of cutDispatch(workgroups, pieces, bindings, info)) {
      this.recorder.dispatch(partPipeline, [...bindings, this.uniform(part.words)], part.workgroups, part.info);
    }
  }

  /**
   * Copies host data into a buffer. Everything dispatched before still sees the old contents.
   * @param byteOffset where in the buffer, a multiple of 4
   * @throws ArgumentError for data that does not fit into the buffer: WebGPU would report it late, and the device be of no more use
   * @internal
   */
  upload(to: Storage, data: ArrayBufferView<ArrayBuffer>, byteOffset = 0): void {
    this.check();
    this.transfers.upload(to, data, byteOffset);
  }

  /**
   * Copies one buffer into another of the same size, in the order of the dispatches. @throws ArgumentError for a smaller one
   * @internal
   */
  copy(from: Storage, to: Storage): void {
    this.check();
    this.transfers.copy(from, to);
  }

  /**
   * Copies a part of a buffer between the dispatches before and after. `write` is called once before they are submitted, to send
   * the queue what the source holds.
   * @internal
   */
  copyAfterWrite(from: GPUBuffer, fromOffset: number, to: GPUBuffer, bytes: number, write: () => void): void {
    this.check();
    this.transfers.copyAfterWrite(from, fromOffset, to, bytes, write);
  }

  /** Sends what was dispatched so far to the GPU without waiting for it. */
  flush(): void {
    this.check();
    this.recorder.flush();
  }

  /**
   * Cost of everything submitted so far, as `submit-budget.ts` estimates it.
   * @internal
   */
  get submittedCost(): number {
    return this.recorder.submittedCost;
  }

  /**
   * How much work goes into a submit and into a dispatch.
   * @internal
   */
  get budget(): SubmitBudget {
    return this.recorder.budget;
  }

  /**
   * Reports that work of this cost took so many milliseconds, so that later submits hold about 50 ms of work.
   * @throws ArgumentError unless both are numbers from 0 up
   * @internal
   */
  noteRate(cost: number, milliseconds: number): void {
    this.budget.addMeasurement(cost, milliseconds);
  }

  /** Waits until the GPU has done everything so far. @throws what went wrong meanwhile. */
  async sync(): Promise<void> {
    await this.idle();
    await this.throwPendingErrors();
  }

  /**
   * Waits until the GPU has done everything so far; errors surface later.
   * @param busyWait whether the wait polls all the time, which takes a processor core and wakes up at once
   */
  async idle(busyWait = false): Promise<void> {
    this.flush();
    await this.waits.until(this.waits.fence(), busyWait);
    this.trimUnused();
  }

  /**
   * Copies a buffer, or its first `bytes`, to the host, after everything dispatched so far. @throws ArgumentError beyond its end
   * @internal
   */
  async read(from: Storage, bytes?: number): Promise<ArrayBuffer> {
    this.check();
    const copy = await this.transfers.read(from, bytes);
    this.trimUnused();
    return copy;
  }

  /**
   * Waits until the adapter has said whether it takes the kernels and buffers made so far, but for no computation.
   * @throws ShaderError, OutOfMemoryError for the first that it refused, if that was not thrown before
   */
  async ready(): Promise<void> {
    this.check();
    await this.throwPendingErrors();
  }

  /**
   * Gives back all memory that is kept for later: buffers that were released, and programs that models keep for the next `evaluate` or
   * `predict` of the same data. Of the buffers, those that nothing used for 30 seconds go by themselves when a wait ends.
   * @throws DisposedError
   */
  trim(): void {
    this.check();
    this.releaseFree();
  }

  /** To be called when the queue has done all that was submitted. */
  private trimUnused(): void {
    if (this.disposed || this.recorder.hasPending) return;
    for (const pool of [this.mainPool, this.stagingPool]) pool.trimUnused(performance.now() - UNUSED_MS);
  }

  private async throwPendingErrors(): Promise<void> {
    await this.failures.answeredOrClosed();
    this.check();
  }

  /**
   * Records what `build` dispatches, without running it, as a program that can be run many times. Buffers that `build`
   * allocates belong to the program and live until it is disposed; buffers released on the way are used again within it.
   * For training steps, `compileStep` is the better way: it also writes learning rates and the numbers of steps anew.
   * @returns a program: `run()` runs it, `dispose()` releases it, and `profileProgram` measures it
   * @throws ArgumentError unless it is given a function; GpuError within another `record`
   */
  record(build: () => void): Program {
    this.check();
    checkFunction('record', build);
    if (this.recorder.recording) throw new GpuError('record() inside record(): programs do not nest');
    const { memory, counters } = this;
    const pool = new BufferPool(memory, 'program', maxArrayBytes(this.limits.maxBufferSize), {
      commands: null,
      counters,
    });
    this.programPool = pool;
    this.recordingError = null;
    this.recorder.startRecording();
    try {
      build();
      if (this.recordingError) throw this.recordingError;
      const commands = this.recorder.stopRecording();
      const releaseUniforms = this.uniforms.hold(commands);
      const program: Program = new Program(this.recorder, commands, pool, () => {
        releaseUniforms();
        for (const tracking of this.trackings ?? []) tracking.remove(program);
      });
      for (const tracking of this.trackings ?? []) tracking.addStep(program);
      return program;
    } catch (error) {
      this.recorder.stopRecording();
      pool.dispose();
      throw error;
    } finally {
      this.programPool = null;
    }
  }

  /**
   * Notes from now on which tensors are made, and by which line of the program, until they are released: to find what a loop forgets to
   * dispose.
   *
   *     const tracking = device.track();
   *     for (let i = 0; i < 10; i++) await step();
   *     console.log(tracking.report()); // which tensors still live, their bytes, and the line that made each
   *
   * It takes a fraction of a millisecond a tensor; nothing where nothing is tracked, or after `tracking.stop()`.
   * @param options.onDispose gets the report when the device is disposed
   * @throws ArgumentError unless `onDispose` is a function; DisposedError
   */
  track(options: { onDispose?: (report: string) => void } = {}): Tracking {
    this.check();
    const { onDispose } = checkOptions('track', options, { onDispose: true });
    if (onDispose !== undefined) checkFunction('track: onDispose', onDispose);
    const tracking = new Tracking((ended) => {
      const left = this.trackings?.filter((one) => one !== ended) ?? [];
      this.trackings = left.length > 0 ? left : null;
      this.reports.delete(ended);
    });
    this.trackings = [...(this.trackings ?? []), tracking];
    if (onDispose) this.reports.set(tracking, onDispose);
    return tracking;
  }

  /**
   * Waits for nothing, frees everything, and lets the process end. Calling it again does nothing. An error that no call has thrown is printed
   * by `console.error`.
   */
  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    for (const [tracking, onDispose] of this.reports) onDispose(tracking.report());
    this.trackings = null;
    const error = this.failures.close();
    if (error && !(error instanceof DeviceLostError)) {
      console.error(`tilegrad: the device was disposed before a call could throw ${error.name}: ${error.message}`);
    }
    this.memory.close();
    this.gpu.destroy();
    const { onDispose } = this;
    this.onDispose = null;
    if (!onDispose) return;
    // Dawn answers what is still pending (checks of shaders, fences) even now, and on freed memory if nothing held it any more:
    // the process would crash or hang. That the device is lost is answered last; then a turn of the event loop for the others.
    void Promise.allSettled([this.failures.answered(), this.gpu.lost]).then(() => setTimeout(onDispose, 0));
  }

  /** The same as `dispose`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** @throws ArgumentError unless it is a device, which callers from NumPy or PyTorch may leave out */
export function checkDevice(subject: string, device: Device, call = `${subject}(device, ...)`): void {
  if (typeof tryRead(subject, () => device?.record) === 'function') return;
  throw new ArgumentError(
    `${subject}: the device comes first, as in ${call} after const device = await openDevice(), but was given ${formatValue(device)}`,
  );
}
