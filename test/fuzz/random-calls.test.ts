import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import * as everywhere from '../../src/index.ts';
import * as tg from '../../src/node.ts';
import { type Device, openDevice, TilegradError, tensor } from '../../src/node.ts';
import * as report from '../../src/report.ts';
import { describeOnDevice } from '../support/device.ts';
import { apart, type Call, calls, methodsApart, type World } from '../support/exported-calls.ts';
import { CallerError, type Draw, drawInvalidValue, type ForeignObjects } from '../support/invalid-values.ts';

// Every export is called with one or two invalid arguments: it must work, or throw a typed error that names it.
//   RANDOM_CALLS=summary   prints every kind of failure with its count and an example, and fails at the end
//   RANDOM_CALLS=fit,Dense only these
//   RANDOM_CALLS_SEED=7    other draws

const [mode = '', seed = '1'] = [process.env.RANDOM_CALLS, process.env.RANDOM_CALLS_SEED];
const CALLS = process.env.LONG === '1' ? 400 : 20;
const MAX_MS = 20_000;

function generator(state: number): Draw {
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

/** Valid arguments, except one or two. */
function drawArguments(draw: Draw, call: Call, world: World, strangers: ForeignObjects): unknown[] {
  const args = call.args(world);
  const fixed = call.fixed ?? 0;
  const times = draw() < 0.7 ? 1 : 2;
  for (let i = 0; i < times; i++) {
    const value = drawInvalidValue(draw, strangers);
    const last = args.length - 1;
    const options = call.options;
    const how = options && last >= fixed ? draw() : 0.7 + 0.3 * draw();
    if (options && how < 0.7) {
      const name = options[Math.floor(draw() * options.length)]!;
      const plain = Object.getPrototypeOf(Object(args[last])) === Object.prototype && i === 0;
      args[last] = plain ? { ...(args[last] as object), [name]: value } : value;
    } else if (how < 0.73) {
      args.push(value);
    } else if (how < 0.76) {
      args.length = Math.max(fixed, last);
    } else {
      const place = fixed + Math.floor(draw() * (args.length - fixed));
      args[Math.max(fixed, place)] = value;
    }
  }
  return args;
}

/** `BinaryCrossentropy` or `Model.fit` as messages may name it. */
function names(name: string): string[] {
  const [first, second] = name.split('.');
  const others: Record<string, string[]> = {
    splitIndices: ['trainTestSplit'],
    softmaxCrossEntropyWithHits: ['softmaxCrossEntropy'],
    sparseCategoricalCrossentropy: ['softmaxCrossEntropy', 'categoricalCrossentropy'],
    decodeModel: ['loadModel', 'model', 'decodeSafetensors', 'safetensors file'],
    encodeModel: ['saveModel'],
    decodeWeights: ['loadWeights', 'weights', 'decodeSafetensors'],
    encodeWeights: ['saveWeights'],
    decodeNpy: ['npy', 'bytes of a file'],
    decodeSafetensors: ['safetensors', 'bytes of a file'],
    decodeKeras: ['not an HDF5 file'],
    loadKeras: ['read', 'decodeKeras'],
    readKerasWeights: ['not an HDF5 file'],
    decodeKerasWeights: ['not an HDF5 file'],
    loadKerasWeights: ['read', 'not an HDF5 file', 'decodeKerasWeights'],
    saveNpy: ['encodeNpy', 'write'],
    saveSafetensors: ['encodeSafetensors', 'write'],
    saveModel: ['write', 'encodeModel', 'modelConfig'],
    saveWeights: ['write', 'encodeWeights'],
    loadModel: ['read', 'loadWeights', 'safetensors file'],
    loadWeights: ['read', 'safetensors file', 'does not fit the model'],
    loadNpy: ['read', '.npy'],
    loadSafetensors: ['read', 'safetensors file'],
    modelFromConfig: ['a model', 'a layer'],
    loadDataset: ['data set', 'was not found', 'cannot access'],
    datasetStatus: ['data set', 'loadDataset', 'cannot access'],
    fetchDataset: ['data set', 'download', 'cannot read or write'],
    ImageLoader: ['images'],
    ArrayLoader: ['x', 'y'],
    'regularizers.l1': ['l1l2', 'regularizer'],
    'regularizers.l2': ['l1l2', 'regularizer'],
    'regularizers.l1l2': ['regularizer'],
    'regularizers.regularizerOf': ['l1l2', 'x'],
    'initializers.initializerOf': ['x'],
    mobileNetV2: ['input', 'Dense', 'weights'],
    'Layer.apply': ['Dense'],
    Layer: ['Own'],
    'Model.call': ['sequential'],
    'Model.evaluateReplicas': ['evaluate'],
    'Model.callLogits': ['call', 'sequential'],
    Sequential: ['model'],
    'RandomSearch.search': ['fit', 'backup: run/classWeight'],
    ...Object.fromEntries(
      ['BayesianOptimization', 'GridSearch', 'Hyperband', 'RandomSearch'].map((one) => [one, ['buildModel']]),
    ),
    ...Object.fromEntries(
      ['choice', 'fixed', 'conditionalScope', 'get'].map((one) => [`HyperParameters.${one}`, ['hp']]),
    ),
    'a compiled step': ['compileStep', 'sub'],
    'a callback of fit': ['fit', 'callback'],
    'callbacks of fit': ['fit'],
    'a batch of a stream': ['fit'],
    'plan of a layer': ['Own'],
    'result of a layer': ['Own'],
    'result of a metric': ['metric own'],
    'metrics of compile': ['compile', 'CustomMetric', 'metric'],
    'result of a loss': ['fit', 'loss'],
  };
  if (name.endsWith(' in a model')) return [...names(first!.replace(' in a model', '')), 'build'];
  return [name, first!, second ?? first!, ...(others[name] ?? []), 'device'];
}

const isNamed = (name: string, message: string) =>
  names(name).some((one) => message.toLowerCase().includes(one.toLowerCase()));

/** A failure without the parts that differ between calls. */
const kindOf = (name: string, error: unknown) => {
  const text = error instanceof Error ? `${error.constructor.name}: ${error.message}` : `thrown: ${typeof error}`;
  const short = text.replace(/(but is|but was given|Received|given) .*/s, '$1 ...').replace(/\d[\d.e+]*/g, 'N');
  return short.slice(0, 110) + (error instanceof TilegradError ? ` (does not name ${name})` : '');
};

/** The problem with the result or error of a call; null if there is none. */
async function complaint(name: string, run: () => unknown): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => {
    timer = setTimeout(() => resolve(new Error(`takes more than ${MAX_MS} ms`)), MAX_MS);
  });
  try {
    const ended = (async () => {
      const result = await run();
      if (result instanceof tg.Tensor || result instanceof tg.Model) result.dispose();
      return null;
    })();
    return await Promise.race([ended, late]);
  } catch (error) {
    if (error instanceof CallerError) return null;
    if (!(error instanceof TilegradError)) return error;
    return isNamed(name, error.message) ? null : error;
  } finally {
    clearTimeout(timer);
  }
}

