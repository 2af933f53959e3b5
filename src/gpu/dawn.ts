import { checkOptions, formatValue, readList, tryRead } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import { importPackage, isNotInstalled } from '../base/import-package.ts';
import { Device } from './device.ts';
import { hostMemory } from './host-memory.ts';
import { asAdapterError } from './open.ts';
import { checkKeepBytes } from './storage.ts';
import { waitSleeping } from './wait.ts';

/** Dawn's instance, shared by all open devices. It is dropped with the last device, because it keeps the process alive. */
let dawn: { gpu: GPU; users: number } | null = null;

/**
 * Whether this is Node, where GPU objects belong to a native module whose waits poll. Deno checks every 10 ms by itself,
 * and takes four times as long if its event loop sleeps in between.
 */
const isNode = !('deno' in process.versions || 'bun' in process.versions);

/**
 * Options of `openDevice`. The options of Dawn cannot be combined with `gpu`.
 * @inline
 */
export interface OpenDeviceOptions {
  /** Which adapter to prefer if there are several. Default 'high-performance'. */
  powerPreference?: GPUPowerPreference;
  /**
   * GPU object of another implementation of WebGPU, such as `navigator.gpu` in Deno. It replaces Dawn, and the package `webgpu` is
   * not needed. Default: Dawn, also if the runtime has WebGPU.
   */
  gpu?: GPU;
  /**
   * Dawn flags, such as `adapter=llvmpipe` or `enable-dawn-features=dump_shaders`. They are ignored if another device is already open,
   * as is `fineTimestamps`. Default none. Not with `gpu`.
   */
  flags?: string[];
  /** Full resolution of the driver's timestamps, for profiles; otherwise Dawn rounds them to 65 us. Default false. Not with `gpu`. */
  fineTimestamps?: boolean;
  /**
   * Most bytes of released buffers to keep for reuse. Default 256 MiB, and more if a loop would otherwise create the same buffers in
   * each iteration.
   */
  keepBytes?: number;
}

/**
 * Opens a WebGPU device: on Dawn (the npm package `webgpu`, in Node), or on a given GPU object. Call `dispose()` when
 * done, or the process will not end.
 *
 * With the environment variable `TILEGRAD_TRACK=1` all tensors are tracked (see `Device.track`), and `dispose()` prints which were not released.
 * @throws ArgumentError for an unknown option, an invalid `keepBytes`, a `gpu` that is not a GPU object, or `gpu` with an option of Dawn;
 *   MissingPackageError if the package `webgpu` is not installed; AdapterError if no adapter is found or Dawn's native module does
 *   not load on this platform.
 */
export async function openDevice(options: OpenDeviceOptions = {}): Promise<Device> {
  const names = { powerPreference: true, gpu: true, flags: true, fineTimestamps: true, keepBytes: true };
  const { powerPreference, keepBytes } = checkOptions('openDevice', options, names);
  checkKeepBytes('openDevice', keepBytes);
  if (powerPreference !== undefined && powerPreference !== 'low-power' && powerPreference !== 'high-performance') {
    throw new ArgumentError(
      `openDevice: powerPreference must be 'low-power' or 'high-performance', but is ${formatValue(powerPreference)}`,
    );
  }
  const flags = options.flags === undefined ? [] : readList('openDevice', options.flags);
  if (!flags?.every((flag) => typeof flag === 'string')) {
    throw new ArgumentError(`openDevice: flags must be a list of Dawn's flags, but is ${formatValue(options.flags)}`);
  }
  const given = givenGpu(options);
  const { gpu, release } = given ? { gpu: given, release: () => {} } : await openDawn(flags, options.fineTimestamps);
  try {
    const hostOptions = { onDispose: release, ...(isNode ? { wait: waitSleeping } : {}), hostMemory: hostMemory() };
    const device = await Device.open(gpu, { powerPreference, keepBytes, ...hostOptions });
    if (process.env.TILEGRAD_TRACK === '1') device.track({ onDispose: (report) => console.error(report) });
    return device;
  } catch (error) {
    release();
    throw error;
  }
}

/** The GPU object of the caller; null to open Dawn. */
function givenGpu(options: OpenDeviceOptions): GPU | null {
  if (!Object.hasOwn(options, 'gpu')) return null;
  const { gpu } = options;
  if (typeof gpu !== 'object' || typeof tryRead('openDevice', () => gpu?.requestAdapter) !== 'function') {
    throw new ArgumentError(
      `openDevice: gpu must be a GPU object, such as navigator.gpu, but is ${formatValue(gpu)}; ` +
        'Deno has one with --unstable-webgpu. Leave gpu out to open Dawn in Node',
    );
  }
  for (const name of ['flags', 'fineTimestamps'] as const) {
    if (options[name] === undefined || options[name] === false) continue;
    throw new ArgumentError(`openDevice: ${name} is an option of Dawn, which gpu replaces; leave one of them out`);
  }
  return gpu as GPU;
}

/** Dawn's GPU object, shared while any device is open; `release` ends this use of it. */
async function openDawn(flags: string[], fineTimestamps = false): Promise<{ gpu: GPU; release: () => void }> {
  const { create, globals } = await loadDawn();
  if (!dawn) {
    Object.assign(globalThis, globals);
    const fine = fineTimestamps ? ['disable-dawn-features=timestamp_quantization'] : [];
    dawn = { gpu: create([...fine, ...flags]), users: 0 };
  }
  dawn.users++;
  const release = () => {
    if (dawn && --dawn.users === 0) dawn = null;
  };
  return { gpu: dawn.gpu, release };
}

/** Loads Dawn's native module on demand: on platforms without it, everything that needs no device still works. */
function loadDawn(): Promise<typeof import('webgpu')> {
  const hasOther = (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu !== undefined;
  const what = hasOther
    ? 'openDevice without { gpu: navigator.gpu }, which opens the WebGPU of this runtime,'
    : 'openDevice in Node';
  return importPackage('webgpu', what, () =>
    import('webgpu').catch((error: unknown) => {
      if (isNotInstalled('webgpu', error)) throw error;
      const step = hasOther
        ? 'open the WebGPU of this runtime with openDevice({ gpu: navigator.gpu })'
        : 'it has binaries for Windows, macOS and Linux with glibc 2.34 or newer, on x64 and arm64';
      throw asAdapterError(error, `the native module of the npm package webgpu did not load; ${step}`);
    }),
  );
}
