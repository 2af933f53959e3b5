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
import { asAdapterError, holdGpu, noWebGpuError, type OpenedDevice, openAdapter } from './open.ts';
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

/** Most bytes of released staging buffers (for read-backs) that are kept for reuse. */
const STAGING_KEEP_BYTES = 2 ** 25;
/** Milliseconds without use after which a free buffer is destroyed, when a wait ends and the device is idle. */
const UNUSED_MS = 30_000;
const DISPOSED = 'device: used after dispose()';
/** The method that `console.log` of Node, Deno and Bun calls. */
const inspect: unique symbol = Symbol.for('nodejs.util.inspect.custom');

export type Workgroups = readonly [x: number, y: number, z: number];

/**
 * A WebGPU device with buffer pool, pipeline cache, command recorder and counters.
 * `dispose()` releases everything made on it. WebGPU reports some errors late: a shader that does not compile, memory
 * that ran out, a lost device. The next call that uses the device throws them.
 *
 * The device stays usable if the adapter refuses a kernel or a buffer. The error is thrown once. It is thrown again by each call that uses
 * that kernel, that buffer or an array that depends on them. A lost device stays lost.
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
  /** The name in messages; bundlers rename the class itself. */
  readonly [Symbol.toStringTag] = 'Device';
  /** The WebGPU device itself. */
  readonly gpu: GPUDevice;
  /** Name, driver, features and limits of the adapter. */
  readonly info: AdapterInfo;
  /** Results of the checks that ran when the device was opened. */
  readonly probe: Probe;
  /** Lanes of the widest subgroup if kernels can exchange values between at least eight lanes; else null. */
  readonly subgroupLanes: number | null;
  /** WebGPU limits of the device. */
  readonly limits: GPUSupportedLimits;
  /**
   * Waits for promises of the queue.
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
  /** First error within the current recording. */
  private recordingError: Error | null = null;
  private readonly failures: Failures;
  private disposed = false;
  /** Which kernel variants run at which sizes: `choices.used` has every variant used so far, by operator and sizes. */
  readonly choices = new KernelSelection();
  /**
   * Origin of the dispatches that follow (see `withOrigin`).
   * @internal
   */
  origin: Origin = { layer: null, backward: false, choices: [] };
  /**
   * Arrays of each open `scope` call, innermost last; arrays register themselves here (see kernels/array.ts).
   * @internal
   */
  readonly scopes: Set<{ dispose(): void }>[] = [];

  /**
   * Whether generated kernels write out their loops, for the compiler of a GPU. On a CPU, that would compile for seconds.
   * @internal
   */
  unrollsLoops: boolean;

  /**
   * Trackings begun by `track`; null if there are none, so that tensors check only one value.
   * @internal
   */
  trackings: readonly Tracking[] | null = null;

  /**
   * Caches of programs, which `trim` disposes.
   * @internal
   */
  readonly caches = new Set<{ dispose(): void }>();
  private readonly releaseFree: () => void;
  /** Callbacks that receive the reports of trackings when the device is disposed. */
  private readonly reports = new Map<Tracking, (report: string) => void>();

  private constructor(
    opened: OpenedDevice,
    /** Cleared by `dispose`: Dawn keeps the process alive while anything refers to its GPU object. */
    private onDispose: (() => void) | null,
    /** How to wait for promises of WebGPU; null to await them. */
    wait: (<T>(promise: Promise<T>) => Promise<T>) | null,
    hostMemory: HostMemory | null,
    keepBytes: number | undefined,
  ) {
    if (!opened?.gpu?.limits)
      throw new ArgumentError('Device: cannot be constructed with new; call openDevice() or Device.open(gpu)');
    const { gpu, info, probe, subgroupLanes } = opened;
    this.gpu = gpu;
    this.info = info;
    this.unrollsLoops = !info.isSoftware;
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
      event.preventDefault(); // a later call throws it, or `dispose` prints it
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
   * @param options.powerPreference which adapter to prefer if there are several; default 'high-performance'
   * @param options.onDispose called after the device is disposed and the implementation has resolved all promises
   * @param options.keepBytes most bytes of released buffers to keep for reuse; default 256 MiB, more if a loop needs it
   * @param options.wait how to wait for promises of WebGPU; default: as `QueueWaits` measures
   * @param options.hostMemory reports how much host memory is left, for software adapters; default: not checked
   * @throws AdapterError if there is no WebGPU (`navigator.gpu` is undefined), no adapter or no device; ArgumentError for an unknown option or an invalid `keepBytes`
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
        `Device.open: gpu must be a GPU object such as navigator.gpu, but is ${formatValue(gpu)}`,
      );
    }
    const wait = options.wait ?? null;
    const powerPreference = options.powerPreference ?? 'high-performance';
    const release = holdGpu(gpu);
    const onDispose = () => {
      release();
      options.onDispose?.();
    };
    try {
      const opened = await openAdapter(gpu, powerPreference, wait ?? (<T>(promise: Promise<T>) => promise));
      const host = opened.info.isSoftware ? (hostMemory ?? null) : null;
      const device = new Device(opened, onDispose, wait, host, keepBytes);
      await device.waits.measure();
      return device;
    } catch (error) {
      release();
      throw asAdapterError(error);
    }
  }

  /** Text for `console.log`: the adapter, and the bytes of its memory in use. */
  [inspect](): string {
    const { name, driver } = this.info;
    const used = this.counters.bytesAllocated - this.freeBytes;
    return `Device ${toPrintableLine(`${name} (${driver})`)}, ${this.disposed ? 'disposed' : `${used} bytes in use`}`;
  }

  /** @throws DisposedError; the first error since the last call */
  private check(): void {
    if (this.disposed) throw new DisposedError(DISPOSED);
    this.failures.check();
  }

  /**
   * Returns the compiled kernel, from the cache or compiled now. @throws ShaderError if the adapter refused it before
   * @internal
   */
  pipeline(source: KernelSource): Pipeline {
    this.check();
    return this.pipelines.get(source);
  }

  /** Bytes of the largest array that a kernel can bind. */
  get largestArray(): number {
    return maxArrayBytes(Math.min(this.limits.maxBufferSize, this.limits.maxStorageBufferBindingSize));
  }

  /**
   * Returns a buffer from the pool, or from the pool of the program being recorded. Its contents are undefined.
   * @internal
   */
  allocate(bytes: number): Storage {
    this.check();
    const limit = this.largestArray;
    if (!Number.isInteger(bytes) || bytes < 0) {
      throw new ArgumentError(
        `device: the bytes of a buffer must be an integer from 0 up, but ${formatValue(bytes)} were requested`,
      );
    }
    if (bytes > limit) {
      throw new OutOfMemoryError(
        `device: a buffer of ${bytes} bytes was requested, but this adapter binds at most ${limit}; use a smaller batch or model`,
      );
    }
    return (this.programPool ?? this.mainPool).acquire(bytes);
  }

  /**
   * Returns a binding of these 32-bit words, for the next dispatch to bind as a uniform or as a read-only array. Programs keep the words.
   * Kernel parameters mostly follow from shapes, so the same contents recur; equal contents are uploaded once.
   * @internal
   */
  uniform(words: Uint32Array<ArrayBuffer>): GPUBufferBinding {
    this.check();
    if (!(words instanceof Uint32Array))
      throw new ArgumentError(`device: a uniform must be a Uint32Array, but is ${formatValue(words)}`);
    return this.uniforms.get(words);
  }

  /** Bytes of released buffers kept for reuse; `counters.bytesAllocated` includes them. */
  get freeBytes(): number {
    return this.mainPool.freeBytes;
  }

  /**
   * Creates a buffer outside the pools; `destroyBuffer` destroys it. @throws OutOfMemoryError
   * @internal
   */
  createBuffer(descriptor: GPUBufferDescriptor): GPUBuffer {
    this.check();
    return this.memory.create(descriptor);
  }

  /**
   * Destroys a buffer of `createBuffer`. Submits pending dispatches first: WebGPU refuses a submit that uses a destroyed buffer.
   * @internal
   */
  destroyBuffer(buffer: GPUBuffer): void {
    if (!this.disposed) this.recorder.flush();
    this.memory.destroy(buffer);
  }

  /**
   * Whether dispatches are recorded into a program instead of run.
   * @internal
   */
  get recording(): boolean {
    return this.recorder.recording;
  }

  /** Reports an error that the caller may not see, such as one in a promise; `record` throws the first of them when it ends. */
  refuse(error: Error): void {
    this.recordingError ??= error;
  }

  /**
   * Appends a kernel run to the command list; `bindings[i]` is bound to `@group(0) @binding(i)`. A dispatch that would take very long
   * is split into several, each a part of its grid.
   * @throws ShaderError, OutOfMemoryError if the adapter has refused the kernel or one of the bindings
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
   * Copies host data into a buffer. Earlier dispatches still read the old contents.
   * @param byteOffset offset in the buffer, a multiple of 4; default 0
   * @throws ArgumentError if the data does not fit into the buffer; WebGPU would report it late and make the device unusable
   * @internal
   */
  upload(to: Storage, data: ArrayBufferView<ArrayBuffer>, byteOffset = 0): void {
    this.check();
    this.transfers.upload(to, data, byteOffset);
  }

  /**
   * Copies one buffer into another, in the order of the dispatches. @throws ArgumentError if `to` is smaller
   * @internal
   */
  copy(from: Storage, to: Storage): void {
    this.check();
    this.transfers.copy(from, to);
  }

  /**
   * Copies a part of a buffer, in the order of the dispatches. `write` is called once, before they are submitted; it uploads the source
   * to the queue.
   * @internal
   */
  copyAfterWrite(from: GPUBuffer, fromOffset: number, to: GPUBuffer, bytes: number, write: () => void): void {
    this.check();
    this.transfers.copyAfterWrite(from, fromOffset, to, bytes, write);
  }

  /** Submits all pending dispatches to the GPU, without waiting for them. */
  flush(): void {
    this.check();
    this.recorder.flush();
  }

  /**
   * Estimated cost of everything submitted so far (see `submit-budget.ts`).
   * @internal
   */
  get submittedCost(): number {
    return this.recorder.submittedCost;
  }

  /**
   * Limits on the cost of a submit and of a dispatch.
   * @internal
   */
  get budget(): SubmitBudget {
    return this.recorder.budget;
  }

  /**
   * Reports how many milliseconds work of this cost took, so that later submits contain about 50 ms of work.
   * @throws ArgumentError unless both are numbers from 0 up
   * @internal
   */
  noteRate(cost: number, milliseconds: number): void {
    this.budget.addMeasurement(cost, milliseconds);
  }

  /** Waits until the GPU has finished all work submitted so far. @throws errors that occurred meanwhile */
  async sync(): Promise<void> {
    await this.idle();
    await this.throwPendingErrors();
  }

  /**
   * Waits until the GPU has finished all work submitted so far; a later call throws the errors.
   * @param busyWait whether to poll without sleeping: uses a processor core, but returns at once; default false
   */
  async idle(busyWait = false): Promise<void> {
    this.flush();
    await this.waits.until(this.waits.fence(), busyWait);
    this.trimUnused();
  }

  /**
   * Copies a buffer, or its first `bytes`, to the host, after all dispatches so far. @throws ArgumentError if `bytes` exceeds its size
   * @internal
   */
  async read(from: Storage, bytes?: number): Promise<ArrayBuffer> {
    this.check();
    const copy = await this.transfers.read(from, bytes);
    this.trimUnused();
    return copy;
  }

  /**
   * Waits until the adapter has accepted or refused all kernels and buffers made so far; waits for no computation.
   * @throws ShaderError, OutOfMemoryError for the first refusal that was not thrown before
   */
  async ready(): Promise<void> {
    this.check();
    await this.throwPendingErrors();
  }

  /**
   * Frees all memory kept for later: released buffers, and the programs that models keep for the next `evaluate` or `predict` of the same
   * data. Buffers that were not used for 30 seconds are also freed automatically when a wait ends.
   * @throws DisposedError
   */
  trim(): void {
    this.check();
    this.releaseFree();
  }

  /** Call it when the queue has finished all submitted work. */
  private trimUnused(): void {
    if (this.disposed || this.recorder.hasPending) return;
    for (const pool of [this.mainPool, this.stagingPool]) pool.trimUnused(performance.now() - UNUSED_MS);
  }

  private async throwPendingErrors(): Promise<void> {
    await this.failures.answeredOrClosed();
    this.check();
  }

  /**
   * Records the dispatches of `build`, without running them, as a program that can run many times. Buffers that `build`
   * allocates belong to the program and live until it is disposed; buffers released during recording are reused within it.
   * For training steps use `compileStep`, which also updates learning rates and step numbers before each run.
   * @returns a program: `run()` runs it, `dispose()` releases it, and `profileProgram` measures it
   * @throws ArgumentError unless `build` is a function; GpuError within another `record`
   */
  record(build: () => void): Program {
    this.check();
    checkFunction('record', build);
    if (this.recorder.recording)
      throw new GpuError('record: programs cannot be nested; call record() outside of another record()');
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
   * Tracks which tensors are created from now on, and by which line of the program, until they are released: finds tensors that a loop
   * fails to dispose.
   *
   *     const tracking = device.track();
   *     for (let i = 0; i < 10; i++) await step();
   *     console.log(tracking.report()); // which tensors still live, their bytes, and the line that made each
   *
   * Costs a fraction of a millisecond per tensor, and nothing after `tracking.stop()`.
   * @param options.onDispose receives the report when the device is disposed
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
   * Frees everything without waiting, and lets the process end. Calling it again does nothing. An error that no call has thrown is printed
   * with `console.error`.
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
    // Dawn still resolves pending promises (shader checks, fences), and uses freed memory if nothing refers to it any more:
    // the process would crash or hang. It resolves `lost` last; one more turn of the event loop lets the others finish.
    void Promise.allSettled([this.failures.answered(), this.gpu.lost]).then(() => setTimeout(onDispose, 0));
  }

  /** The same as `dispose`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** @throws ArgumentError unless `device` is a device; callers used to NumPy or PyTorch may leave it out */
export function checkDevice(subject: string, device: Device, call = `${subject}(device, ...)`): void {
  if (typeof tryRead(subject, () => device?.record) === 'function') return;
  throw new ArgumentError(
    `${subject}: the device comes first, as in ${call} after const device = await openDevice(), but was given ${formatValue(device)}`,
  );
}
