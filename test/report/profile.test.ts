import { expect, test } from 'vitest';
import { ArgumentError } from '../../src/base/errors.ts';
import { profileTable } from '../../src/report/profile.ts';
import { chromeTrace, type ProfileFigures } from '../../src/report/trace.ts';
import { byKernel } from '../../src/tuner/profile.ts';

const ceilings = { fmaGflops: 100, copyGBs: 10 };
const dispatches = [
  { kernel: 'matmul', shapes: '[8,4] [4,2] [8,2]', workgroups: [1, 1, 1] as const, ms: 2, flops: 4e6, bytes: 1e6 },
  { kernel: 'fill', shapes: '[8,2]', workgroups: [2, 1, 1] as const, ms: 1, flops: 0, bytes: 1e6 },
  { kernel: 'matmul', shapes: '[8,4] [4,2] [8,2]', workgroups: [1, 1, 1] as const, ms: 5, flops: 4e6, bytes: 1e6 },
].map((dispatch) => ({
  ...dispatch,
  workgroups: [...dispatch.workgroups] as [number, number, number],
  ...{ layer: null, backward: false, choices: [] },
}));
const step = { ms: 9, dispatches: 3, submits: 1, createdObjects: 0, bytesUploaded: 16, bytesMoved: 3e6, flops: 8e6 };
const profile: ProfileFigures = {
  adapter: { name: 'llvmpipe', driver: 'Mesa', isSoftware: true },
  clock: 'serialised',
  clockReason: 'the adapter has no timestamps',
  ceilings,
  step: { ...step, peakBytes: 2.5e6 },
  dispatches,
  kernels: byKernel(dispatches, ceilings),
};

const near = (value: number) => expect.closeTo(value, 12);

test('calls of one kernel on the same shapes are one row, with the rates of all together', () => {
  expect(profile.kernels).toEqual([
    {
      ...{ kernel: 'matmul', shapes: '[8,4] [4,2] [8,2]', calls: 2, ms: 7, share: 7 / 8, flops: 4e6, bytes: 1e6 },
      ...{ gflops: near(8 / 7), gbs: near(2 / 7), ofFma: near(8 / 700), ofCopy: near(2 / 70) },
    },
    {
      ...{ kernel: 'fill', shapes: '[8,2]', calls: 1, ms: 1, share: 1 / 8, flops: 0, bytes: 1e6 },
      ...{ gflops: 0, gbs: 1, ofFma: 0, ofCopy: 0.1 },
    },
  ]);
});

test('the table has a row for each kernel, a dash if FLOP are meaningless, and the step below', () => {
  const text = profileTable(profile);
  expect(text).toMatch(
    /matmul │ \[8,4\] -> \[8,2\] │ +2 │ +7\.00 │ +87\.5% │ 4\.00 M │ 1\.00 M │ +1\.14 │ 0\.29 │ +1\.1% │ +2\.9%/,
  );
  expect(text).toMatch(/fill +│ \[8,2\] +│ +1 │ +1\.00 │ +12\.5% │ +- │ 1\.00 M │ +- │ 1\.00 │ +- │ +10\.0%/);
  expect(text).toContain('each dispatch alone, submitted and waited for (the adapter has no timestamps)');
  expect(text).toContain('A step: 9.00 ms (kernels 8.00 ms), 3 dispatches, 1 submit, 0 objects created, 16 B uploaded');
  expect(text).toContain('2.50 MB of intermediate results');
  expect(text).toContain('llvmpipe (CPU)');
});

test('the trace has every dispatch on one track, one after another, in microseconds', () => {
  const { traceEvents } = JSON.parse(JSON.stringify(chromeTrace(profile))) as ReturnType<typeof chromeTrace>;
  const names = traceEvents.filter(({ ph }) => ph === 'M');
  expect(names.map(({ name, args }) => [name, args.name])).toEqual([
    ['process_name', 'GPU: llvmpipe (CPU), Mesa'],
    ['thread_name', 'dispatches of a step (serialised)'],
  ]);
  const spans = traceEvents.filter(({ ph }) => ph === 'X');
  expect(spans.map(({ name, ts, dur }) => [name, ts, dur])).toEqual([
    ['matmul', 0, 2000],
    ['fill', 2000, 1000],
    ['matmul', 3000, 5000],
  ]);
  expect(spans[0]!.args).toEqual({
    shapes: '[8,4] [4,2] [8,2]',
    workgroups: '1 x 1 x 1',
    flops: 4e6,
    bytes: 1e6,
    gflops: 2,
    gbs: 0.5,
  });
  expect(new Set(traceEvents.map(({ pid, tid }) => `${pid} ${tid}`)).size).toBe(1);
});

test.each<[what: string, profile: unknown]>([
  ['nothing', undefined],
  ['a driver that is not text', { ...profile, adapter: { ...profile.adapter, driver: Object.create(null) } }],
  ['no clock', { ...profile, clock: undefined }],
  ['dispatches with holes', { ...profile, dispatches: new Array(2) }],
  ['a time that is not a number', { ...profile, dispatches: [{ ...dispatches[0]!, ms: 1n }] }],
  ['workgroups that are not numbers', { ...profile, dispatches: [{ ...dispatches[0]!, workgroups: [{}] }] }],
  ['a kernel without a name', { ...profile, dispatches: [{ ...dispatches[0]!, kernel: Symbol('a') }] }],
  [
    'a field that cannot be read',
    Object.defineProperty({ ...profile }, 'clock', {
      get() {
        throw new Error('a getter that throws');
      },
    }),
  ],
])('trace: throws for %s', (_what, given) => {
  const trace = () => chromeTrace(given as ProfileFigures);
  expect(trace).toThrow(ArgumentError);
  expect(trace).toThrow(/^chromeTrace: /);
});
