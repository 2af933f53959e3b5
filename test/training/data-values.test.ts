import { expect, test } from 'vitest';
import { ArgumentError, DataError, type Numbers, ShapeError, tensor } from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { identityModel, nested, row } from '../support/numbers.ts';
import { build, sigmoid, softmax } from '../support/points.ts';

describeOnDevice('values from the host', (device) => {
  const stream = (data: unknown) => () => [data as { x: Numbers; y: Numbers }];

  test.each<[what: string, data: Numbers, shape: number[], models: number, says: RegExp | null]>([
    ['lists of the same shape', nested([2, 3]), [2, 3], 1, null],
    ['an array of the same shape', { shape: [2, 3], data: row(6) }, [2, 3], 1, null],
    ['lists for each model', nested([2, 3]), [3], 2, null],
    [
      'lists of another shape',
      nested([2, 3]),
      [3, 2],
      1,
      /shape \[3,2\] was asked for, but the data has shape \[2,3\]/,
    ],
    ['lists for a tensor of one axis', nested([6, 1]), [6], 1, /\[6\] was asked for.*\[6,1\]/],
    ['uneven lists', [[1, 2], [3]], [3], 1, /entry 1 has shape \[1\], but entry 0 has \[2\]/],
  ])('tensor: %s', async (_what, data, shape, models, says) => {
    const make = () => tensor(device, data, shape, { models });
    if (says) {
      expect(make).toThrow(says);
      expect(make).toThrow(ShapeError);
    } else {
      using result = make();
      expect(await result.data()).toEqual(row(6));
    }
  });

  test.each<[data: unknown, says: RegExp]>([
    [['1', '2'], /position 0 is "1", which is text/],
    [[1, null], /position 1 is null/],
    [[true, false], /position 0 is true.*map true and false/],
    ['12', /must be an array of numbers, but is "12"/],
    [2, /must be an array of numbers, but is 2/],
  ])('tensor throws for %j', (data, says) => {
    expect(() => tensor(device, data as number[], [2])).toThrow(says);
    expect(() => tensor(device, data as number[], [2])).toThrow(ArgumentError);
  });

  test('shared and resizable memory is uploaded like any other', async () => {
    const shared = new Float32Array(new SharedArrayBuffer(8));
    // biome-ignore lint/suspicious/noExplicitAny: TypeScript's library does not know of maxByteLength
    const growing = new Float32Array(new (ArrayBuffer as any)(8, { maxByteLength: 16 }));
    for (const values of [shared, growing]) {
      values.set([1, 2]);
      using result = tensor(device, values, [2]);
      expect([...(await result.data())]).toEqual([1, 2]);
    }
  });

  test('model.call accepts only tensors', () => {
    using model = identityModel([2]).build(device);
    using one = tensor(device, [1, 2], [2]);
    expect(() => model.call(one)).toThrow(
      /expects batches of \[2\] samples, but was given \[2\]; reshape one sample to \[1,2\]/,
    );
    expect(() => model.call([[1, 2]] as never)).toThrow(
      /call: x \(predict takes numbers\) must be a tensor, but is \[\[1,2\]\]/,
    );
  });

  test.each<[what: string, x: unknown, y: unknown, says: RegExp]>([
    [
      'NaN in a row',
      [
        [1, 2],
        [3, Number.NaN],
      ],
      [0, 1],
      /x: number 3 is NaN \(row 1, column 1\)/,
    ],
    ['NaN in a flat array', Float32Array.of(1, 2, Number.NaN, 4), [0, 1], /x: number 2 is NaN \(row 1, column 0\)/],
    [
      'an infinity',
      [
        [1, 2],
        [-1 / 0, 3],
      ],
      [0, 1],
      /number 2 is -Infinity \(row 1, column 0\)/,
    ],
    [
      'a number beyond f32',
      [
        [1, 2],
        [1e39, 3],
      ],
      [0, 1],
      /number 2 is 1e\+39 \(row 1, column 0\), beyond what f32 holds/,
    ],
    [
      'a hole',
      [
        [1, 2],
        [undefined, 3],
      ],
      [0, 1],
      /number 2 is undefined \(row 1, column 0\)/,
    ],
    [
      'numbers as text',
      [
        ['1', 2],
        [3, 4],
      ],
      [0, 1],
      /number 0 is "1" \(row 0, column 0\), which is text.*Number/,
    ],
    [
      'NaN in y',
      [
        [1, 2],
        [3, 4],
      ],
      [0, Number.NaN],
      /y: number 1 is NaN \(sample 1\)/,
    ],
    [
      'names as labels',
      [
        [1, 2],
        [3, 4],
      ],
      ['cat', 'dog'],
      /y: number 0 is "cat" \(sample 0\), which is text: map labels to class numbers/,
    ],
    [
      'truths as labels',
      [
        [1, 2],
        [3, 4],
      ],
      [false, true],
      /y: number 0 is false.*map true and false to 1 and 0/,
    ],
  ])('%s: the message has the position, and how to convert the value', async (_what, x, y, says) => {
    using model = build(device, sigmoid());
    const data = { x, y } as { x: Numbers; y: Numbers };
    for (const refusal of [model.fit(data), model.evaluate(data), model.fit(stream(data))]) {
      await expect(refusal).rejects.toThrow(DataError);
      await expect(refusal).rejects.toThrow(says);
    }
  });

  test('for images the position is the pixel; for class labels it is the sample', async () => {
    const images = row(2 * 12);
    images[12 + 3 + 2] = Number.NaN;
    using model = identityModel([2, 2, 3]).build(device);
    await expect(model.predict(images)).rejects.toThrow(/number 17 is NaN \(sample 1 at \[0,1,2\]\)/);
    using classes = build(device, softmax(), { loss: 'sparseCategoricalCrossentropy' });
    const named = {
      x: [
        [1, 2],
        [3, 4],
      ],
      y: ['cat', 'dog'] as never,
    };
    await expect(classes.fit(named)).rejects.toThrow(/y: the label of sample 0 is "cat", which is text: map labels/);
  });
});
