import { describe, expect, test } from 'vitest';
import {
  type Answer,
  canUseLanes,
  hasUnknown,
  lanesQuestions,
  numbersQuestion,
  readLanes,
  readNumbers,
  unknownProbe,
} from '../../src/gpu/probe.ts';
import { mul, tensor } from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';

const bitsOf = (value: number) => new Uint32Array(new Float32Array([value]).buffer)[0]!;
const floatOf = (bits: number) => new Float32Array(new Uint32Array([bits]).buffer)[0]!;

/** Arithmetic of a simulated adapter. */
interface Arithmetic {
  divide(a: number, b: number): number;
  relu(bits: number): number;
  isAbove(v: number): boolean;
  multiply(a: number, b: number): number;
}
const MODEL: Arithmetic = {
  divide: (a, b) => Math.floor(a / b),
  relu: (bits) => (floatOf(bits) <= 0 ? 0 : bits),
  isAbove: (v) => v > 0,
  multiply: (a, b) => Math.fround(a * b),
};

/** Output of probe_numbers.wgsl on such an adapter. */
function numbersOn(change: Partial<Arithmetic>): Uint32Array {
  const { divide, relu, isAbove, multiply } = { ...MODEL, ...change };
  const pairs = numbersQuestion.input!;
  const answer = new Uint32Array(numbersQuestion.words);
  for (let i = 0; i < pairs.length / 2; i++) {
    const [a, b] = [pairs[2 * i]!, pairs[2 * i + 1]!];
    const v = floatOf(a);
    const kept = isAbove(v) || Number.isNaN(v) ? v : 0;
    const comparisons = [Number.isNaN(v), isAbove(v), v <= 0, Number.isNaN(kept)];
    const flags = comparisons.reduce((sum, is, k) => sum + (is ? 2 ** k : 0), 0);
    const thirds = [divide(a, 3), a - 3 * divide(a, 3)];
    const divided = [divide(a, b), a - b * divide(a, b), ...thirds];
    answer.set([...divided, relu(a), relu(a), flags, bitsOf(multiply(v, floatOf(b)))], 8 * i);
  }
  return answer;
}

describe('numbers', () => {
  test('readNumbers: an adapter that follows IEEE 754 is ok', () => {
    expect(readNumbers(numbersOn({}))).toEqual({
      ...{ nanInRelu: 'ok', nanAgainstZero: 'ok', nanAgainstItself: 'ok' },
      ...{ division: 'ok', denormals: 'kept', notes: [] },
    });
  });

  test('readNumbers: reports a ReLU written as "above 0, else 0" that loses NaN', () => {
    const relu = (bits: number) => (floatOf(bits) > 0 ? bits : 0);
    expect(readNumbers(numbersOn({ relu }))).toMatchObject({ nanInRelu: 'wrong', nanAgainstZero: 'ok' });
  });

  test('readNumbers: checks the vector form of the ReLU too', () => {
    const answer = numbersOn({});
    for (let i = 5; i < answer.length; i += 8) if (Number.isNaN(floatOf(answer[i]!))) answer[i] = 0;
    expect(readNumbers(answer)).toMatchObject({ nanInRelu: 'wrong' });
  });

  test('readNumbers: a comparison that treats NaN as a number is the only wrong finding', () => {
    expect(readNumbers(numbersOn({ isAbove: (v) => !(v <= 0) }))).toMatchObject({
      ...{ nanInRelu: 'ok', nanAgainstZero: 'wrong', nanAgainstItself: 'ok', division: 'ok', denormals: 'kept' },
    });
  });

  test('readNumbers: NaN equal to itself is a separate finding', () => {
    const answer = numbersOn({}).map((word, i) => (i % 8 === 6 ? word & ~1 : word));
    expect(readNumbers(answer)).toMatchObject({ nanInRelu: 'ok', nanAgainstZero: 'ok', nanAgainstItself: 'wrong' });
  });

  test('readNumbers: reports a quotient near 2^32 that is too large by one, also in the notes', () => {
    const divide = (a: number, b: number) => Math.floor(a / b) + (b === 3 && a >= 4294967294 ? 1 : 0);
    expect(readNumbers(numbersOn({ divide }))).toMatchObject({
      ...{ division: 'wrong', nanInRelu: 'ok' },
      notes: ['4294967294 divided by 3 is 1431655765, remainder 4294967295, on this adapter'],
    });
  });

  test('readNumbers: checks divisions by a constant too', () => {
    const answer = numbersOn({});
    answer[3]!++;
    expect(readNumbers(answer)).toMatchObject({ division: 'wrong' });
  });

  test.each([
    ['results', (a: number, b: number) => (Math.abs(a * b) < 2 ** -126 ? 0 : a * b)],
    ['operands', (a: number, b: number) => (Math.min(Math.abs(a), Math.abs(b)) < 2 ** -126 ? 0 : a * b)],
  ])('readNumbers: denormals are flushed if a denormal %s is 0', (_what, multiply) => {
    expect(readNumbers(numbersOn({ multiply }))).toMatchObject({ denormals: 'flushed', division: 'ok', notes: [] });
  });
});

