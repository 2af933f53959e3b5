import { AdapterError, TilegradError } from '../base/errors.ts';
import { type AdapterInfo, describeAdapter } from './info.ts';
import { canUseLanes, hasUnknown, type Probe, unknownProbe, widestSubgroup } from './probe.ts';
import { probeDevice } from './run-probe.ts';

/** GPU objects of open devices, once for each device. */
const heldGpus = new Set<{ gpu: GPU }>();

/**
 * Keeps a GPU object alive: Dawn crashes if its GPU object is garbage-collected before the device.
 * @returns a function that releases it
 */
export function holdGpu(gpu: GPU): () => void {
  const use = { gpu };
  heldGpus.add(use);
  return () => void heldGpus.delete(use);
}

/** Features to request if the adapter has them; none is required. */
const OPTIONAL_FEATURES = ['timestamp-query', 'subgroups'] as const;
/** Limits raised to the adapter's maximum, as the defaults are those of a phone. Kernels respect the defaults of all others. */
const RAISED_LIMITS = ['maxBufferSize', 'maxStorageBufferBindingSize'] as const;

/** A device with information about its adapter. */
export interface OpenedDevice {
  gpu: GPUDevice;
  info: AdapterInfo;
  probe: Probe;
  /** Lanes of the widest subgroup if kernels can exchange values between at least eight lanes; else null. */
  subgroupLanes: number | null;
}

/** Features and limits to request from an adapter. */
interface DeviceRequest {
  requiredFeatures: GPUFeatureName[];
  requiredLimits: Record<string, number>;
}

/** A device that an adapter granted, and the refusals before it. */
interface Granted {
  adapter: GPUAdapter;
  device: GPUDevice;
  refusals: string[];
}

/**
 * Opens a device on the adapter that `gpu` prefers, and probes it. Requests less if features or limits are refused, or if the
 * probe loses the device.
 * @throws AdapterError if there is no adapter, or it grants no device even with default limits and no features
 */
export async function openAdapter(
  gpu: GPU,
  powerPreference: GPUPowerPreference,
  wait: <T>(promise: Promise<T>) => Promise<T>,
): Promise<OpenedDevice> {
  const granted = await requestDevice(gpu, powerPreference, [fullRequest, largeArrayRequest, minimalRequest]);
  const lanes = widestSubgroup(granted.device, granted.adapter);
  const probe = await wait(probeDevice(granted.device, lanes));
  const loss = hasUnknown(probe) ? await lossReason(granted.device) : null;
  if (loss === null) return toOpenedDevice(granted, probe, lanes);
  const plain = await requestDevice(gpu, powerPreference, [largeArrayRequest, minimalRequest]);
  return toOpenedDevice(
    plain,
    unknownProbe(`the probe lost the device (${loss}): another was opened without features`),
    null,
  );
}

function toOpenedDevice({ adapter, device, refusals }: Granted, probe: Probe, lanes: number | null): OpenedDevice {
  return {
    gpu: device,
    info: describeAdapter(adapter),
    probe: { ...probe, notes: [...refusals, ...probe.notes] },
    subgroupLanes: canUseLanes(probe) ? lanes : null,
  };
}

const fullRequest = (adapter: GPUAdapter): DeviceRequest => ({
  ...largeArrayRequest(adapter),
  requiredFeatures: OPTIONAL_FEATURES.filter((feature) => adapter.features.has(feature)) as GPUFeatureName[],
});

function largeArrayRequest(adapter: GPUAdapter): DeviceRequest {
  const limits = RAISED_LIMITS.map((name) => [name, adapter.limits[name]] as const);
  return { ...minimalRequest(), requiredLimits: Object.fromEntries(limits.filter(([, limit]) => limit !== undefined)) };
}

const minimalRequest = (): DeviceRequest => ({ requiredFeatures: [], requiredLimits: {} });

