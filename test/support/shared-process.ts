import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, vi } from 'vitest';

// A setup file of vitest for test files that share a process, one after another. Modules are evaluated for each (fresh-modules.ts).
// All other state of the process must be the same after a file as before it: a file fails if it leaves a device, a timer or a server
// open, or changes something.

// Globals of Node that are loaded at their first use are loaded now, so that they do not look like changes.
for (const name of Object.getOwnPropertyNames(globalThis)) if (!/Storage$/.test(name)) Reflect.get(globalThis, name);

/** Milliseconds in which what a file has closed must end. */
const GRACE_MS = Number(process.env.TILEGRAD_TESTS_GRACE_MS ?? 10_000);

/** Resources that tests must close, by their names in `process.getActiveResourcesInfo()`. Files and pipes end by themselves. */
const MUST_END =
  /^(Timeout|Immediate|ProcessWrap|\w*ServerWrap|TCPSocketWrap|Worker|MessagePort|FSEventWrap|StatWatcher|SignalWrap|UDPWRAP)$/;

/** Devices of Dawn that are open in this process; null where its native module does not load. */
const devices = await openDevices();
const resourcesBefore = resources();
const stateBefore = processState();

// Hooks of a setup file run after those of the test file.
afterAll(async () => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  vi.unstubAllEnvs();
  const end = Date.now() + GRACE_MS;
  while (openResources().length > 0 && Date.now() < end) await sleep(10, undefined, { ref: false });
  const [open, changed] = [openResources(), differences(stateBefore, processState())];
  // Devices of work that an earlier file did not wait for appear late: these are printed, with the place where they were opened.
  for (const stack of devices?.values() ?? []) if (!isOwn(stack)) console.error(stack);
  devices?.clear();
  if (open.length > 0)
    throw new Error(`this file leaves open: ${open.join(', ')}; close it in an afterAll or a finally`);
  if (changed.length > 0) throw new Error(`this file leaves changed: ${changed.join(', ')}; restore it`);
});

function openResources(): string[] {
  const more = [...resources()].map(([kind, count]) => [kind, count - (resourcesBefore.get(kind) ?? 0)] as const);
  const open = more.filter(([, count]) => count > 0).map(([kind, count]) => `${count} ${kind}`);
  const openCount = [...(devices?.values() ?? [])].filter(isOwn).length;
  return openCount > 0 ? [`${openCount} GPUDevice`, ...open] : open;
}

/** Whether this test file itself asked for a device. */
const isOwn = (stack: string): boolean => stack.includes(expect.getState().testPath ?? '');

/** How many resources of each kind keep this process alive. */
function resources(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) {
    if (MUST_END.test(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

/** Devices that were asked for and not destroyed. The classes of Dawn stay as the first file of the process leaves them. */
async function openDevices(): Promise<Map<object, string> | null> {
  const key = Symbol.for('tilegrad.tests.openDevices');
  const shared = process as unknown as Record<symbol, Map<object, string> | undefined>;
  if (shared[key]) return shared[key];
  const dawn = await import('webgpu').catch(() => null);
  if (!dawn) return null;
  const open = new Map<object, string>();
  shared[key] = open;
  const { GPUAdapter, GPUDevice } = dawn.globals as unknown as typeof globalThis;
  const { requestDevice } = GPUAdapter.prototype;
  const { destroy } = GPUDevice.prototype;
  GPUAdapter.prototype.requestDevice = async function (...words) {
    const stack = new Error('a GPU device that was not destroyed').stack ?? '';
    open.set(words, stack);
    const device = await requestDevice.apply(this, words).finally(() => open.delete(words));
    open.set(device, stack);
    return device;
  };
  GPUDevice.prototype.destroy = function () {
    open.delete(this);
    return destroy.call(this);
  };
  return open;
}

/** State that tests could change for later files: the environment, listeners, globals, and functions of shared objects. */
function processState(): Map<string, unknown> {
  const state = new Map<string, unknown>();
  const { VIPSHOME: _, ...env } = process.env; // sharp sets it as it is loaded
  for (const [name, value] of Object.entries(env)) state.set(`process.env.${name}`, value);
  for (const event of process.eventNames()) state.set(`listeners of ${String(event)}`, process.listenerCount(event));
  state.set('process.cwd()', process.cwd());
  state.set('process.exitCode', process.exitCode);
  state.set('process.argv', process.argv.join(' '));
  const objects = { globalThis, process, performance, console, Math, JSON, Date, Promise, Atomics };
  const streams = { 'process.stdout': process.stdout, 'process.stderr': process.stderr };
  const classes = {
    Object,
    Array,
    Date,
    Promise,
    Float32Array,
    Uint8Array,
    ArrayBuffer,
    ...dawnClasses(),
  };
  for (const [name, object] of Object.entries({ ...objects, ...streams })) addProperties(state, name, object);
  for (const [name, { prototype }] of Object.entries(classes)) addProperties(state, `${name}.prototype`, prototype);
  return state;
}

function addProperties(state: Map<string, unknown>, name: string, object: object): void {
  for (const [key, { value }] of Object.entries(Object.getOwnPropertyDescriptors(object))) {
    // Playwright wraps these as it is loaded.
    if (name === 'process' && (key === 'chdir' || key === 'cwd')) continue;
    if (name === 'globalThis' || typeof value === 'function') state.set(`${name}.${key}`, value);
  }
}

/** Classes that `openDevice` makes globals. */
function dawnClasses(): Record<string, { prototype: object }> {
  const classes = Object.entries(globalThis).filter(([name, one]) => name.startsWith('GPU') && one.prototype);
  return Object.fromEntries(classes);
}

/** Globals of Dawn and of packages, which their first use in a process adds or replaces. */
const COMES_LATE = /^(globalThis\.(GPU|WGSL|__)|GPU\w*\.prototype\.)/;

function differences(before: Map<string, unknown>, after: Map<string, unknown>): string[] {
  const isLate = (name: string) => !before.has(name) && COMES_LATE.test(name);
  return [...new Set([...before.keys(), ...after.keys()])].filter(
    (name) => !isLate(name) && !Object.is(before.get(name), after.get(name)),
  );
}
