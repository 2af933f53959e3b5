import { expect, test } from 'vitest';
import { writtenBindings } from '../../src/gpu/pipelines.ts';
import { distrustReason, durations, median, type TimedRun } from '../../src/gpu/timing.ts';

/** A run whose dispatches take these microseconds, one after another with a gap of 1. */
function run(microseconds: number[], wallMs: number, tick = 1): TimedRun {
  let time = 5_000_000;
  const times: bigint[] = [];
  for (const us of microseconds) {
    times.push(BigInt(time));
    time += 1000 * us;
    times.push(BigInt(time));
    time += 1000;
  }
  return { times: times.map((time) => (time / BigInt(tick)) * BigInt(tick)), wallMs };
}

test('distrustReason: null for timestamps that agree with the wall time', () => {
  expect(distrustReason([run([400, 20, 900], 1.5), run([410, 21, 880], 1.4)])).toBeNull();
});

test.each<[string, TimedRun[], RegExp]>([
  ['that run backwards', [{ ...run([400, 20], 1), times: [4n, 9n, 7n, 8n] }], /backwards/],
  ['with an end before its begin', [{ times: [4n, 9n, 11n, 10n], wallMs: 1 }], /backwards/],
  ['that do not change', [{ times: [7n, 7n, 7n, 7n], wallMs: 1 }], /do not change/],
  ['that add up to more than the elapsed time', [run([4000, 2000], 3)], /add up to 6\.0 ms of 3\.0 ms/],
  ['that add up to far too little', [run([4, 2], 3)], /only 0\.0 ms of 3\.0 ms/],
  ['of a clock that is too coarse', [run([400, 20, 900], 1.5, 65536)], /resolution of 131 us is too coarse/],
])('distrustReason: gives a reason for timestamps %s', (_what, runs, says) => {
  expect(distrustReason(runs)).toMatch(says);
});

// A GPU may record a begin before it waits for earlier work: here the second begin is within the first dispatch, or before it.
test.each([5_100_000n, 4_900_000n])(
  'durations: a dispatch that starts early is counted from the end of the one before: %s',
  (early) => {
    const times = [5_000_000n, 5_400_000n, early, 5_420_001n, 5_421_000n, 6_321_000n];
    expect(distrustReason([{ times, wallMs: 1.5 }])).toBeNull();
    expect(durations(times)).toEqual([0.4, 0.020001, 0.9]);
  },
);

test('distrustReason: gives a reason if one of several runs is bad', () => {
  expect(distrustReason([run([400], 1), run([400], 0.1)])).toMatch(/add up/);
});

test('median: is the mean of the two middle values if their number is even', () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([9, 1, 5, 2])).toBe(3.5);
});

test('writtenBindings: finds storage arrays that a shader declares as read_write', () => {
  const written = writtenBindings(`
    // @binding(1) var<storage, read_write> in a comment counts for nothing
    @group(0) @binding(0) var<uniform> params: Params;
    @group(0) @binding(1) var<storage, read> x: array<f32>;
    @group(0) @binding(2) var<storage> labels: array<u32>;
    @group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
    @group(0) @binding(14)
    var<storage,read_write> z: array<f32>;`);
  expect([...written]).toEqual([3, 14]);
});