/** Returns the first granted device. Each attempt requests a new adapter, because an adapter grants one device. */
async function requestDevice(
  gpu: GPU,
  powerPreference: GPUPowerPreference,
  attempts: readonly ((adapter: GPUAdapter) => DeviceRequest)[],
): Promise<Granted> {
  const refused = new Map<string, unknown>();
  let name = '';
  for (const attempt of attempts) {
    const adapter = await requestAdapter(gpu, powerPreference);
    if (!adapter) break;
    name = describeAdapter(adapter).name;
    const wishes = attempt(adapter);
    const text = formatRequest(wishes);
    if (refused.has(text)) continue;
    try {
      return { adapter, device: await adapter.requestDevice(wishes), refusals: refusalsOf(refused) };
    } catch (error) {
      refused.set(text, error);
    }
  }
  if (refused.size === 0) throw new AdapterError(NO_ADAPTER);
  throw new AdapterError(
    `the adapter ${name} gave no device: ${refusalsOf(refused).join('; ')}. Close other programs and browser tabs that use the GPU, ` +
      'update its driver, and try again; in a browser, restart it first; in Node, `npx tilegrad doctor` explains more.',
    { cause: [...refused.values()][0] },
  );
}

const NO_ADAPTER =
  'no WebGPU adapter was found. In Node, run `npx tilegrad setup`, which finds or installs a Vulkan driver ' +
  '(`npx tilegrad doctor` explains); in a browser, use one with WebGPU switched on.';

/** The error for a page or a runtime without WebGPU. @param gpu value of `navigator.gpu` */
export function noWebGpuError(gpu: undefined | null): AdapterError {
  const isInsecure = (globalThis as { isSecureContext?: boolean }).isSecureContext === false;
  const advice = isInsecure
    ? 'browsers have WebGPU on secure pages only; open this page by https, or by http://localhost'
    : 'use Chrome or Edge from 113, Safari from 26 or Firefox from 141, with WebGPU switched on; in Node, openDevice() of tilegrad/node';
  return new AdapterError(`Device.open: takes navigator.gpu, which is ${gpu} here; ${advice}`);
}

async function requestAdapter(gpu: GPU, powerPreference: GPUPowerPreference): Promise<GPUAdapter | null> {
  try {
    return await gpu.requestAdapter({ powerPreference });
  } catch (cause) {
    throw new AdapterError(`no WebGPU adapter was given: ${messageOf(cause)}`, { cause });
  }
}

const refusalsOf = (refused: ReadonlyMap<string, unknown>): string[] =>
  [...refused].map(([wishes, error]) => `asked for ${wishes}, it said "${messageOf(error)}"`);

/** `the features subgroups, timestamp-query and the limits maxBufferSize 1024`. */
function formatRequest({ requiredFeatures, requiredLimits }: DeviceRequest): string {
  const limits = Object.entries(requiredLimits).map(([limit, value]) => `${limit} ${value}`);
  const parts = [
    requiredFeatures.length > 0 ? `the features ${requiredFeatures.join(', ')}` : '',
    limits.length > 0 ? `the limits ${limits.join(', ')}` : '',
  ];
  return parts.filter((part) => part !== '').join(' and ') || 'default limits and no features';
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).trim();

/** Returns a TilegradError unchanged and wraps any other error in an AdapterError, as implementations throw errors of their own. */
export const asAdapterError = (cause: unknown, subject = 'the WebGPU adapter could not be opened'): TilegradError =>
  cause instanceof TilegradError ? cause : new AdapterError(`${subject}: ${messageOf(cause)}`, { cause });

/** Milliseconds to wait for a device to report that it was lost, after its probe failed. */
const LOSS_MS = 100;

/** Why a device was lost; null if it was not. */
const lossReason = (device: GPUDevice): Promise<string | null> =>
  Promise.race([
    device.lost.then(({ message }) => message),
    new Promise<null>((resolve) => setTimeout(resolve, LOSS_MS, null)),
  ]);
