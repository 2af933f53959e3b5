import { checkFunction, checkOptions, readable, show } from '../check.ts';
import { AdapterError, ArgumentError, DeviceLostError, DisposedError, GpuError, OutOfMemoryError } from '../errors.ts';
import { Choices } from './choices.ts';
import { type AdapterInfo, type Counters, describeAdapter } from './info.ts';
import { type HostMemory, Memory } from './memory.ts';
import { type KernelSource, type Pipeline, PipelineCache } from './pipelines.ts';
import { Program, Recorder, type Work } from './recorder.ts';
import { BufferPool, checkKeepBytes, Storage } from './storage.ts';
import { checkUpload, copied, isOrdinary, padToWord } from './transfer.ts';

/** Features worth having when the adapter offers them; nothing needs one. */
const WANTED_FEATURES = ['timestamp-query', 'subgroups', 'shader-f16'] as const;
/** Limits raised to what the adapter can do: the defaults are a phone's. */
const RAISED_LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxStorageBuffersPerShaderStage',
] as const;

/** Bytes of buffers for read-backs that wait for reuse. */
const KEPT_STAGING_BYTES = 2 ** 25;
/** Uniform buffers that a device remembers: far more than a training step has. */
const MOST_UNIFORMS = 4096;

export type Workgroups = readonly [x: number, y: number, z: number];

/**
 * A WebGPU device with what tilegrad keeps for it: buffer pool, pipeline cache, command recorder and counters.
 * Everything made on it dies with `dispose()`. Errors that WebGPU reports late (a shader that does not compile, memory
 * that ran out, a lost device) are thrown by the next call that touches the device.
 */
export class Device {
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
  readonly limits: GPUSupportedLimits;
  private readonly pipelines: PipelineCache;
  private readonly recorder: Recorder;
  private readonly memory: Memory;
  private readonly mainPool: BufferPool;
  private readonly stagingPool: BufferPool;
  private readonly uniforms = new Map<string, GPUBuffer>();
  private programPool: BufferPool | null = null;
  private failure: Error | null = null;
  private readonly pendingChecks = new Set<Promise<unknown>>();
  private disposed = false;
  /** Which kernels run at which sizes. */
  readonly choices = new Choices();
  /** Open `scope` calls, innermost last; arrays register themselves here (see kernels/array.ts). */
  readonly scopes: Set<{ dispose(): void }>[] = [];

  private constructor(
    readonly gpu: GPUDevice,
    readonly info: AdapterInfo,
    /** Dropped on dispose: Dawn keeps the process alive as long as anything holds the object it was opened with. */
    private onDispose: (() => void) | null,
    /** How promises of WebGPU are waited for, where there is a better way than to await them. */
    private readonly wait: <T>(promise: Promise<T>) => Promise<T>,
    hostMemory: HostMemory | null,
    keepBytes: number | undefined,
  ) {
    if (!gpu?.limits)
      throw new ArgumentError('Device: is opened by openDevice() or Device.open(gpu), not made with new');
    this.limits = gpu.limits;
    this.pipelines = new PipelineCache(gpu, this.counters, (check) => this.watch(check));
    const pools = () => [this.mainPool, this.stagingPool];
    this.recorder = new Recorder(gpu, this.counters, () => {
      for (const pool of pools()) pool.trim();
    });
    const dropFree = () => {
      this.recorder.flush();
      for (const pool of pools()) pool.drop();
    };
    const watch = (answer: Promise<unknown>) => this.watch(answer.then(() => null));
    this.memory = new Memory(gpu, this.counters, hostMemory, dropFree, watch, wait);
    const { recorder, memory, counters } = this;
    const { maxBufferSize } = this.limits;
    this.mainPool = new BufferPool(memory, 'tensor', maxBufferSize, { commands: recorder, counters, keepBytes });
    this.stagingPool = new BufferPool(memory, 'staging', maxBufferSize, {
      commands: recorder,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
      keepBytes: KEPT_STAGING_BYTES,
    });
    gpu.addEventListener('uncapturederror', (event) => {
      event.preventDefault(); // it is thrown, so nobody needs to print it
      this.onUncaptured(event.error);
    });
    gpu.lost.then((lost) => {
      if (!this.disposed) this.fail(new DeviceLostError(`device lost (${lost.reason}): ${lost.message}`));
    });
  }