/** Output of probe_lanes.wgsl in a workgroup of `size`, for the given subgroup and lane of each invocation. */
function lanesOn(size: number, place: (local: number) => readonly [subgroup: number, lane: number]): Uint32Array {
  const places = Array.from({ length: size }, (_, local) => place(local));
  const from = (local: number, distance: number) => {
    const [subgroup, lane] = places[local]!;
    const source = places.findIndex(([other, its]) => other === subgroup && its === (lane ^ distance));
    return source < 0 ? local : source;
  };
  return Uint32Array.from(places, ([, lane], local) =>
    [1, 2, 4].reduce((word, distance, k) => word + from(local, distance) * 2 ** (8 * k), lane * 2 ** 24),
  );
}
const linear = (width: number) => (local: number) => [Math.floor(local / width), local % width] as const;
const answersOn = (widest: number, place: (local: number) => readonly [number, number]): Answer[] =>
  lanesQuestions(widest).map(({ words }) => lanesOn(words, place));

describe('lanes', () => {
  test('lanesQuestions: cover workgroups of 32, of 64 and of the widest subgroup', () => {
    const sizes = (widest: number) => lanesQuestions(widest).map(({ words, constants }) => [words, constants!.SIZE]);
    expect(sizes(8)).toEqual([32, 64, 8].map((size) => [size, size]));
    expect(sizes(64)).toEqual([32, 64].map((size) => [size, size]));
    expect(sizes(128)).toEqual([32, 64, 128].map((size) => [size, size]));
  });

  test.each([8, 16, 32, 64, 128])(
    'readLanes: subgroups of %i lanes in the order of the invocations are ok',
    (width) => {
      expect(readLanes(answersOn(width, linear(width)))).toEqual({ lanes: 'ok', shuffles: 'ok', notes: [] });
    },
  );

  test.each<[string, (local: number) => readonly [number, number]]>([
    ['taken alternately from two subgroups', (local) => [local % 2, Math.floor(local / 2) % 32]],
    ['down the columns of a workgroup of 8 x n', (local) => [0, (local % 8) * 4 + Math.floor(local / 8)]],
    ['from the last invocation to the first', (local) => [Math.floor(local / 32), 31 - (local % 32)]],
    ['shifted by one', (local) => [Math.floor(local / 32), (local + 1) % 32]],
  ])('readLanes: lanes %s are wrong, also in the notes', (_order, place) => {
    const found = readLanes(answersOn(32, place));
    expect(found).toMatchObject({
      lanes: 'wrong',
      notes: [expect.stringMatching(/^invocation \d+ of a workgroup of 32/)],
    });
    expect(canUseLanes({ ...unknownProbe(''), ...found })).toBe(false);
  });

  test('readLanes: lanes that are wrong at one workgroup size are wrong', () => {
    const answers = answersOn(32, linear(32));
    answers[1] = lanesOn(64, (local) => [local % 2, Math.floor(local / 2)]);
    expect(readLanes(answers)).toMatchObject({ lanes: 'wrong', notes: [expect.stringContaining('a workgroup of 64')] });
  });

  test('readLanes: shuffles that return each lane its own value are wrong', () => {
    const answers = answersOn(32, linear(32)).map((words) =>
      (words as Uint32Array).map((word, local) => ((word >>> 24) << 24) | (local * 0x010101)),
    );
    const found = readLanes(answers);
    expect(found).toMatchObject({ lanes: 'ok', shuffles: 'wrong', notes: [expect.stringContaining('shuffles')] });
    expect(canUseLanes({ ...unknownProbe(''), ...found })).toBe(false);
  });

  test('readLanes: a check that did not run is unknown, and subgroups are not used', () => {
    const answers = answersOn(32, linear(32));
    answers[0] = new Error('too many registers');
    const found = readLanes(answers);
    expect(found).toMatchObject({ lanes: 'unknown', notes: [expect.stringContaining('too many registers')] });
    expect(canUseLanes({ ...unknownProbe(''), ...found })).toBe(false);
  });
});

test('without a probe: all findings are unknown, and the reason is given once', () => {
  const probe = unknownProbe('it was lost');
  expect(hasUnknown(probe)).toBe(true);
  expect(probe).toEqual({
    ...{ lanes: 'unknown', shuffles: 'unknown', nanInRelu: 'unknown' },
    ...{ nanAgainstZero: 'unknown', nanAgainstItself: 'unknown' },
    ...{ division: 'unknown', denormals: 'unknown', notes: ['it was lost'] },
  });
});

describeOnDevice('the adapter of the tests', (device) => {
  test('computes as kernels require', () => {
    const { lanes, shuffles, nanAgainstItself, denormals, ...rest } = device.probe;
    expect(rest).toEqual({ nanInRelu: 'ok', nanAgainstZero: 'ok', division: 'ok', notes: [] });
    expect(['ok', 'wrong']).toContain(nanAgainstItself); // lavapipe's is wrong
    const subgroups = device.subgroupLanes === null ? 'unused' : 'ok';
    expect([lanes, shuffles]).toEqual([subgroups, subgroups]);
    expect(['kept', 'flushed']).toContain(denormals);
  });

  test('its probe is not counted in the counters', () => {
    expect(Object.values(device.counters).every((count) => count === 0)).toBe(true);
  });

  test('its denormals are kept or flushed as the probe found', async () => {
    const x = tensor(device, [2 ** -126], [1]);
    const [product] = await mul(x, 0.5).data();
    expect(product).toBe(device.probe.denormals === 'kept' ? 2 ** -127 : 0);
  });
});
