import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import {
  Adam,
  AdamW,
  ArgumentError,
  ArrayLoader,
  Dense,
  DisposedError,
  mul,
  openDevice,
  RMSprop,
  relu,
  reshape,
  Sequential,
  SGD,
  scope,
  sum,
  type Tensor,
  type Tracking,
  tensor,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { bundleBeforeTests, runToEnd } from '../support/process.ts';

/** Position of the line above the caller's, `path:line`, as the runtime reports it. */
function lineAbove(): string {
  const [, file, line] = /((?:file:\/\/)?\/[^()]*):(\d+):\d+\)?$/.exec(new Error().stack!.split('\n')[2]!)!;
  return `${file!.replace('file://', '')}:${Number(line) - 1}`;
}
const linesOf = (tracking: Tracking) => tracking.lines().map(({ at }) => at.replace(/:\d+$/, ''));

describeOnDevice('device.track', (device) => {
  let tracking: Tracking;
  const track = () => {
    tracking = device.track();
    return tracking;
  };
  afterEach(() => tracking?.stop());

  test('report: has unreleased tensors, their bytes, and the line that created each', () => {
    const before = tensor(device, [1], [1]);
    track();
    const kept: Tensor[] = [];
    const lines: string[] = [];
    for (let i = 0; i < 3; i++) {
      kept.push(tensor(device, [1, 2, 3, 4], [2, 2]));
      lines[0] = lineAbove();
      kept.push(relu(kept.at(-1)!));
      lines[1] = lineAbove();
      relu(kept[0]!).dispose();
    }
    kept.push(tensor(device, new Uint32Array(100), [100], { dtype: 'u32' }));
    lines[2] = lineAbove();
    before.dispose();
    expect(tracking.lines().map(({ count, bytes, what }) => ({ count, bytes, what }))).toEqual([
      { count: 1, bytes: 400, what: ['u32 [100]'] },
      { count: 3, bytes: 48, what: ['f32 [2,2] x 3'] },
      { count: 3, bytes: 48, what: ['f32 [2,2] x 3'] },
    ]);
    expect(linesOf(tracking)).toEqual([lines[2], lines[0], lines[1]]);
    const report = tracking.report();
    expect(report).toMatch(/^Tracking: 7 tensors \(496 B\) created since then and not released, by line:\n/);
    expect(report).toMatch(/track\.test\.ts:\d+:\d+ {2}3 tensors, 48 B: f32 \[2,2\] x 3/);
    for (const x of kept) x.dispose();
    expect(tracking.lines()).toEqual([]);
    expect(tracking.report()).toBe('Tracking: all tensors created since then are released.');
  });

  test('lines: count memory that tensors share once', () => {
    track();
    const x = tensor(device, [1, 2, 3, 4], [4]);
    const y = reshape(x, [2, 2]);
    expect(tracking.lines().reduce((total, { bytes }) => total + bytes, 0)).toBe(16);
    x.dispose();
    expect(tracking.lines()).toMatchObject([{ count: 1, bytes: 16, what: ['f32 [2,2]'] }]);
    y.dispose();
    expect(tracking.lines()).toEqual([]);
  });

  test('lines: scopes and backward passes do not release gradients of leaves', () => {
    track();
    const x = tensor(device, [1, -2], [2], { requiresGrad: true });
    scope(device, () => sum(mul(relu(x), x)).backward());
    expect(tracking.lines().map(({ what }) => what)).toEqual([['f32 [2]'], ['f32 [2]']]);
    x.dispose();
    expect(tracking.lines()).toEqual([]);
  });

  test('lines: models, optimizers, data and recorded steps have names, and disappear when they are disposed', async () => {
    track();
    const model = new Sequential([new Dense({ units: 1, inputShape: [2] })]).build(device);
    const built = lineAbove();
    const data = new ArrayLoader(device, { x: [1, 2, 3, 4], y: [1, 2], shape: [2], targetShape: [1] });
    model.compile({ optimizer: new Adam(), loss: 'meanSquaredError' });
    await model.fit(data, { epochs: 2 });
    expect(linesOf(tracking)).toContain(built);
    const report = tracking.report();
    for (const name of [
      'weights dense/kernel, dense/bias',
      'gradients of dense/kernel',
      'state of adam x 2',
      'samples of a loader',
    ]) {
      expect(report).toContain(name);
    }
    expect(report).not.toContain('a recorded step'); // that of fit is gone
    await model.predict(data);
    expect(tracking.report()).toMatch(/a recorded step/); // kept for the next predict
    device.trim();
    expect(tracking.report()).not.toMatch(/a recorded step/);
    data.dispose();
    model.dispose();
    expect(tracking.lines()).toEqual([]);
    const x = tensor(device, [1], [1]);
    const program = device.record(() => void relu(x));
    expect(tracking.lines()[0]).toMatchObject({ what: ['a recorded step'], bytes: program.bytes });
    program.dispose();
    x.dispose();
    expect(tracking.lines()).toEqual([]);
  });

  test('lines: the state of each optimizer of a custom loop has its name', () => {
    track();
    const w = tensor(device, [1], [1], { requiresGrad: true });
    for (const [Optimizer, name] of [
      [SGD, 'sgd'],
      [Adam, 'adam'],
      [AdamW, 'adamw'],
      [RMSprop, 'rmsprop'],
    ] as const) {
      const options = Optimizer === SGD ? { momentum: 0.9 } : {};
      const optimizer = new Optimizer({ ...options, parameters: [w] });
      expect(tracking.report()).toMatch(new RegExp(`state of ${name}\\b`));
      optimizer.dispose();
    }
    w.dispose();
    expect(tracking.lines()).toEqual([]);
  });

  test('stop: ends a tracking; several trackings are independent', () => {
    const first = track();
    const x = tensor(device, [1], [1]);
    using second = device.track();
    const y = tensor(device, [1], [1]);
    first.stop();
    expect(device.trackings).toEqual([second]);
    const z = tensor(device, [1], [1]);
    expect([first.lines(), second.lines()].map((lines) => lines.reduce((n, { count }) => n + count, 0))).toEqual([
      2, 2,
    ]);
    for (const one of [x, y, z]) one.dispose();
    second.stop();
    second.stop();
    expect(device.trackings).toBeNull();
  });

  test("track: captures stacks deeper than the program's limit, which it does not change", () => {
    track();
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 1;
    const x = tensor(device, [1], [1]);
    const after = Error.stackTraceLimit;
    Error.stackTraceLimit = limit;
    expect(after).toBe(1);
    expect(linesOf(tracking)[0]).toContain('track.test.ts');
    x.dispose();
  });

  test('report: control characters in file names are escaped', () => {
    track();
    tracking.addTensor({ shape: [1], dtype: '\u001b[31mf32', replicas: 2 }, tensor(device, [1], [1]).array.storage);
    expect(tracking.report()).toContain('\\x1b[31mf32 [1] x 2 replicas');
  });

  test('track: onDispose receives the report when the device is disposed', async () => {
    const other = await openDevice();
    const reports: string[] = [];
    other.track({ onDispose: (report) => reports.push(report) });
    other.track({ onDispose: (report) => reports.push(report) }).stop();
    tensor(other, [1, 2], [2]);
    other.dispose();
    other.dispose();
    expect(reports).toEqual([expect.stringMatching(/1 tensor \(8 B\)/)]);
    expect(() => other.track()).toThrow(DisposedError);
  });

  test('track: throws ArgumentError for invalid options', () => {
    expect(() => device.track({ onDispose: 3 as never })).toThrow(ArgumentError);
    expect(() => device.track({ print: true } as never)).toThrow(/track: there is no option print/);
  });
});