  /**
   * Opens a device on the adapter that `gpu` (`navigator.gpu`, or Dawn's) prefers.
   * @param options.keepBytes most bytes of released buffers that are kept for reuse; default 256 MiB, and more where a loop needs it
   * @param options.hostMemory what a software adapter computes in, where it can be asked how much is left
   * @throws AdapterError when there is none; ArgumentError for an option there is not, or an impossible `keepBytes`
   */
  static async open(
    gpu: GPU,
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
    if (typeof readable('Device.open', () => gpu?.requestAdapter) !== 'function') {
      throw new ArgumentError(`Device.open: takes what navigator.gpu is in a browser, but was given ${show(gpu)}`);
    }
    const adapter = await gpu.requestAdapter({ powerPreference: options.powerPreference ?? 'high-performance' });
    if (!adapter) {
      throw new AdapterError(
        'no WebGPU adapter was found. In Node, run `npm run setup`, which finds or installs a Vulkan driver ' +
          '(`npx tilegrad doctor` explains); in a browser, use one with WebGPU switched on.',
      );
    }
    const features = WANTED_FEATURES.filter((feature) => adapter.features.has(feature));
    const requiredLimits = Object.fromEntries(RAISED_LIMITS.map((name) => [name, adapter.limits[name]]));
    const device = await adapter.requestDevice({ requiredFeatures: features as GPUFeatureName[], requiredLimits });
    const info = describeAdapter(adapter);
    const wait = options.wait ?? (<T>(promise: Promise<T>) => promise);
    const host = info.isSoftware ? (hostMemory ?? null) : null;
    return new Device(device, info, options.onDispose ?? null, wait, host, keepBytes);
  }

  /** Throws what went wrong since the last call, if anything. */
  private check(): void {
    if (this.disposed) throw new DisposedError('device: used after dispose()');
    if (this.failure) throw this.failure;
    const failure = this.memory.takeFailure();
    if (failure) throw failure;
  }

  private fail(error: Error): void {
    this.failure ??= error;
  }

  private watch(check: Promise<Error | null>): void {
    const done = check.then(
      (error) => error && this.fail(error),
      () => {}, // the device went away meanwhile: `lost` says so
    );
    this.pendingChecks.add(done);
    void done.then(() => this.pendingChecks.delete(done));
  }