describeOnDevice('random calls', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tilegrad-random-'));
  const before = process.cwd();
  let world: World;
  let strangers: ForeignObjects;
  const open: Device[] = [];
  const failures = new Map<string, { count: number; example: string }>();

  beforeAll(async () => {
    process.chdir(folder);
    vi.stubEnv('TILEGRAD_DATA', '');
    vi.stubEnv('TILEGRAD_CACHE', folder);
    vi.stubGlobal('fetch', async () => new Response('not here', { status: 404 }));
    vi.spyOn(console, 'log').mockImplementation(() => {});
    world = { device: await openDevice(), folder };
    const [other, lost, disposedDevice] = [await openDevice(), await openDevice(), await openDevice()];
    const on = (device: Device) => tensor(device, [1, 2], [2], { requiresGrad: true });
    const disposed = on(other);
    const tensors = [on(other), on(lost), on(disposedDevice), disposed];
    disposed.dispose();
    lost.gpu.destroy();
    await lost.sync().catch(() => {});
    disposedDevice.dispose();
    strangers = { tensors, devices: [other, lost, disposedDevice] };
    open.push(other, lost);
  });
  afterAll(() => {
    process.chdir(before);
    for (const device of [...open, world.device]) device.dispose();
    vi.restoreAllMocks();
    vi.unstubAllGlobals();
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Opens another device if a call broke this one, so that later calls are not affected. */
  async function settle(name: string, note: (error: unknown) => void): Promise<void> {
    try {
      using probe = tensor(world.device, [1], [1]);
      if ((await probe.item()) !== 1) throw new Error('a tensor of 1 is not 1');
    } catch (error) {
      note(new Error(`upset the device: ${error instanceof Error ? error.message : error}`));
      world.device.dispose();
      world = { device: await openDevice(), folder };
      expect(name).toBeTruthy();
    }
  }

  const summary = mode === 'summary';
  const only = mode && !summary ? mode.split(',') : null;
  const chosen = Object.entries(calls).filter(([name]) => !only || only.includes(name));

  test.each(chosen)('%s: works or throws a typed error that names it', async (name, call) => {
    const exported = (tg as Record<string, unknown>)[name] ?? lookUp(name);
    const run = (call.run ??
      (isClass(exported)
        ? (...args: never[]) => new (exported as new (...args: never[]) => unknown)(...args)
        : exported)) as (...args: unknown[]) => unknown;
    const draw = generator(1 + (hash(name) ^ (Number(seed) * 7919)));
    const count = Math.max(3, Math.round(CALLS * (call.share ?? 1)));
    const found: string[] = [];
    for (let i = 0; i < count; i++) {
      const args = drawArguments(draw, call, world, strangers);
      const note = (error: unknown) => {
        const stack = error instanceof Error ? (error.stack ?? '').split('\n').slice(1, 7).join('\n') : '';
        const kind = `${kindOf(name, error)} ${/src\/[\w/.-]+/.exec(stack)?.[0] ?? ''}`;
        const example = `${name}(${args
          .slice(call.fixed ?? 0)
          .map(formatValue)
          .join(', ')})\n${stack}`;
        const known = failures.get(kind);
        failures.set(kind, { count: (known?.count ?? 0) + 1, example: known?.example ?? example });
        found.push(`${kind}\n  ${example}`);
      };
      const error = await complaint(name, () => run(...args));
      if (error) note(error);
      if (i % 5 === 4 || i === count - 1) await settle(name, note);
    }
    if (!summary) expect(found, found.join('\n')).toEqual([]);
  });

  test('every kind of failure occurs', () => {
    const kinds = [...failures].sort(([, a], [, b]) => b.count - a.count);
    const text = kinds.map(([kind, { count, example }]) => `${count} x ${kind}\n      ${example}`).join('\n');
    if (summary && kinds.length > 0) process.stderr.write(`${text}\n${kinds.length} kinds\n`);
    expect(kinds.length, text).toBe(0);
  });
});

const isClass = (value: unknown) => typeof value === 'function' && String(value).startsWith('class');
const hash = (text: string) => [...text].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 1e9, 7);

