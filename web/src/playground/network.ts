import { RandomStream } from '../../../src/base/random.ts';
import { choiceKey } from '../../../src/gpu/kernel-selection.ts';
import {
  Adam,
  abs,
  add,
  type Device,
  glorotUniform,
  linear,
  mul,
  RMSprop,
  SGD,
  softmaxCrossEntropy,
  square,
  sum,
  type Tensor,
  tensor,
} from '../../../src/index.ts';
import type { Settings } from './settings.ts';

const CLASSES = 2;

/**
 * A multilayer perceptron from the plane to two logits, as tensors with replicas:
 *
 *     h_0 = x;   h_k = act(h_(k-1) w_k + b_k);   logits = h_last w + b
 *
 * Kernels are Glorot-uniform and biases 0. Those of replica r are drawn from `seed + r`.
 */
export class Network {
  /** Kernel and bias of each layer, alternating: [in, out] and [out] for each replica. */
  readonly weights: readonly Tensor[];
  private readonly device: Device;
  private readonly sizes: readonly number[];
  private readonly activation: Settings['activation'];

  constructor(device: Device, { layers, activation, seed, replicas }: Settings) {
    const sizes = [2, ...layers, CLASSES];
    this.device = device;
    this.sizes = sizes;
    this.activation = activation;
    const options = { requiresGrad: true, replicas };
    this.weights = sizes.slice(1).flatMap((units, i) => {
      const shape = [sizes[i]!, units];
      const drawn = Array.from({ length: replicas }, (_, r) => [
        ...glorotUniform(shape, new RandomStream(seed + r, 'initializer', 2 * i)),
      ]);
      const kernel = tensor(device, Float32Array.from(drawn.flat()), shape, options);
      return [kernel, tensor(device, new Float32Array(replicas * units), [units], options)];
    });
  }

  /**
   * Selects the reference kernel, with one invocation for each element, for products with `rows` rows: these matrices have 2 to 8 columns,
   * for which tiles are mostly idle. In Chromium on SwiftShader a look takes 20 ms instead of 1500 to 4000, and a step 1 ms instead of 10.
   * On lavapipe, whose tiles need no barriers, a look takes 7 ms instead of 3, and a step takes the same time.
   */
  private useReferenceProducts(rows: number): void {
    for (const [i, units] of this.sizes.slice(1).entries()) {
      const inputs = this.sizes[i]!;
      for (const product of [
        { m: rows, n: units, k: inputs, transposeA: 0, transposeB: 0 }, // x w
        { m: rows, n: inputs, k: units, transposeA: 0, transposeB: 1 }, // dz w^T
        { m: inputs, n: units, k: rows, transposeA: 1, transposeB: 0 }, // x^T dz
      ]) {
        this.device.choices.tuned.set(choiceKey('matmul', { ...product, batch: 1 }), 'naive');
      }
    }
  }

  /** Outputs of the hidden layers for x [n, 2], each [n, units], followed by the logits [n, 2]. */
  layers(x: Tensor): Tensor[] {
    const { weights, activation } = this;
    this.useReferenceProducts(x.shape[0]!);
    const outputs: Tensor[] = [];
    for (let i = 0; i < weights.length; i += 2) {
      const isHidden = i + 2 < weights.length;
      const options = isHidden && activation !== 'linear' ? { activation } : {};
      outputs.push(linear(outputs.at(-1) ?? x, weights[i]!, weights[i + 1]!, options));
    }
    return outputs;
  }

  /** Mean cross-entropy of a batch, plus strength * sum |w| or strength * sum w^2 over all kernels, if there is a penalty. */
  loss(x: Tensor, labels: Tensor, { penalty, strength }: Settings): Tensor {
    const loss = softmaxCrossEntropy(this.layers(x).at(-1)!, labels);
    if (penalty === 'none' || strength === 0) return loss;
    const size = penalty === 'l1' ? abs : square;
    const kernels = this.weights.filter((_, i) => i % 2 === 0);
    return kernels.reduce((total, kernel) => add(total, mul(sum(size(kernel)), strength)), loss);
  }

  dispose(): void {
    for (const weight of this.weights) weight.dispose();
  }
}

/** Creates the optimizer of the settings for these weights. */
export function optimizerOf(
  { optimizer, rate: learningRate }: Settings,
  parameters: readonly Tensor[],
): Adam | RMSprop | SGD {
  const options = { learningRate, parameters };
  switch (optimizer) {
    case 'adam':
      return new Adam(options);
    case 'rmsprop':
      return new RMSprop(options);
    case 'momentum':
      return new SGD({ ...options, momentum: 0.9 });
    case 'sgd':
      return new SGD(options);
  }
}