  /** Where memory ran out, the device is of use afterwards; what used the buffers that were not made says so, too. */
  private onUncaptured(error: GPUError): void {
    const { memory } = this;
    if (isOutOfMemory(error)) {
      memory.report(error.message);
    } else if (!/\[Invalid /.test(error.message)) {
      this.fail(new GpuError(error.message));
    } else {
      // That a buffer failed may be about to be told.
      const told = Promise.all(this.pendingChecks);
      this.watch(told.then(() => (memory.anyFailed ? null : new GpuError(error.message))));
    }
  }

  /** Lanes of the widest subgroup, where kernels may pass values between eight lanes or more; else null. */
  get subgroupLanes(): number | null {
    const { subgroupMinSize = 0, subgroupMaxSize = 0 } = this.gpu.adapterInfo;
    return this.gpu.features.has('subgroups') && subgroupMinSize >= 8 ? subgroupMaxSize : null;
  }

  /** The compiled form of a kernel, from the cache or made now. */
  pipeline(source: KernelSource): Pipeline {
    this.check();
    return this.pipelines.get(source);
  }

  /** Bytes of the largest array that kernels can be given. */
  get largestArray(): number {
    return Math.min(this.limits.maxBufferSize, this.limits.maxStorageBufferBindingSize);
  }

  /** A buffer from the pool (or from the arena of the program being recorded). Contents are whatever was there. */
  allocate(bytes: number): Storage {
    this.check();
    const limit = this.largestArray;
    if (!Number.isInteger(bytes) || bytes < 0) {
      throw new ArgumentError(`device: a buffer has a number of bytes from 0 up, but ${show(bytes)} were asked for`);
    }
    if (bytes > limit) {
      throw new OutOfMemoryError(
        `device: a buffer of ${bytes} bytes was asked for, but this adapter binds at most ${limit}: use a smaller batch or model`,
      );
    }
    return (this.programPool ?? this.mainPool).acquire(bytes);
  }

  /**
   * A small buffer with these 32-bit words, which a kernel binds as a uniform, or as an array to read. Kernel parameters are mostly derived from shapes, so that the same few contents
   * come again and again: each is made once and never rewritten. Numbers that change (a rate, a seed) come once: beyond
   * `MOST_UNIFORMS` the oldest is forgotten. It is not destroyed, since programs may hold it, but goes with the last that does.
   */
  uniform(words: Uint32Array<ArrayBuffer>): GPUBuffer {
    this.check();
    if (!(words instanceof Uint32Array))
      throw new ArgumentError(`device: a uniform is a Uint32Array, but is ${show(words)}`);
    const key = words.join();
    let buffer = this.uniforms.get(key);
    if (!buffer) {
      const size = Math.ceil(words.byteLength / 16) * 16;
      const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.STORAGE;
      const forget = () => this.uniforms.delete(key);
      buffer = this.memory.create({ label: 'params', size, usage, mappedAtCreation: true }, forget);
      new Uint32Array(buffer.getMappedRange()).set(words);
      buffer.unmap();
      this.counters.bytesUploaded += words.byteLength;
      if (this.uniforms.size >= MOST_UNIFORMS) this.uniforms.delete(this.uniforms.keys().next().value!);
      this.uniforms.set(key, buffer);
    }
    return buffer;
  }

  /** Bytes of buffers that were released and are kept for reuse, of all that `counters.bytesAllocated` counts. */
  get freeBytes(): number {
    return this.mainPool.freeBytes;
  }

  /** A buffer outside of the pools, which `destroyBuffer` gives back. @throws OutOfMemoryError */
  createBuffer(descriptor: GPUBufferDescriptor): GPUBuffer {
    this.check();
    return this.memory.create(descriptor);
  }

  destroyBuffer(buffer: GPUBuffer): void {
    this.memory.destroy(buffer);
  }

  /** Whether dispatches are being kept for a program instead of run. */
  get recording(): boolean {
    return this.recorder.recording;
  }

  /** Appends a kernel run to the command list. `bindings[i]` goes to `@group(0) @binding(i)`. */
  dispatch(pipeline: Pipeline, bindings: readonly (Storage | GPUBuffer)[], workgroups: Workgroups, work?: Work): void {
    this.check();
    if (workgroups.some((n) => n === 0)) return; // an empty tensor: nothing to compute
    const limit = this.limits.maxComputeWorkgroupsPerDimension;
    if (workgroups.some((n) => n > limit)) {
      throw new GpuError(
        `${pipeline.name}: ${workgroups.join(' x ')} workgroups, but a dimension holds at most ${limit}`,
      );
    }
    this.recorder.dispatch(pipeline, bindings, workgroups, work);
  }

  /**
   * Copies host data into a buffer. Everything dispatched before still sees the old contents.
   * @param byteOffset where in the buffer, a multiple of 4
   * @throws ArgumentError for data that does not fit into the buffer: WebGPU would report it late, and the device be of no more use
   */
  upload(to: Storage, data: ArrayBufferView<ArrayBuffer>, byteOffset = 0): void {
    this.check();
    checkUpload(to, data, byteOffset);
    if (this.recorder.recording) {
      throw new GpuError('host data cannot be uploaded inside a recorded step: make the tensor before the step');
    }
    this.memory.require(data.byteLength); // the queue copies it first
    this.recorder.flush();
    const padded = data.byteLength % 4 === 0 && isOrdinary(data.buffer) ? data : padToWord(data);
    this.gpu.queue.writeBuffer(to.buffer, to.offset + byteOffset, padded);
    this.counters.bytesUploaded += padded.byteLength;
  }

  /** Copies one buffer into another of the same size, in the order of the dispatches. @throws ArgumentError for a smaller one */
  copy(from: Storage, to: Storage): void {
    this.check();
    if (to.bytes < from.bytes) {
      throw new ArgumentError(`copy: ${from.bytes} bytes do not fit into a buffer of ${to.bytes}`);
    }
    if (this.recorder.recording) throw new GpuError('buffers cannot be copied inside a recorded step');
    this.recorder.copy(from.buffer, from.offset, to.buffer, to.offset, Math.ceil(from.bytes / 4) * 4);
  }

  /**
   * Copies a part of a buffer between the dispatches before and after. `write` is called once before they are submitted, to send
   * the queue what the source holds.
   */
  copyLate(from: GPUBuffer, fromOffset: number, to: GPUBuffer, bytes: number, write: () => void): void {
    this.check();
    this.recorder.copy(from, fromOffset, to, 0, bytes);
    this.recorder.beforeSubmit(write);
  }

  /** Sends what was dispatched so far to the GPU without waiting for it. */
  flush(): void {
    this.check();
    this.recorder.flush();
  }

  /** Cost of everything submitted so far, as `submit-budget.ts` estimates it. */
  get submittedCost(): number {
    return this.recorder.submittedCost;
  }

  /** Reports that work of this cost took so many milliseconds, so that later submits hold about 50 ms of work. */
  noteRate(cost: number, milliseconds: number): void {
    this.recorder.noteRate(cost, milliseconds);
  }

  /** Waits until the GPU has done everything so far. @throws what went wrong meanwhile. */
  async sync(): Promise<void> {
    await this.idle();
    await this.settle();
  }

  /**
   * Waits until the GPU has done everything so far; errors surface later.
   * @param awake whether the wait polls all the time, which takes a processor core and wakes up at once
   */
  async idle(awake = false): Promise<void> {
    this.flush();
    const done = this.gpu.queue.onSubmittedWorkDone();
    await (awake ? done : this.wait(done));
  }

  /** Copies a buffer, or its first `bytes`, to the host, after everything dispatched so far. @throws ArgumentError beyond its end */
  async read(from: Storage, bytes = from instanceof Storage ? from.bytes : 0): Promise<ArrayBuffer> {
    this.check();
    if (!(from instanceof Storage)) {
      throw new ArgumentError(
        `read: takes the storage of an array, as tensor.array has it, but was given ${show(from)}`,
      );
    }
    if (!Number.isInteger(bytes) || bytes < 0 || bytes > from.bytes) {
      throw new ArgumentError(`read: a buffer of ${from.bytes} bytes has no first ${show(bytes)} bytes`);
    }
    if (this.recorder.recording) throw new GpuError('nothing can be read back inside a recorded step');
    if (bytes === 0) return new ArrayBuffer(0);
    const size = Math.ceil(bytes / 4) * 4;
    const staging = this.stagingPool.acquire(size);
    this.recorder.copy(from.buffer, from.offset, staging.buffer, 0, size);
    this.recorder.flush();
    let copy: ArrayBuffer;
    try {
      await this.wait(staging.buffer.mapAsync(GPUMapMode.READ, 0, size));
      copy = copied(staging.buffer.getMappedRange(0, size), bytes);
    } catch (cause) {
      await this.settle();
      if (cause instanceof OutOfMemoryError) throw cause;
      throw new DeviceLostError('a read-back did not complete because the device went away', { cause });
    } finally {
      if (staging.buffer.mapState === 'mapped') tryUnmap(staging.buffer);
      staging.release();
    }
    this.counters.readBacks++;
    this.counters.bytesReadBack += bytes;
    await this.settle();
    return copy;
  }

  private async settle(): Promise<void> {
    await Promise.all(this.pendingChecks);
    this.check();
  }

  /**
   * Records what `build` dispatches, without running it, as a program that can be run many times. Buffers that `build`
   * allocates belong to the program and live until it is disposed; buffers released on the way are used again within it.
   */
  record(build: () => void): Program {
    this.check();
    checkFunction('record', build);
    if (this.recorder.recording) throw new GpuError('record() inside record(): programs do not nest');
    const { memory, counters } = this;
    const pool = new BufferPool(memory, 'program', this.limits.maxBufferSize, { commands: null, counters });
    this.programPool = pool;
    this.recorder.startRecording();
    try {
      build();
      return new Program(this.recorder, this.recorder.stopRecording(), pool);
    } catch (error) {
      this.recorder.stopRecording();
      pool.dispose();
      throw error;
    } finally {
      this.programPool = null;
    }
  }

  /** Waits for nothing, frees everything, and lets the process end. Calling it again does nothing. */
  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.memory.close();
    this.gpu.destroy();
    const { onDispose } = this;
    this.onDispose = null;
    if (!onDispose) return;
    // Dawn answers what is still pending (checks of shaders, fences) even now, and on freed memory if nothing held it any more:
    // the process would crash or hang. That the device is lost is answered last; then a turn of the event loop for the others.
    void Promise.allSettled([...this.pendingChecks, this.gpu.lost]).then(() => setTimeout(onDispose, 0));
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Unmaps a buffer, which wgpu refuses if the device is lost: that is reported already. */
function tryUnmap(buffer: GPUBuffer): void {
  try {
    buffer.unmap();
  } catch {}
}

/** @throws ArgumentError unless it is a device, which callers from NumPy or PyTorch may leave out */
export function checkDevice(what: string, device: Device, call = `${what}(device, ...)`): void {
  if (typeof readable(what, () => device?.record) === 'function') return;
  throw new ArgumentError(
    `${what}: the device comes first, as in ${call} after const device = await openDevice(), but was given ${show(device)}`,
  );
}

const isOutOfMemory = (error: GPUError): boolean =>
  error.constructor.name.includes('OutOfMemory') || /out of memory/i.test(`${error.constructor.name} ${error.message}`);
