import type { Points } from './data.ts';
import { zeroLine } from './field.ts';

/** Mean loss and accuracy over some points, for each replica. */
export interface Score {
  loss: number[];
  accuracy: number[];
}

/** Results of the networks at one step of training. */
export interface Look {
  step: number;
  /** Finished epochs, including the finished part of the current one. */
  epoch: number;
  /** Probability of class 1 on the nodes of the grid (see `gridPositions`); mean over the replicas. */
  surface: Float32Array<ArrayBuffer>;
  /** Line where a replica's probability is 1/2, for each replica: segments (see `zeroLine`). */
  boundaries: Float32Array<ArrayBuffer>[];
  training: Score | null;
  test: Score | null;
  /** Outputs of the first replica's hidden units on the nodes of a smaller grid: [nodes, units] for each layer. */
  units: Float32Array<ArrayBuffer>[];
}

/** Logits [rows, 2] of each replica; the rows are the nodes of the grid, the training points and the test points. */
export interface Predictions {
  logits: Float32Array;
  replicas: number;
  gridSize: number;
}

/** ln(1 + e^x), without overflow. */
const softplus = (x: number) => Math.max(0, x) + Math.log1p(Math.exp(-Math.abs(x)));

/** Computes surface, boundaries and scores from predictions, in float64. */
export function summarize({ logits, replicas, gridSize }: Predictions, training: Points, test: Points) {
  const nodes = gridSize ** 2;
  const rows = logits.length / 2 / replicas;
  /** Log-odds of class 1, for a row of a replica. */
  const odds = (replica: number, row: number) => {
    const at = 2 * (replica * rows + row);
    return logits[at + 1]! - logits[at]!;
  };
  const all = Array.from({ length: replicas }, (_, replica) => replica);
  const surface = Float32Array.from({ length: nodes }, (_, node) =>
    all.reduce((sum, replica) => sum + 1 / (1 + Math.exp(-odds(replica, node))) / replicas, 0),
  );
  const boundaries = all.map((replica) =>
    zeroLine(
      Float64Array.from({ length: nodes }, (_, node) => odds(replica, node)),
      gridSize,
    ),
  );
  const scoreOf = ({ labels }: Points, first: number): Score | null => {
    const count = labels.length;
    if (count === 0) return null;
    const mean = (replica: number, value: (odds: number, label: number) => number) =>
      labels.reduce((sum, label, i) => sum + value(odds(replica, first + i), label), 0) / count;
    return {
      loss: all.map((replica) => mean(replica, (x, label) => softplus(label === 1 ? -x : x))),
      accuracy: all.map((replica) => mean(replica, (x, label) => (x > 0 === (label === 1) ? 1 : 0))),
    };
  };
  return {
    ...{ surface, boundaries },
    training: scoreOf(training, nodes),
    test: scoreOf(test, nodes + training.labels.length),
  };
}