/** `schedules.warmUp` */
function lookUp(name: string): unknown {
  const [space, member] = name.split('.');
  if (space === 'report') return (report as Record<string, unknown>)[member!];
  return (tg as unknown as Record<string, Record<string, unknown>>)[space!]?.[member!];
}

function formatValue(value: unknown): string {
  try {
    if (typeof value === 'function') return 'function';
    if (value instanceof tg.Tensor) return 'Tensor';
    if (value instanceof tg.Device) return 'Device';
    if (value instanceof Map || value instanceof Date || value instanceof RegExp) return value.constructor.name;
    return (JSON.stringify(value, (_, one) => (typeof one === 'bigint' ? `${one}n` : one)) ?? String(value)).slice(
      0,
      90,
    );
  } catch {
    return `a ${typeof value} that cannot be shown`;
  }
}

test('every export is called', () => {
  const { initializers, regularizers, schedules } = tg;
  const spaces = { initializers, regularizers, schedules };
  expect(Object.keys(everywhere).filter((name) => !(name in tg))).toEqual([]);
  const missing: string[] = [];
  for (const [name, value] of Object.entries(tg)) {
    const isError = typeof value === 'function' && (value === TilegradError || value.prototype instanceof Error);
    if (!isError && !(name in calls) && !(name in apart)) missing.push(name);
    if (typeof value === 'function' && isClass(value) && !isError) missing.push(...missingMethods(name, value));
  }
  missing.push(
    ...Object.keys(report)
      .map((name) => `report.${name}`)
      .filter((name) => !(name in calls)),
  );
  for (const space of ['initializers', 'regularizers', 'schedules'] as const) {
    missing.push(
      ...Object.keys(spaces[space])
        .map((name) => `${space}.${name}`)
        .filter((name) => !(name in calls || name in apart)),
    );
  }
  expect(missing).toEqual([]);
});

/** Public methods of a class that nothing calls. */
function missingMethods(name: string, { prototype }: { prototype: object }): string[] {
  return Object.entries(Object.getOwnPropertyDescriptors(prototype)).flatMap(([method, { value }]) => {
    const full = `${name}.${method}`;
    if (typeof value !== 'function' || method === 'constructor' || hidden.has(method) || full in calls) return [];
    return Object.values(methodsApart).some((pattern) => pattern.test(full)) ? [] : [full];
  });
}

/** Names of what is private or protected in any class. */
const hidden = new Set(
  readdirSync(fileURLToPath(new URL('../../src', import.meta.url)), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => readFileSync(fileURLToPath(new URL(`../../src/${path}`, import.meta.url)), 'utf8'))
    .flatMap((text) =>
      [...text.matchAll(/(?:private|protected) (?:override |async |abstract )*\*?(\w+)\(/g)].map(([, name]) => name!),
    ),
);
