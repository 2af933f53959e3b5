import { type NdArray, ndarray } from '../reference/ndarray.ts';
import { adamwStep, clip, rmspropStep, sgdStep, slotsOf } from '../reference/optimizers.ts';
import { type DrawnOptimizer, EPSILON, rateAt } from './drawn-trainings.ts';

/** Two epochs in float64: y = (x w1 + b1) w2 + b2, mean squared error, in the order of the samples. */
export function fitLinear(
  weights: readonly NdArray[],
  data: { x: Float32Array; y: Float32Array },
  options: {
    own: readonly { l1: number; l2: number }[];
    trainable: readonly boolean[];
    optimizer: DrawnOptimizer;
    batchSize: number;
    r: number;
  },
): void {
  const { own: penalties, trainable, optimizer, batchSize, r } = options;
  const slots = weights.map(slotsOf);
  const samples = data.y.length / weights[3]!.data.length;
  let t = 0;
  for (let epoch = 0; epoch < 2; epoch++) {
    for (let first = 0; first < samples; first += batchSize) {
      t++;
      const gradients = gradientsOf(weights, data, first, Math.min(samples, first + batchSize));
      for (const [i, { l1, l2 }] of penalties.entries()) {
        const [w, g] = [weights[2 * i]!.data, gradients[2 * i]!.data];
        for (let e = 0; e < w.length; e++) g[e]! += l1 * Math.sign(w[e]!) + 2 * l2 * w[e]!;
      }
      const trained = [0, 1, 2, 3].filter((k) => trainable[k >> 1]);
      const limited = trained.map((k) => gradients[k]!);
      const clipped = Object.keys(optimizer.clip).length > 0 ? clip(limited, optimizer.clip) : limited;
      for (const [i, k] of trained.entries()) {
        const { name, ...chosen } = optimizer.kind;
        const all = { ...chosen, learningRate: rateAt(optimizer, r, t, epoch + 1) };
        if (name === 'SGD') sgdStep(weights[k]!, clipped[i]!, slots[k]!, t, all);
        else if (name === 'RMSprop') rmspropStep(weights[k]!, clipped[i]!, slots[k]!, t, { ...all, epsilon: EPSILON });
        else adamwStep(weights[k]!, clipped[i]!, slots[k]!, t, { weightDecay: 0, ...all, epsilon: EPSILON });
      }
    }
  }
}

/** Of w1 [I,U], b1 [U], w2 [U,O], b2 [O], for the samples from `first` to before `end`. */
function gradientsOf(
  weights: readonly NdArray[],
  { x, y }: { x: Float32Array; y: Float32Array },
  first: number,
  end: number,
) {
  const [w1, b1, w2, b2] = weights.map(({ data }) => data) as [Float64Array, Float64Array, Float64Array, Float64Array];
  const gradients = weights.map(({ shape }) => ndarray(shape));
  const [d1, e1, d2, e2] = gradients.map(({ data }) => data);
  const [U, O, I] = [b1.length, b2.length, w1.length / b1.length];
  for (let n = first; n < end; n++) {
    const h = Array.from(b1, (b, u) => {
      let sum = b;
      for (let i = 0; i < I; i++) sum += x[n * I + i]! * w1[i * U + u]!;
      return sum;
    });
    for (let o = 0; o < O; o++) {
      const output = h.reduce((sum, value, u) => sum + value * w2[u * O + o]!, b2[o]!);
      const d = (2 * (output - y[n * O + o]!)) / (O * (end - first));
      e2![o]! += d;
      for (let u = 0; u < U; u++) {
        d2![u * O + o]! += d * h[u]!;
        e1![u]! += d * w2[u * O + o]!;
        for (let i = 0; i < I; i++) d1![i * U + u]! += d * w2[u * O + o]! * x[n * I + i]!;
      }
    }
  }
  return gradients;
}
