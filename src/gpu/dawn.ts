import { checkOptions, listOf, show } from '../check.ts';
import { AdapterError, ArgumentError } from '../errors.ts';
import { Device } from './device.ts';
import { hostMemory } from './host-memory.ts';
import { patiently } from './patience.ts';
import { checkKeepBytes } from './storage.ts';

/** Dawn's instance is shared by all open devices and dropped with the last, because it keeps the process alive. */
let dawn: { gpu: GPU; users: number } | null = null;

/**
 * Opens a WebGPU device in Node, on Dawn. Call `dispose()` when done, or the process will not end.
 *
 * @param options.flags Dawn flags, such as `adapter=llvmpipe` or `enable-dawn-features=dump_shaders`; they count only for
 *   the first device that is open, and so does the next.
 * @param options.fineTimestamps Timestamps as fine as the driver's, for profiles; else Dawn rounds them to 65 us.
 * @param options.keepBytes Most bytes of released buffers that are kept for reuse. Default 256 MiB, and more where a loop would have to
 *   make the same buffers at every turn.
 * @throws ArgumentError for an option there is not, or an impossible `keepBytes`; AdapterError when no adapter is found or Dawn's native module does not load on this platform.
 */
export async function openDevice(
  options: {
    powerPreference?: GPUPowerPreference;
    flags?: string[];
    fineTimestamps?: boolean;
    keepBytes?: number;
  } = {},
): Promise<Device> {
  const names = { powerPreference: true, flags: true, fineTimestamps: true, keepBytes: true };
  const { powerPreference, keepBytes } = checkOptions('openDevice', options, names);
  checkKeepBytes('openDevice', keepBytes);
  if (powerPreference !== undefined && powerPreference !== 'low-power' && powerPreference !== 'high-performance') {
    throw new ArgumentError(
      `openDevice: powerPreference must be 'low-power' or 'high-performance', but is ${show(powerPreference)}`,
    );
  }
  const flags = options.flags === undefined ? [] : listOf('openDevice', options.flags);
  if (!flags?.every((flag) => typeof flag === 'string')) {
    throw new ArgumentError(`openDevice: flags must be a list of Dawn's flags, but is ${show(options.flags)}`);
  }
  const { create, globals } = await loadDawn();
  if (!dawn) {
    Object.assign(globalThis, globals);
    const fine = options.fineTimestamps ? ['disable-dawn-features=timestamp_quantization'] : [];
    dawn = { gpu: create([...fine, ...flags]), users: 0 };
  }
  const { gpu } = dawn;
  dawn.users++;
  const release = () => {
    if (dawn && --dawn.users === 0) dawn = null;
  };
  try {
    const own = { onDispose: release, wait: patiently, hostMemory: hostMemory() };
    return await Device.open(gpu, { powerPreference, keepBytes, ...own });
  } catch (error) {
    release();
    throw error instanceof AdapterError ? error : notOpened('the WebGPU adapter could not be opened', error);
  }
}

/** Dawn's native module, loaded when first needed: on a platform it is not made for, all that needs no device still works. */
async function loadDawn(): Promise<typeof import('webgpu')> {
  try {
    return await import('webgpu');
  } catch (error) {
    throw notOpened('the native module of the npm package webgpu did not load; run `npm ci` again', error);
  }
}

function notOpened(what: string, cause: unknown): AdapterError {
  return new AdapterError(`${what}: ${cause instanceof Error ? cause.message : cause}`, { cause });
}
