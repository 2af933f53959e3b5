import { map, type NdArray, ndarray } from './ndarray.ts';
import type { Reference } from './reference.ts';
import { softmax } from './softmax.ts';

/** loss = (1/N) sum_i (log sum_j exp(x_ij) - x_i,label(i)); the logarithm is computed relative to the row's maximum. */
export const softmaxCrossEntropy: Reference<[logits: NdArray, labels: NdArray]> = {
  forward([logits, labels]) {
    const [rows = 0, classes = 0] = logits.shape;
    let loss = 0;
    for (let i = 0; i < rows; i++) {
      const row = logits.data.subarray(i * classes, (i + 1) * classes);
      const max = row.reduce((a, b) => Math.max(a, b), -Infinity);
      const sum = row.reduce((total, value) => total + Math.exp(value - max), 0);
      loss += Math.log(sum) + max - row[labels.data[i]!]!;
    }
    return ndarray([], [loss / rows]);
  },

  /** dx_ij = dout (softmax(x_i)_j - [j = label(i)]) / N; labels have no gradient. */
  backward([logits, labels], _output, dout) {
    const [rows = 0, classes = 0] = logits.shape;
    const probabilities = softmax.forward([logits], {});
    const scale = dout.data[0]! / rows;
    const dlogits = map(probabilities, (p, i) => {
      const isLabel = i % classes === labels.data[Math.floor(i / classes)];
      return scale * (p - (isLabel ? 1 : 0));
    });
    return [dlogits, null];
  },
};