describeOnDevice('device.track, from dist', () => {
  const library = bundleBeforeTests('src/node.ts');

  // A separate program, for Node: Deno does not find packages from the folder of the bundle.
  const testInNode = test.skipIf(process.versions.deno !== undefined);

  testInNode('names the line of the program without source maps, and TILEGRAD_TRACK=1 prints the report', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tilegrad-track-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const program = join(folder, 'leaky program.mjs');
    const lines = [
      `import { openDevice, relu, tensor } from ${JSON.stringify(pathToFileURL(library).href)};`,
      'const device = await openDevice();',
      'const x = tensor(device, [1, 2], [2]);',
      'function step() {',
      '  return relu(x);',
      '}',
      'for (let i = 0; i < 5; i++) step();',
      'device.dispose();',
    ];
    writeFileSync(program, lines.join('\n'));
    const { code, out, err } = await runToEnd([program], { env: { TILEGRAD_TRACK: '1' } });
    expect(err).toContain('Tracking: 6 tensors (48 B) created since then and not released, by line:');
    expect(err).toContain(`${program}:5:10  5 tensors, 40 B: f32 [2] x 5`);
    expect(err).toContain(`${program}:3:11  1 tensor, 8 B: f32 [2]`);
    expect({ code, out }).toEqual({ code: 0, out: '' });
    const quiet = await runToEnd([program]);
    expect(quiet.err).not.toContain('Tracking');
  });
});
