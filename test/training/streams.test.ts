import { afterEach, expect, test, vi } from 'vitest';
import {
  ArgumentError,
  type Arrays,
  confusionMatrix,
  DataError,
  type FitOptions,
  SGD,
  type TrainingData,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { build, points, sigmoid, weightsOf } from '../support/points.ts';

// Streams are closed before a call resolves, errors in their `finally` are thrown, and endless streams can be limited.

describeOnDevice('streams', (device) => {
  const { x, labels: y } = points();
  const chunk = (i: number): Arrays => ({
    x: x.subarray(20 * (i % 4), 20 * (i % 4) + 20),
    y: y.slice(10 * (i % 4), 10 * (i % 4) + 10),
  });
  /** The first `count` batches of the endless stream as arrays. */
  const first = (count: number): Arrays => {
    const chunks = Array.from({ length: count }, (_, i) => chunk(i));
    return {
      x: chunks.flatMap((one) => Array.from(one.x as Float32Array)),
      y: chunks.flatMap((one) => one.y as number[]),
    };
  };

  /** Endless streams that take a while to close, with counters of how many were opened and closed. */
  function countedStream(inFinally: () => void = () => {}) {
    const counts = { open: 0, most: 0, drawn: 0, closed: 0 };
    async function* endless(): AsyncGenerator<Arrays> {
      counts.open++;
      counts.most = Math.max(counts.most, counts.open);
      try {
        for (let i = 0; ; i++) {
          counts.drawn++;
          yield chunk(i);
        }
      } finally {
        await new Promise((resolve) => setTimeout(resolve, 20));
        counts.open--;
        counts.closed++;
        inFinally();
      }
    }
    return { counts, endless };
  }
  afterEach(() => void vi.restoreAllMocks());

  test('each stream of training is closed before the next begins, and all when fit resolves', async () => {
    using model = build(device, sigmoid());
    const { counts, endless } = countedStream();
    await model.fit(endless, { epochs: 4, stepsPerEpoch: 2 });
    expect(counts).toEqual({ open: 0, most: 1, drawn: 8, closed: 4 });
  });

  test('a stream that continues from epoch to epoch is closed when fit resolves', async () => {
    using model = build(device, sigmoid());
    const { counts, endless } = countedStream();
    await model.fit(endless(), { epochs: 4, stepsPerEpoch: 2 });
    expect(counts).toEqual({ open: 0, most: 1, drawn: 8, closed: 1 });
  });

  test.each<[string, (stop: AbortController) => FitOptions]>([
    [
      'a callback that fails',
      () => ({ callbacks: [{ everySteps: 1, onSteps: ({ step }) => void (step === 2 && fail()) }] }),
    ],
    ['a callback that fails as the epoch ends', () => ({ callbacks: [{ onEpochEnd: fail }] })],
    [
      'the signal',
      (stop) => ({
        signal: stop.signal,
        callbacks: [{ everySteps: 1, onSteps: ({ step }) => void (step === 2 && stop.abort()) }],
      }),
    ],
    [
      'stopTraining',
      () => ({
        callbacks: [{ onEpochBegin() {}, everySteps: 1, onSteps: ({ step }) => void (step === 1 && stopNow?.()) }],
      }),
    ],
  ])('a stream is closed when fit is ended by %s', async (_, options) => {
    using model = build(device, sigmoid());
    stopNow = () => {
      model.stopTraining = true;
    };
    for (const itself of [false, true]) {
      const { counts, endless } = countedStream();
      const data = itself ? endless() : endless;
      await model.fit(data, { epochs: 2, stepsPerEpoch: 3, ...options(new AbortController()) }).catch(() => {});
      expect([counts.open, counts.closed]).toEqual([0, 1]);
    }
  });
  let stopNow: (() => void) | undefined;
  const fail = (): never => {
    throw new RangeError('of the callback');
  };

  test('streams of validation and of evaluate are closed when the call resolves', async () => {
    using model = build(device, sigmoid());
    const { counts, endless } = countedStream();
    await model.fit({ x, y }, { epochs: 3, validationData: endless, validationSteps: 2 });
    expect(counts).toEqual({ open: 0, most: 1, drawn: 6, closed: 3 });
    await model.fit({ x, y }, { epochs: 3, validationData: endless(), validationSteps: 2 });
    expect(counts).toEqual({ open: 0, most: 1, drawn: 12, closed: 4 });
    await model.evaluate(endless, { steps: 2 });
    await model.evaluateReplicas(endless(), { steps: 2 });
    await confusionMatrix(model, endless, { steps: 2 });
    expect(counts).toEqual({ open: 0, most: 1, drawn: 18, closed: 7 });
  });

  test.each<[string, (data: TrainingData) => FitOptions & { train?: TrainingData }]>([
    ['training', (train) => ({ train, stepsPerEpoch: 2 })],
    ['validation', (validationData) => ({ validationData, validationSteps: 2 })],
  ])('fit throws what the `finally` of a stream of %s throws', async (_, options) => {
    using model = build(device, sigmoid());
    for (const itself of [false, true]) {
      const { endless } = countedStream(() => {
        throw new RangeError('of the finally');
      });
      const { train = { x, y }, ...rest } = options(itself ? endless() : endless);
      await expect(model.fit(train, { epochs: 2, ...rest })).rejects.toThrow('of the finally');
    }
    const { endless } = countedStream(() => {
      throw new RangeError('of the finally');
    });
    await expect(model.evaluate(endless, { steps: 1 })).rejects.toThrow('of the finally');
  });

  test('an error in `finally` does not hide the error that ended the training', async () => {
    using model = build(device, sigmoid());
    for (const itself of [false, true]) {
      const { endless } = countedStream(() => {
        throw new RangeError('of the finally');
      });
      const callbacks = [{ onEpochEnd: fail, everySteps: 1, onSteps: fail }];
      const training = model.fit(itself ? endless() : endless, { stepsPerEpoch: 2, callbacks });
      await expect(training).rejects.toThrow('of the callback');
    }
  });

  test('a stream that ended or failed is not closed again, as in `for await`', async () => {
    using model = build(device, sigmoid());
    const stream = (batches: number, error?: Error) => {
      let [i, returned] = [0, 0];
      const iterator = {
        next: () => {
          if (i === batches && error) throw error;
          return i < batches ? { done: false as const, value: chunk(i++) } : { done: true as const, value: undefined };
        },
        return: () => ({ done: true as const, value: void returned++ }),
      };
      return { data: { [Symbol.iterator]: () => iterator }, returned: () => returned };
    };
    const ended = stream(3);
    await model.fit(ended.data);
    const failed = stream(3, new RangeError('of next'));
    await expect(model.fit(failed.data)).rejects.toThrow('of next');
    const left = stream(3);
    await model.evaluate(left.data, { steps: 2 });
    expect([ended.returned(), failed.returned(), left.returned()]).toEqual([0, 0, 1]);
  });

  test('validationSteps: limits an endless stream; a function starts it again, an iterator continues', async () => {
    const { endless } = countedStream();
    // The rate is so small that every epoch evaluates the same weights.
    using model = build(device, sigmoid(), { optimizer: new SGD({ learningRate: 1e-30 }) });
    const restarted = await model.fit({ x, y }, { epochs: 2, validationData: endless, validationSteps: 3 });
    const { loss, accuracy } = await model.evaluate(first(3));
    for (const { valLoss, valAccuracy } of restarted.epochs) {
      expect(valLoss).toBeCloseTo(loss, 6);
      expect(valAccuracy).toBeCloseTo(accuracy!, 6);
    }
    const onwards = await model.fit({ x, y }, { epochs: 2, validationData: endless(), validationSteps: 2 });
    const halves = [chunk(0), chunk(1), chunk(2), chunk(3)];
    const part = async (i: number) =>
      ((await model.evaluate(halves[i]!)).loss + (await model.evaluate(halves[i + 1]!)).loss) / 2;
    expect(onwards.epochs[0]!.valLoss).toBeCloseTo(await part(0), 6);
    expect(onwards.epochs[1]!.valLoss).toBeCloseTo(await part(2), 6);
  });

  test('steps: limits evaluate, evaluateReplicas and confusionMatrix', async () => {
    const { endless } = countedStream();
    using model = build(device, sigmoid()).replicate(2);
    const whole = await model.evaluateReplicas(first(3));
    const bounded = await model.evaluateReplicas(endless, { steps: 3 });
    for (const [r, { loss, accuracy }] of bounded.entries()) {
      expect(loss).toBeCloseTo(whole[r]!.loss, 6);
      expect(accuracy).toBeCloseTo(whole[r]!.accuracy!, 6);
    }
    expect((await model.evaluate(endless, { steps: 3 })).loss).toBeCloseTo((await model.evaluate(first(3))).loss, 6);
    const counts = (await confusionMatrix(model, endless, { steps: 3, replica: 1 })).counts;
    expect(counts).toEqual((await confusionMatrix(model, first(3), { replica: 1 })).counts);
  });

  const stream = () => [chunk(0), chunk(1)];
  test.each<[string, TrainingData, FitOptions, new (...of: never[]) => Error, RegExp]>([
    [
      'arrays',
      { x, y },
      { validationData: { x, y }, validationSteps: 2 },
      ArgumentError,
      /^fit: validationSteps is for streams/,
    ],
    ['nothing', { x, y }, { validationSteps: 2 }, ArgumentError, /^fit: validationSteps needs validationData/],
    [
      'a split',
      { x, y },
      { validationSplit: 0.5, validationSteps: 2 },
      ArgumentError,
      /^fit: validationSteps needs validationData/,
    ],
    [
      'no step',
      { x, y },
      { validationData: stream, validationSteps: 0 },
      ArgumentError,
      /validationSteps must be a positive integer, but is 0/,
    ],
    [
      'half a step',
      { x, y },
      { validationData: stream, validationSteps: 1.5 },
      ArgumentError,
      /validationSteps must be.* 1\.5/,
    ],
    [
      'fewer batches',
      { x, y },
      { validationData: stream, validationSteps: 3 },
      DataError,
      /validationData: the stream ended after 2 batches.*validationSteps is 3/,
    ],
  ])('validationSteps: throws for %s', async (_, data, options, error, says) => {
    using model = build(device, sigmoid());
    const training = model.fit(data, options);
    await expect(training).rejects.toThrow(error);
    await expect(training).rejects.toThrow(says);
  });

  test('steps: throws for arrays, and for 0, fractions and more steps than there are', async () => {
    using model = build(device, sigmoid());
    await expect(model.evaluate({ x, y }, { steps: 2 })).rejects.toThrow(/^evaluate: steps is for streams/);
    await expect(model.evaluate(stream, { steps: 0 })).rejects.toThrow(/^evaluate: steps must be a positive integer/);
    await expect(model.evaluate(stream, { steps: 0.5 })).rejects.toThrow(ArgumentError);
    await expect(model.evaluate(stream, { steps: 3 })).rejects.toThrow(/ended after 2 batches.*steps is 3/);
  });

  test('the message distinguishes a stream closed by an earlier call from one that is too short', async () => {
    using model = build(device, sigmoid());
    const { endless } = countedStream();
    const data = endless();
    await model.fit(data, { stepsPerEpoch: 2 });
    for (const again of [() => model.fit(data, { stepsPerEpoch: 2 }), () => model.evaluate(data, { steps: 2 })]) {
      await expect(again()).rejects.toThrow(DataError);
      await expect(again()).rejects.toThrow(
        /an earlier call closed this stream.*a function that opens the stream again/s,
      );
    }
    const used = stream().values();
    await model.fit(used);
    await expect(model.fit(used)).rejects.toThrow(/an earlier call took all batches of this stream.*a function/s);
  });

  test('a very long pass is reported once, with how to limit it', async () => {
    const warned: string[] = [];
    vi.spyOn(console, 'warn').mockImplementation((text: string) => void warned.push(text));
    using model = build(device, sigmoid());
    const one = { x: [0.5, 1], y: [1] };
    const stop = new AbortController();
    function* endless() {
      for (let i = 0; ; i++) {
        if (i === 10_100) stop.abort();
        yield one;
      }
    }
    await expect(model.evaluate(endless, { signal: stop.signal })).rejects.toThrow(/stopped on request/);
    expect(warned).toEqual([expect.stringMatching(/^evaluate: 10,?000 batches.*steps/)]);
  }, 60_000);

  test('signal: ends an endless validation', async () => {
    using model = build(device, sigmoid());
    const before = await weightsOf(model);
    const stop = new AbortController();
    async function* endless(): AsyncGenerator<Arrays> {
      for (let i = 0; ; i++) {
        if (i === 50) stop.abort();
        yield chunk(i);
      }
    }
    const { epochs, interrupted } = await model.fit({ x, y }, { validationData: endless, signal: stop.signal });
    expect([epochs.length, interrupted]).toEqual([0, true]);
    expect(await weightsOf(model)).not.toEqual(before);
  });

  test.each([
    [{ next: () => ({ done: false, value: chunk(0) }), return: 3 }, 'needs a function next, .*but has return 3$'],
    [{ next: 'one' }, '.*but has next "one"$'],
  ])('throws if an iterator has no next (%#)', async (iterator, message) => {
    using model = build(device, sigmoid());
    const stream = { [Symbol.iterator]: () => iterator } as unknown as Iterable<Arrays>;
    const training = model.fit(stream, { stepsPerEpoch: 1 });
    await expect(training).rejects.toThrow(ArgumentError);
    await expect(training).rejects.toThrow(new RegExp(`^fit: the stream's iterator ${message}`));
  });
});
