import { checkOptions } from '../check.ts';
import { AdapterError } from '../errors.ts';
import { Device } from './device.ts';
import { patiently } from './patience.ts';

/** Dawn's instance is shared by all open devices and dropped with the last, because it keeps the process alive. */
let dawn: { gpu: GPU; users: number } | null = null;

/**
 * Opens a WebGPU device in Node, on Dawn. Call `dispose()` when done, or the process will not end.
 *
 * @param options.flags Dawn flags, such as `adapter=llvmpipe` or `enable-dawn-features=dump_shaders`; they count only for
 *   the first device that is open, and so does the next.
 * @param options.fineTimestamps Timestamps as fine as the driver's, for profiles; else Dawn rounds them to 65 us.
 * @throws ArgumentError for an option there is not; AdapterError when no adapter is found or Dawn's native module does not load on this platform.
 */
export async function openDevice(
  options: { powerPreference?: GPUPowerPreference; flags?: string[]; fineTimestamps?: boolean } = {},
): Promise<Device> {
  checkOptions('openDevice', options, { powerPreference: true, flags: true, fineTimestamps: true });
  const { create, globals } = await loadDawn();
  if (!dawn) {
    Object.assign(globalThis, globals);
    const fine = options.fineTimestamps ? ['disable-dawn-features=timestamp_quantization'] : [];
    dawn = { gpu: create([...fine, ...(options.flags ?? [])]), users: 0 };
  }
  const { gpu } = dawn;
  dawn.users++;
  const release = () => {
    if (dawn && --dawn.users === 0) dawn = null;
  };
  try {
    return await Device.open(gpu, { powerPreference: options.powerPreference, onDispose: release, wait: patiently });
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
