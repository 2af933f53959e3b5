import { expect, test } from 'vitest';
import {
  Activation,
  type ActivationName,
  type CallContext,
  Conv2D,
  Dense,
  Flatten,
  Lambda,
  Layer,
  LeakyReLU,
  mul,
  resize,
  Sequential,
  type Shape,
  scope,
  type Tensor,
  tensor,
} from '../../src/node.ts';
import { expectClose } from '../support/compare.ts';
import { describeOnDevice } from '../support/device.ts';

const x = [-2, -0.5, 0.25, 3];
const sum = x.reduce((s, v) => s + Math.exp(v), 0);
/** Results for `x`, from the definitions with Keras's parameters. */
const expected: Record<ActivationName, (v: number) => number> = {
  linear: (v) => v,
  relu: (v) => Math.max(0, v),
  relu6: (v) => Math.min(6, Math.max(0, v)),
  leakyRelu: (v) => (v > 0 ? v : 0.2 * v),
  elu: (v) => (v > 0 ? v : Math.expm1(v)),
  sigmoid: (v) => 1 / (1 + Math.exp(-v)),
  tanh: Math.tanh,
  softplus: (v) => Math.log1p(Math.exp(v)),
  // The normal distribution function at these four points, from tables.
  gelu: (v) => v * { '-2': 0.0227501319, '-0.5': 0.3085375387, '0.25': 0.5987063257, '3': 0.998650102 }[String(v)]!,
  softmax: (v) => Math.exp(v) / sum,
};
const names = Object.keys(expected) as ActivationName[];

describeOnDevice('activations', (device) => {
  async function outputOf(layers: Layer[], data: number[], shape: Shape): Promise<number[]> {
    const model = new Sequential(layers).build(device, { seed: 1 });
    const y = scope(device, () => model.call(tensor(device, data, shape)));
    const values = Array.from(await y.data());
    y.dispose();
    model.dispose();
    return values;
  }
  /** An identity kernel. */
  const identity = () => Float32Array.from([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]);

  test.each(names)('%s as a layer, and as an option of Dense and Conv2D', async (name) => {
    const want = x.map(expected[name]);
    const close = (got: number[]) =>
      expectClose(got, want, { rtol: 1e-6, magnitude: want.map((v) => Math.abs(v) + 0.1) });
    close(await outputOf([new Activation(name, { inputShape: [4] })], x, [1, 4]));
    const options = { activation: name, kernelInitializer: identity };
    close(await outputOf([new Dense({ units: 4, inputShape: [4], ...options })], x, [1, 4]));
    close(
      await outputOf([new Conv2D({ filters: 4, kernelSize: 1, inputShape: [1, 1, 4], ...options })], x, [1, 1, 1, 4]),
    );
  });

  test("LeakyReLU: the slope is Keras's default, or the given one", async () => {
    expectClose(await outputOf([new LeakyReLU({ inputShape: [4] })], x, [1, 4]), [-0.6, -0.15, 0.25, 3], {
      rtol: 1e-6,
    });
    const steep = new LeakyReLU({ inputShape: [4], negativeSlope: 0.5 });
    expectClose(await outputOf([steep], x, [1, 4]), [-1, -0.25, 0.25, 3], { rtol: 1e-6 });
  });

  test('callLogits: skips a softmax layer at the end, but not in the middle', async () => {
    const last = new Sequential([new Activation('softmax', { inputShape: [4] })]).build(device);
    const middle = new Sequential([
      new Dense({ units: 4, inputShape: [4], activation: 'softmax' }),
      new Flatten(),
    ]).build(device);
    const logits = scope(device, () => [last, middle].map((model) => model.callLogits(tensor(device, x, [1, 4]))));
    expect(Array.from(await logits[0]!.data())).toEqual(x);
    const total = Array.from(await logits[1]!.data()).reduce((s, v) => s + v, 0);
    expect(total).toBeCloseTo(1, 5);
    for (const y of logits) y.dispose();
    last.dispose();
    middle.dispose();
  });

  test('Lambda: resizes an image inside a model', async () => {
    const up = new Lambda((image) => resize(image, [4, 4], { method: 'nearest' }), {
      inputShape: [2, 2, 1],
      outputShape: [4, 4, 1],
    });
    expect(await outputOf([up], [1, 2, 3, 4], [1, 2, 2, 1])).toEqual([1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4]);
    const wrong = new Lambda((image) => image, { inputShape: [2, 2, 1], outputShape: [4, 4, 1] });
    await expect(outputOf([wrong], [1, 2, 3, 4], [1, 2, 2, 1])).rejects.toThrow(/Lambda.*\[4,4,1\].*\[1,2,2,1\]/);
  });

  test('a custom layer with a weight: its output and its parameters', async () => {
    class Scale extends Layer {
      readonly kind = 'Scale';
      plan(inputShape: Shape) {
        const initializer = () => new Float32Array([3]);
        return { outputShape: inputShape, weights: [{ name: 'factor', shape: [1], initializer }] };
      }
      call(input: Tensor, { weights: [factor] }: CallContext) {
        return mul(input, factor!);
      }
    }
    expect(await outputOf([new Scale({ inputShape: [4] })], x, [1, 4])).toEqual(x.map((v) => 3 * v));
    expect(new Sequential([new Scale({ inputShape: [4] })]).countParams()).toBe(1);
  });

  test('a custom layer: throws for mistakes in it', async () => {
    // As in plain JavaScript.
    const Plain = class extends (Layer as unknown as new (options: object) => object) {};
    const makeLayer = (methods: object) =>
      Object.assign(new Plain({ inputShape: [4] }), { kind: 'Own', ...methods }) as Layer;
    const plan = (inputShape: Shape) => ({ outputShape: inputShape, weights: [] });
    const first = (layer: Layer) => () => new Sequential([layer]);
    expect(first(makeLayer({}))).toThrow(/Own: a layer needs plan/);
    expect(first(makeLayer({ plan: () => ({ outputShape: [4] }) }))).toThrow(/Own: a layer needs plan.*but it gives/);
    const weights = (initializer: unknown) => [{ name: 'factor', shape: [1], initializer }];
    expect(first(makeLayer({ plan: (outputShape: Shape) => ({ outputShape, weights: weights('one') }) }))).toThrow(
      /"factor".*"one"/,
    );
    await expect(outputOf([makeLayer({ plan, call: () => 3 })], x, [1, 4])).rejects.toThrow(
      /call must return a tensor, .* 3/,
    );
    expect(() => new Sequential([new Activation('relu', { inputShape: [4] })]).build(undefined as never)).toThrow(
      /openDevice/,
    );
    const named = makeLayer({
      plan: (outputShape: Shape) => ({ outputShape, weights: weights('ones') }),
      call: (input: Tensor, { weights: [factor] }: CallContext) => mul(input, factor!),
    });
    expect(await outputOf([named], x, [1, 4])).toEqual(x);
  });

  test('throw for an unknown activation, an impossible slope, and a value that is not a function', () => {
    expect(() => new Activation('swish' as ActivationName)).toThrow(
      /Activation: activation must be one of linear.*swish/,
    );
    expect(() => new LeakyReLU({ negativeSlope: -1 })).toThrow(/negativeSlope.*-1/);
    expect(() => new Lambda(3 as unknown as (y: Tensor) => Tensor)).toThrow(/Lambda.*3/);
  });
});
