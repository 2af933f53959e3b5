import { describe, expect, test } from 'vitest';
import {
  Activation,
  BinaryCrossentropy,
  CategoricalCrossentropy,
  CustomLoss,
  Dense,
  Huber,
  Layer,
  type Loss,
  type LossContext,
  MeanAbsoluteError,
  MeanSquaredError,
  Sequential,
  SparseCategoricalCrossentropy,
  sigmoid,
  type Tensor,
} from '../../src/index.ts';
import { finalActivationOf } from '../../src/nn/layers/layer.ts';
import { lossInputFor, lossOf } from '../../src/nn/losses.ts';

/** A layer as written before `endsIn` was renamed. */
class Squash extends Layer {
  readonly kind = 'Squash';
  plan(inputShape: readonly number[]) {
    return { outputShape: inputShape, weights: [] };
  }
  override get endsIn() {
    return 'sigmoid' as const;
  }
  call(x: Tensor): Tensor {
    return sigmoid(x);
  }
  override callLogits(x: Tensor): Tensor {
    return x;
  }
}

/** A loss as written before `wants` was renamed. */
class OldLoss implements Loss {
  readonly name = 'old';
  readonly targets = 'values';
  wants({ endsIn }: { endsIn: 'softmax' | 'sigmoid' | null }) {
    return endsIn === 'sigmoid' ? ('logits' as const) : ('output' as const);
  }
  call(y: Tensor, target: Tensor, context: LossContext) {
    return new BinaryCrossentropy().call(y, target, context);
  }
}

describe('endsIn, now finalActivation', () => {
  test.each([
    ['Dense', () => new Dense({ units: 2, activation: 'softmax' }), 'softmax'],
    ['Activation', () => new Activation('sigmoid'), 'sigmoid'],
    ['a layer without either', () => new Dense({ units: 2 }), null],
    ['a model', () => new Sequential([new Dense({ units: 2, activation: 'softmax', inputShape: [3] })]), 'softmax'],
  ] as const)('%s: both names return the same', (_, layer, expected) => {
    expect(layer().finalActivation).toBe(expected);
    expect(layer().endsIn).toBe(expected);
    expect(finalActivationOf(layer())).toBe(expected);
  });

  test('finalActivation: uses endsIn of a layer that defines only that, and of a subclass of Dense that overrides it', () => {
    class Overridden extends Dense {
      override get endsIn() {
        return super.endsIn === null ? ('sigmoid' as const) : null;
      }
    }
    expect(finalActivationOf(new Squash())).toBe('sigmoid');
    expect(finalActivationOf(new Overridden({ units: 1 }))).toBe('sigmoid');
    expect(finalActivationOf(new Overridden({ units: 1, activation: 'softmax' }))).toBe(null);
    expect(new Sequential([new Squash({ inputShape: [1] })]).finalActivation).toBe('sigmoid');
  });
});

describe('wants, now inputFor', () => {
  const losses = [
    new SparseCategoricalCrossentropy(),
    new CategoricalCrossentropy(),
    new BinaryCrossentropy(),
    new MeanSquaredError(),
    new MeanAbsoluteError(),
    new Huber(),
  ];
  test.each(losses.map((loss) => [loss.name, loss] as const))('%s: both names return the same', (_, loss) => {
    for (const activation of ['softmax', 'sigmoid', null] as const) {
      expect(loss.wants({ endsIn: activation })).toBe(loss.inputFor({ finalActivation: activation }));
      expect(lossInputFor(loss, activation)).toBe(loss.inputFor({ finalActivation: activation }));
    }
  });

  test('a CustomLoss takes the output under both names', () => {
    const loss = new CustomLoss((y) => y);
    expect([loss.wants(), loss.inputFor(), lossInputFor(loss, 'softmax')]).toEqual(['output', 'output', 'output']);
  });

  test('compile: calls wants of a loss that defines only that', () => {
    const loss = new OldLoss();
    expect(lossOf(loss)).toBe(loss);
    expect(lossInputFor(loss, 'sigmoid')).toBe('logits');
    expect(lossInputFor(loss, null)).toBe('output');
    const model = new Sequential([new Squash({ inputShape: [1] })]).compile({ optimizer: 'sgd', loss });
    expect(model.training.input).toBe('logits');
  });
});
