import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import * as tg from '../../src/node.ts';
import {
  contrastOf,
  type Fill,
  type ImageDraw,
  maps,
  randomWords,
  rectangleOf,
  type SourceOf,
  sampleImages,
  uniformIn,
} from '../reference/augmentation.ts';
import { type NdArray, ndarray, sizeOf } from '../reference/ndarray.ts';
import { expectClose, expectSameBits } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawLike } from '../support/operator-cases.ts';
import { random } from '../support/random.ts';

/** Determines the random numbers of the layers here. */
const SEEDS = [4, 2 ** 40 + 1, 9];
const LAYER_INDEX = 2;
const STEP = 5;
const drawOf = (replica: number, image: number): ImageDraw => ({
  seed: SEEDS[replica]!,
  layer: LAYER_INDEX,
  step: STEP,
  image,
});
const FILLS: Fill[] = ['constant', 'nearest', 'reflect', 'wrap'];
const FILL_VALUE = 0.375;
/** Positions are multiples of 2^-16 of a pixel: rounding adds half a unit, and the drawn number less than one more. */
const POSITION_TOLERANCE = 2 ** -15;

type Bounds = readonly [number, number];
/** A layer of each kind, and its map for the numbers of an image, by the image's height and width. */
type Moving = [
  what: string,
  make: (more: object) => tg.Layer,
  map: (words: number[], h: number, w: number) => SourceOf,
];
const turn: Bounds = [-0.3, 0.1];
const [rows, columns]: [Bounds, Bounds] = [[-0.4, 0.9], [-0.2, -0.1]]; // biome-ignore format: as pairs
const moving: Moving[] = [
  [
    'RandomTranslation',
    (more) => new tg.RandomTranslation({ heightFactor: rows, widthFactor: 0.6, ...more }),
    (words, h, w) => maps.shift(h * uniformIn(words[0]!, rows), w * uniformIn(words[1]!, [-0.6, 0.6])),
  ],
  [
    'RandomRotation',
    (more) => new tg.RandomRotation({ factor: turn, ...more }),
    (words, h, w) => maps.rotation(h, w, 2 * Math.PI * uniformIn(words[0]!, turn)),
  ],
  [
    'RandomZoom',
    (more) => new tg.RandomZoom({ heightFactor: rows, widthFactor: columns, ...more }),
    (words, h, w) => maps.zoom(h, w, 1 + uniformIn(words[0]!, rows), 1 + uniformIn(words[1]!, columns)),
  ],
  [
    'RandomZoom that keeps the aspect ratio',
    (more) => new tg.RandomZoom({ heightFactor: 1, ...more }),
    (words, h, w) => {
      const zoom = 1 + uniformIn(words[0]!, [-1, 1]);
      return maps.zoom(h, w, zoom, zoom);
    },
  ],
];
/** Layers that map pixels to pixels, for which the fill mode has no effect. */
const exact: Moving[] = (['horizontal', 'vertical', 'horizontalAndVertical'] as const).map((mode) => [
  `RandomFlip, ${mode}`,
  () => new tg.RandomFlip({ mode }),
  (words, h, w) =>
    maps.flip(h, w, mode !== 'horizontal' && words[0]! >= 2 ** 31, mode !== 'vertical' && words[1]! >= 2 ** 31),
]);
exact.push([
  'RandomCrop',
  () => new tg.RandomCrop({ height: 1, width: 1 }),
  (words, h, w) => maps.shift(-Math.floor((words[0]! / 2 ** 32) * h), -Math.floor((words[1]! / 2 ** 32) * w)),
]);

const SHAPES = [[3, 7, 6, 3], [2, 1, 1, 2], [2, 1, 9, 1], [3, 16, 16, 4], [2, 33, 2, 1]] as const; // biome-ignore format: as rows

