import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TrainingEntry } from '../report/run-record.ts';
import type { Callback, Model, TrainInfo } from '../training/model.ts';

/**
 * Creates callbacks that write curves and histograms of the weights for `tensorboard --logdir RUN/logs`: a folder for each replica, as
 * if it were trained alone. Unless the training is resumed, older logs are removed.
 */
export async function createTensorBoards(
  runFolder: string,
  { name, seeds }: TrainingEntry,
  isResumed: boolean,
): Promise<Callback[]> {
  const { TensorBoard } = await import('../io/tensorboard.ts');
  const folder = (seed: number) => join(runFolder, 'logs', seeds.length > 1 ? `${name}-seed-${seed}` : name);
  return seeds.map((seed, r): Callback => {
    const logDir = folder(seed);
    if (!isResumed) rmSync(logDir, { recursive: true, force: true });
    const board = new TensorBoard({ logDir, histogramFreq: 1 });
    return {
      onTrainBegin: (info: TrainInfo) => board.onTrainBegin({ model: replicaView(info.model, r) }),
      onEpochEnd: (_, replicas) => board.onEpochEnd(replicas[r]!),
    };
  });
}

/** Returns a view of a model whose weights are those of one replica. */
function replicaView(model: Model, replica: number): Model {
  if (model.replicas === 1) return model;
  const weights = model.weights.map((weight) => ({
    name: weight.name,
    tensor: {
      async data() {
        const all = (await weight.tensor.data()) as Float32Array;
        const size = all.length / model.replicas;
        return all.slice(replica * size, (replica + 1) * size);
      },
    },
  }));
  return Object.create(model, { weights: { value: weights } }) as Model;
}
