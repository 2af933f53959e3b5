import { expect, test } from 'vitest';
import { StepState } from '../../../src/kernels/optimizers/step-state.ts';
import { type AugmentDraw, drawImages, type Spans } from '../../../src/kernels/random/augmentation.ts';
import { Tensor } from '../../../src/node.ts';
import { type ImageDraw, randomWords, rectangleOf } from '../../reference/augmentation.ts';
import { describeOnDevice } from '../../support/device.ts';

// What random layers of images draw is made of integers, so that every adapter draws the same bits: here they are computed with integers of
// any length.

const ONE = 2n ** 29n;
const integerFrom = (word: number, { low, span }: { low: number; span: number }): bigint =>
  BigInt(low) + ((BigInt(word) * BigInt(span)) >> 32n);

/** cos and sin of turn / 2^32 turns in 2^-29 by CORDIC, which goes there in steps of atan(2^-i). */
function cosSin(turn: bigint): [bigint, bigint] {
  const quarter = BigInt.asUintN(32, turn) >> 30n;
  let rest = BigInt.asUintN(30, turn);
  let [x, y] = [2n * ONE, 0n];
  if (rest !== 0n) {
    x = 652032874n;
    for (let i = 0; i < 28; i++) {
      const angle = BigInt(Math.round((Math.atan(2 ** -i) / (2 * Math.PI)) * 2 ** 32));
      const sign = rest >= 0n ? 1n : -1n;
      [x, y] = [x - sign * (y >> BigInt(i)), y + sign * (x >> BigInt(i))];
      rest -= sign * angle;
    }
  }
  let point: [bigint, bigint] = [(x + 1n) >> 1n, (y + 1n) >> 1n];
  for (let i = 0n; i < quarter; i++) point = [-point[1], point[0]];
  return point;
}

function mapOf({ kind, y, x = { low: 0, span: 0 }, linked, height, width }: Spans, words: number[]): bigint[] {
  const [row, column] = [integerFrom(words[0]!, y), integerFrom(words[linked ? 0 : 1]!, x)];
  const [cx, cy] = [BigInt(width - 1) << 15n, BigInt(height - 1) << 15n];
  if (kind === 'flip') return [column ? -ONE : ONE, 0n, cx, 0n, 0n, row ? -ONE : ONE, cy, 0n];
  if (kind === 'shift') return [ONE, 0n, cx - column, 0n, 0n, ONE, cy - row, 0n];
  if (kind === 'crop') return [ONE, 0n, cx + (column << 16n), 0n, 0n, ONE, cy + (row << 16n), 0n];
  if (kind === 'zoom') return [column, 0n, cx, 0n, 0n, row, cy, 0n];
  if (kind === 'contrast') return [row];
  const [cos, sin] = cosSin(row << 2n);
  return [cos, -sin, cx, 0n, sin, cos, cy, 0n];
}

/** Every kind, at its limits and within. */
const cases: [string, Spans][] = [
  ['flip', { kind: 'flip', y: { low: 0, span: 2 }, x: { low: 0, span: 2 }, height: 5, width: 4 }],
  ['flip, horizontal', { kind: 'flip', y: { low: 0, span: 1 }, x: { low: 0, span: 2 }, height: 1, width: 1 }],
  ['shift', { kind: 'shift', y: { low: -65536, span: 131072 }, x: { low: 3, span: 0 }, height: 3, width: 8 }],
  [
    'shift by a side of 8192 in both directions',
    { kind: 'shift', y: { low: -(2 ** 29), span: 2 ** 30 }, x: { low: -(2 ** 29), span: 2 ** 30 }, height: 8192, width: 8192 },
  ],
  ['crop', { kind: 'crop', y: { low: 0, span: 4 }, x: { low: 0, span: 8000 }, height: 29, width: 192 }],
  ['rotation by any angle', { kind: 'rotation', y: { low: -(2 ** 30), span: 2 ** 31 }, height: 7, width: 6 }],
  ['rotation by a quarter turn', { kind: 'rotation', y: { low: 2 ** 28, span: 0 }, height: 7, width: 6 }],
  ['rotation by three quarters back', { kind: 'rotation', y: { low: -3 * 2 ** 28, span: 0 }, height: 7, width: 6 }],
  ['zoom', { kind: 'zoom', y: { low: 0, span: 2 ** 30 }, x: { low: 2 ** 29, span: 2 ** 28 }, height: 7, width: 6 }],
  ['zoom, linked', { kind: 'zoom', y: { low: 0, span: 2 ** 30 }, x: { low: 0, span: 2 ** 30 }, linked: true, height: 7, width: 6 }],
  ['contrast', { kind: 'contrast', y: { low: 0, span: 2 ** 23 }, height: 7, width: 6 }],
]; // biome-ignore format: as rows

const BATCH = 70;
const seeds = [11, 2 ** 33 - 1, 11, 2 ** 52];