describeOnDevice('random layers of images', (device) => {
  interface Called {
    /** For each replica. */
    x: NdArray[];
    dy: NdArray[];
    y: NdArray[];
    dx: NdArray[];
  }

  /** Calls a layer as a model does in training, on random images of each replica, and runs backward with random gradients. */
  async function call(
    layer: tg.Layer,
    shape: readonly number[],
    options: { replicas?: number; scale?: number } = {},
  ): Promise<Called> {
    const { replicas = 1, scale = 1 } = options;
    const size = sizeOf(shape);
    const drawIntegers = (of: readonly number[], seed: number) =>
      Array.from({ length: replicas }, (_, r) => drawLike(of, seed + r)).map(({ data }) =>
        ndarray(
          of,
          data.map((v) => Math.fround(scale * v)),
        ),
      );
    const x = drawIntegers(shape, 31);
    const planned = [shape[0]!, ...layer.plan(shape.slice(1)).outputShape];
    const dy = drawIntegers(planned, 57);
    const join = (parts: NdArray[]) => parts.flatMap(({ data }) => [...data]);
    const { y, dx } = tg.scope(device, () => {
      const input = tg.tensor(device, join(x), shape, { requiresGrad: true, models: replicas });
      const y = layer.call(input, {
        weights: [],
        training: true,
        random: { seed: SEEDS.slice(0, replicas), layer: LAYER_INDEX, step: STEP },
      });
      y.backward(tg.tensor(device, join(dy), planned, { models: replicas }));
      return { y, dx: input.grad! };
    });
    expect(y.shape).toEqual(planned);
    const [yData, dxData] = [await y.data(), await dx.data()];
    for (const tensor of [y, dx]) tensor.dispose();
    const split = (data: ArrayLike<number>, of: readonly number[]) =>
      Array.from({ length: replicas }, (_, r) =>
        ndarray(of, Array.from(data).slice(r * sizeOf(of), (r + 1) * sizeOf(of))),
      );
    expect(dxData.length).toBe(replicas * size);
    return { x, dy, y: split(yData, planned), dx: split(dxData, shape) };
  }

  const places =
    ([, , map]: Moving, [, h, w]: readonly number[], r: number) =>
    (n: number) =>
      map(randomWords(drawOf(r, n)), h!, w!);
  const maxMagnitude = ({ data }: NdArray) => data.reduce((a, b) => Math.max(a, Math.abs(b)), 0);

  test.each(exact)('%s: copies the same pixels as Keras, bit for bit', async (...layer) => {
    for (const shape of SHAPES) {
      const { x, dy, y, dx } = await call(layer[1]({}), shape, { replicas: 3 });
      const size = y[0]!.shape.slice(1, 3) as [number, number];
      for (const [r, images] of x.entries()) {
        const expected = sampleImages(images, dy[r]!, size, places(layer, shape, r), {
          fill: 'constant',
          nearest: true,
        });
        expectSameBits(y[r]!.data, expected.y.data, `replica ${r}`);
        expectSameBits(dx[r]!.data, expected.dx.data, `gradient of replica ${r}`);
      }
    }
  });

  describe.each(moving)('%s', (...layer) => {
    test.each(FILLS)('interpolates as Keras with fillMode %s, also in the gradient', async (fillMode) => {
      for (const shape of SHAPES) {
        const { x, dy, y, dx } = await call(layer[1]({ fillMode, fillValue: FILL_VALUE }), shape, { replicas: 3 });
        const size = shape.slice(1, 3) as [number, number];
        for (const [r, images] of x.entries()) {
          const sampled = { fill: fillMode, nearest: false, fillValue: FILL_VALUE };
          const expected = sampleImages(images, dy[r]!, size, places(layer, shape, r), sampled);
          // In each direction, a position error e gives an error of e times the difference of two pixels.
          const atol = 4 * POSITION_TOLERANCE * (maxMagnitude(images) + FILL_VALUE);
          expectClose(y[r]!.data, expected.y.data, { rtol: 2e-6, atol }, `replica ${r}`);
          // The error of an input pixel's gradient grows with the number of output pixels that use it.
          const ones = ndarray(
            dy[r]!.shape,
            dy[r]!.data.map(() => 1),
          );
          const counts = maxMagnitude(sampleImages(images, ones, size, places(layer, shape, r), sampled).dx);
          expectClose(
            dx[r]!.data,
            expected.dx.data,
            { rtol: 2e-6, atol: 8 * POSITION_TOLERANCE * maxMagnitude(dy[r]!) * Math.max(1, counts) },
            `gradient of replica ${r}`,
          );
        }
      }
    });

    test.each(FILLS)(
      'takes the pixel that Keras takes if the border is %s and nothing is interpolated',
      async (fillMode) => {
        for (const shape of SHAPES) {
          const { x, dy, y, dx } = await call(
            layer[1]({ fillMode, fillValue: FILL_VALUE, interpolation: 'nearest' }),
            shape,
            { replicas: 2 },
          );
          const size = shape.slice(1, 3) as [number, number];
          for (const [r, images] of x.entries()) {
            // If a position is halfway between two pixels, rounding decides: such output pixels are skipped, and must be few.
            const isHalfway = (n: number, row: number, column: number) =>
              places(
                layer,
                shape,
                r,
              )(n)(row, column).some(
                (position) => Math.abs(position - Math.floor(position) - 0.5) < POSITION_TOLERANCE,
              );
            const sampled = { fill: fillMode, nearest: true, fillValue: FILL_VALUE };
            const expected = sampleImages(images, dy[r]!, size, places(layer, shape, r), sampled);
            const [, h, w, channels] = shape;
            const unclear = Array.from(expected.y.data, (_, i) => {
              const pixel = Math.floor(i / channels);
              return isHalfway(Math.floor(pixel / (h * w)), Math.floor(pixel / w) % h, pixel % w);
            });
            const count = unclear.filter(Boolean).length;
            expect(count).toBeLessThanOrEqual(unclear.length / 100);
            expectSameBits(
              y[r]!.data.map((v, i) => (unclear[i] ? 0 : v)),
              expected.y.data.map((v, i) => (unclear[i] ? 0 : v)),
              `replica ${r}`,
            );
            if (count === 0)
              expectClose(dx[r]!.data, expected.dx.data, { rtol: 1e-5, atol: 1e-5 }, `gradient of replica ${r}`);
          }
        }
      },
    );
  });

  test('the gradient is the transpose of the interpolation: <dy, A x> = <A* dy, x> without a fill value', async () => {
    for (const [, make] of moving) {
      for (const fillMode of FILLS) {
        const { x, dy, y, dx } = await call(make({ fillMode }), [3, 9, 8, 2]);
        const inner = (a: NdArray, b: NdArray) => a.data.reduce((sum, value, i) => sum + value * b.data[i]!, 0);
        const terms = y[0]!.data.reduce((sum, value, i) => sum + Math.abs(value * dy[0]!.data[i]!), 0);
        expect(Math.abs(inner(dy[0]!, y[0]!) - inner(dx[0]!, x[0]!))).toBeLessThan(1e-6 * terms);
      }
    }
  });

  // More than 2^16 output pixels, the limit of one dispatch.
  test('the gradient of large images takes several dispatches', async () => {
    const shape = [1, 257, 256, 1];
    const { dy, dx } = await call(new tg.RandomFlip(), shape);
    const expected = sampleImages(dy[0]!, dy[0]!, [257, 256], places(exact[2]!, shape, 0), {
      fill: 'constant',
      nearest: true,
    });
    expectSameBits(dx[0]!.data, expected.dx.data);
  });

  test('layers with a single random number agree with Keras 3.15', async () => {
    interface Case { layer: string; options: object; shape: number[]; x: number[]; y: number[] } // biome-ignore format: one line
    const url = new URL('../golden/files/keras-augmentation.json', import.meta.url);
    const { cases } = JSON.parse(readFileSync(url, 'utf8')) as { cases: Case[] };
    expect(cases.length).toBe(98);
    for (const { layer, options, shape, x, y } of cases) {
      const Class = (tg as unknown as Record<string, new (options: object) => tg.Layer>)[layer]!;
      using input = tg.tensor(device, x, shape);
      using output = new Class(options).call(input, {
        weights: [],
        training: true,
        random: { seed: 1, layer: 0, step: 1 },
      });
      const what = `${layer} ${JSON.stringify(options)} [${shape}]`;
      const data = await output.data();
      // The contrast layer whose only factor is 1 returns its input: Keras's clips it.
      const actual = layer === 'RandomContrast' ? Array.from(data, (v) => Math.min(Math.max(v, -0.5), 1)) : data;
      expectClose(actual, y, { rtol: 1e-4, atol: 2e-4 }, what);
    }
  });

  const contrasts = [
    ['a number', { factor: 0.4 }, [0.6, 1.4]],
    ['two', { factor: [0.9, 0.2] }, [0.8, 1.9]],
    ['the whole range', { factor: 1 }, [0, 2]],
  ] as const;
  test.each(contrasts)('RandomContrast by %s', async (_, options, bounds) => {
    const valueRange = [-0.7, 0.9] as const;
    for (const shape of SHAPES) {
      const [batch, h, w, channels] = shape;
      const { x, dy, y, dx } = await call(new tg.RandomContrast({ ...options, valueRange }), shape, { replicas: 3 });
      for (const [r, images] of x.entries()) {
        for (let n = 0; n < batch; n++) {
          for (let c = 0; c < channels; c++) {
            const of = ({ data }: NdArray) =>
              Array.from({ length: h * w }, (_, k) => data[(n * h * w + k) * channels + c]!);
            const f = uniformIn(randomWords(drawOf(r, n))[0]!, bounds);
            const expected = contrastOf(of(images), of(dy[r]!), f, valueRange);
            expectClose(of(y[r]!), expected.y, { rtol: 2e-6, atol: 4e-6 }, `replica ${r}, image ${n}`);
            expectClose(of(dx[r]!), expected.dx, { rtol: 2e-6, atol: 8e-6 }, `gradient of replica ${r}, image ${n}`);
          }
        }
      }
    }
  });

  test.each([0.5, [0.25, -3, 0.5, 0.75]])(
    'RandomErasing writes %s there, clipped, with a gradient of 0 there',
    async (fillValue) => {
      for (const shape of SHAPES) {
        const [, h, w, channels] = shape;
        const fill = typeof fillValue === 'number' ? fillValue : fillValue.slice(0, channels);
        const [scale, factor] = [[0.1, 0.6], [0.4, 1]] as const; // biome-ignore format: as pairs
        const layer = new tg.RandomErasing({ fillValue: fill, scale, factor, valueRange: [-1, 1] });
        const { x, dy, y, dx } = await call(layer, shape, { replicas: 3 });
        for (const [r, images] of x.entries()) {
          const isErased = Array.from(images.data, (_, i) => {
            const pixel = Math.floor(i / channels);
            const found = rectangleOf(drawOf(r, Math.floor(pixel / (h * w))), h, w, scale, factor);
            const within = (index: number, [begin, end]: [number, number]) => index >= begin && index < end;
            return found !== null && within(Math.floor(pixel / w) % h, found.rows) && within(pixel % w, found.columns);
          });
          const of = (i: number) => Math.max(-1, typeof fill === 'number' ? fill : fill[i % channels]!);
          expectSameBits(
            y[r]!.data,
            images.data.map((value, i) => (isErased[i] ? of(i) : value)),
          );
          expectSameBits(
            dx[r]!.data,
            dy[r]!.data.map((value, i) => (isErased[i] ? 0 : value)),
          );
        }
      }
    },
  );

  test('RandomErasing: noise is normal, clipped, and different for each pixel, image and replica', async () => {
    const layer = () => new tg.RandomErasing({ factor: [1, 1], scale: [1, 1], valueRange: [-4, 2] });
    const { y } = await call(layer(), [4, 40, 40, 3], { replicas: 2 });
    const values = y.flatMap(({ data }) => Array.from(data));
    const n = values.length;
    expect(new Set(values.filter((v) => v > -4 && v < 2)).size).toBeGreaterThan(0.97 * 0.8 * n);
    expect(Math.max(...values)).toBe(2);
    expect(Math.min(...values)).toBe(-4);
    // With deviation 2, the fractions below -4, -2, 0 and 2 are those of the normal distribution.
    for (const [limit, share] of [
      [-3.9999, 0.02275],
      [-2, 0.15866],
      [0, 0.5],
      [1.9999, 0.84134],
    ] as const) {
      // biome-ignore format: as pairs
      const below = values.filter((value) => value < limit).length / n;
      expect(Math.abs(below - share)).toBeLessThan(5 * Math.sqrt((share * (1 - share)) / n) + 1e-4);
    }
    const alone = await call(layer(), [4, 40, 40, 3]);
    expectSameBits(y[0]!.data, alone.y[0]!.data);
    // Neighbors are uncorrelated.
    const inner = values.filter((v) => v > -4 && v < 2);
    const mean = inner.reduce((a, b) => a + b, 0) / inner.length;
    const squares = inner.reduce((sum, v) => sum + (v - mean) ** 2, 0);
    for (const lag of [1, 3, 120]) {
      const products = inner.slice(lag).reduce((sum, v, i) => sum + (v - mean) * (inner[i]! - mean), 0);
      expect(Math.abs(products / squares)).toBeLessThan(5 / Math.sqrt(inner.length));
    }
  });

  test('random numbers are uniform in their range, and half of the images are mirrored in each direction', async () => {
    const batch = 3000;
    const x = Float32Array.from({ length: batch * 4 }, (_, i) => [1, 2, 4, 8][i % 4]!);
    using input = tg.tensor(device, x, [batch, 2, 2, 1]);
    const contextAt = (step: number) => ({ weights: [], training: true, random: { seed: 3, layer: 1, step } });
    using flipped = new tg.RandomFlip().call(input, contextAt(1));
    const corners = Array.from(await flipped.data()).filter((_, i) => i % 4 === 0);
    const sigma = Math.sqrt(batch * 0.25 * 0.75);
    for (const corner of [1, 2, 4, 8]) {
      expect(Math.abs(corners.filter((value) => value === corner).length - batch / 4)).toBeLessThan(5 * sigma);
    }
    // Moving a ramp shows the size of the shift.
    const ramp = tg.tensor(
      device,
      Float32Array.from({ length: batch * 64 }, (_, i) => i % 64),
      [batch, 1, 64, 1],
    );
    using moved = new tg.RandomTranslation({ heightFactor: 0, widthFactor: 0.25 }).call(ramp, contextAt(2));
    const shares = Array.from(await moved.data())
      .filter((_, i) => i % 64 === 32)
      .map((value) => (32 - value) / 32 + 0.5)
      .sort((a, b) => a - b);
    // Kolmogorov-Smirnov test: exceeds 1.95 / sqrt(n) with probability 0.001.
    const distance = Math.max(
      ...shares.map((share, i) => Math.max(Math.abs(share - i / batch), Math.abs(share - (i + 1) / batch))),
    );
    expect(distance).toBeLessThan(1.95 / Math.sqrt(batch));
    ramp.dispose();
  });

  test('a pixel of weight 0 has no effect: NaN and infinity do not spread', async () => {
    const values = random(3);
    const data = Array.from({ length: 36 }, () => values.normal());
    data[14] = Number.NaN;
    data[21] = Number.POSITIVE_INFINITY;
    using input = tg.tensor(device, data, [1, 6, 6, 1]);
    const context = { weights: [], training: true, random: { seed: 1, layer: 0, step: 1 } };
    using rotated = new tg.RandomRotation({ factor: [0.25, 0.25] }).call(input, context);
    const expected = Array.from({ length: 36 }, (_, i) => Math.fround(data[(i % 6) * 6 + 5 - Math.floor(i / 6)]!));
    expectSameBits(await rotated.data(), expected);
  });

  test('sides of 8192 pixels are exact to the last pixel', async () => {
    const n = 8192;
    const data = Float32Array.from({ length: n }, (_, i) => (i * 7919) % 8191);
    const context = { weights: [], training: true, random: { seed: 1, layer: 0, step: 1 } };
    for (const shape of [
      [1, n, 1, 1],
      [1, 1, n, 1],
    ]) {
      // biome-ignore format: as pairs
      using input = tg.tensor(device, data, shape);
      using flipped = new tg.RandomRotation({ factor: [0.5, 0.5] }).call(input, context);
      expectSameBits(await flipped.data(), data.toReversed());
      const factors = { heightFactor: [-1, -1], widthFactor: [-1, -1] } as const;
      using moved = new tg.RandomTranslation({ ...factors, fillMode: 'wrap' }).call(input, context);
      expectSameBits(await moved.data(), data);
      using halved = new tg.RandomZoom({
        heightFactor: [1, 1],
        widthFactor: [1, 1],
        fillMode: 'constant',
        fillValue: -1,
      }).call(input, context);
      const half = Array.from({ length: n }, (_, i) => {
        const center = 2 * i - (n - 1) / 2; // halfway between two pixels
        const of = (k: number) => data[k] ?? -1;
        return (of(Math.floor(center)) + of(Math.floor(center) + 1)) / 2;
      });
      expectSameBits(await halved.data(), half);
    }
  });
});