describeOnDevice('random numbers of image augmentation', (device) => {
  /** What is drawn, [models][BATCH][8]. */
  async function draws(spans: Spans, draw: AugmentDraw, models = 1): Promise<number[][][]> {
    const tensor = new Tensor(drawImages(device, { batch: BATCH, replicas: models }, spans, draw));
    const data = Array.from(await tensor.data());
    tensor.dispose();
    const image = (i: number) => data.slice(8 * i, 8 * i + 8);
    return Array.from({ length: models }, (_, r) => Array.from({ length: BATCH }, (_, n) => image(r * BATCH + n)));
  }

  const draw: AugmentDraw = { seed: seeds, layer: 3, hasOwnSeed: false, step: 17 };
  const of = (r: number, image: number): ImageDraw => ({ seed: seeds[r]!, layer: 3, step: 17, image });

  test.each(cases)("%s: each image has the integers of its replica's seed", async (_, spans) => {
    const actual = await draws(spans, draw, seeds.length);
    for (const [r, images] of actual.entries()) {
      const expected = images.map((_, n) => mapOf(spans, randomWords(of(r, n))).map(Number));
      expect(images.map((words) => words.slice(0, expected[0]!.length))).toEqual(expected);
    }
    expect(actual[2]).toEqual(actual[0]);
  });

  test('cosine and sine are within 2^-24, and exact at quarter turns', async () => {
    const spans: Spans = { kind: 'rotation', y: { low: -(2 ** 30), span: 2 ** 31 }, height: 2, width: 2 };
    let worst = 0;
    for (let step = 0; step < 30; step++) {
      const [images] = await draws(spans, { ...draw, seed: 5, step });
      for (const [n, [a, , , , d]] of images!.entries()) {
        const word = randomWords({ seed: 5, layer: 3, step, image: n })[0]!;
        const angle = (2 * Math.PI * Number(integerFrom(word, spans.y))) / 2 ** 30;
        worst = Math.max(worst, Math.abs(a! / 2 ** 29 - Math.cos(angle)), Math.abs(d! / 2 ** 29 - Math.sin(angle)));
      }
    }
    expect(worst).toBeLessThan(2 ** -24);
    expect(worst).toBeGreaterThan(0);
    for (const [quarter, cos, sin] of [
      [0, 1, 0],
      [1, 0, 1],
      [2, -1, 0],
      [3, 0, -1],
      [4, 1, 0],
    ] as const) {
      // biome-ignore format: as rows
      const y = { low: quarter * 2 ** 28, span: 0 };
      const [images] = await draws({ ...spans, y }, draw, 1);
      expect(images![0]!.slice(0, 6).map((n) => n / 2 ** 29 + 0)).toEqual([cos, -sin + 0, 2 ** -14, 0, sin, cos]);
    }
  });

  // The side of a rectangle is rounded down to 2^-16 of the image's, so that a border may lie a pixel beside the one in float64.
  test('RandomErasing: rectangles are those of float64, with borders within 2^-15 of the image', async () => {
    const shapes = [[32, 32], [7, 96], [1, 1], [8192, 3]] as const; // biome-ignore format: as pairs
    for (const [height, width] of shapes) {
      for (const [scale, factor] of [
        [
          [0.02, 0.33],
          [0, 1],
        ],
        [
          [0, 1],
          [1, 1],
        ],
        [
          [1, 1],
          [0.5, 0.5],
        ],
        [
          [0, 0],
          [1, 1],
        ],
      ] as const) {
        // biome-ignore format: as pairs
        const side = { low: scale[0] * 2 ** 30, span: Math.round((scale[1] - scale[0]) * 2 ** 30) };
        const p = { low: factor[0] * 2 ** 31, span: (factor[1] - factor[0]) * 2 ** 31 };
        const spans: Spans = {
          kind: 'erasing',
          y: { ...side, low: Math.round(side.low) },
          x: { ...side, low: Math.round(side.low) },
          p,
          height,
          width,
        };
        const [images] = await draws(spans, draw, 1);
        for (const [n, words] of images!.entries()) {
          const expected = rectangleOf(of(0, n), height, width, scale, factor);
          if (!expected) {
            expect(words.slice(0, 4)).toEqual([0, 0, 0, 0]);
            continue;
          }
          const borders = [expected.rows, expected.columns].flatMap((axis, k) =>
            axis.map((border) => ({ border, near: 2 ** -15 * [height, width][k]! })),
          );
          for (const [k, { border, near }] of borders.entries()) {
            expect([Math.ceil(border - near), Math.ceil(border + near)]).toContain(words[k]);
          }
        }
        const erased = images!.filter(([top, bottom, left, right]) => (bottom! - top!) * (right! - left!) > 0).length;
        if (factor[0] === 1 && scale[0] === scale[1]) expect(erased).toBe(scale[0] === 1 ? BATCH : 0);
      }
    }
  });

  test("a layer's seed replaces its index, and never gives the numbers of an index", async () => {
    const spans = cases[5]![1];
    const [place] = await draws(spans, { ...draw, seed: 1 });
    const [seeded] = await draws(spans, { ...draw, seed: 1, hasOwnSeed: true });
    expect(seeded).not.toEqual(place);
    const words = (image: number) => randomWords({ seed: 1, layer: 3, step: 17, image, hasOwnSeed: true });
    expect(seeded!.map((image) => image.slice(0, 8))).toEqual(
      seeded!.map((_, n) => mapOf(spans, words(n)).map(Number)),
    );
  });

  test('a recorded step draws new numbers in every run, by the step number in its uniform', async () => {
    const spans = cases[5]![1];
    const state = new StepState(device);
    state.write({ batchStart: 0, step: 7 });
    let output: Tensor | null = null;
    const program = device.record(() => {
      output = new Tensor(
        drawImages(device, { batch: BATCH, replicas: 1 }, spans, { ...draw, seed: 4, step: state }).keep(),
      );
    });
    for (const step of [8, 9]) {
      state.write({ batchStart: 0, step });
      program.run();
      const expected = Array.from({ length: BATCH }, (_, n) =>
        mapOf(spans, randomWords({ seed: 4, layer: 3, step, image: n })).map(Number),
      );
      expect(Array.from(await output!.data())).toEqual(expected.flat());
    }
    program.dispose();
    output!.dispose();
    state.dispose();
  });
});
