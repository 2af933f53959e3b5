import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ExperimentContext, Settings } from '../src/cli/experiment.ts';
import { Dense, Dropout, FileError, Flatten, type Layer, Rescaling, Resizing, Sequential } from '../src/index.ts';
import type { Training } from '../src/report/training.ts';
import { trainSeeds } from './seeds.ts';
import { type Confusion, earlyStopping, trainingName, VALIDATION_SPLIT } from './vgg.ts';

// Networks and trainings of B9 and B10: MobileNetV2, pretrained on ImageNet, with the small VGG's dense layers on top.

/** Height and width to which the model scales its images up. The coursework does not state them. */
export const SIDE = 96;

/** The checkpoint for 224 x 224, which Keras uses for image sizes without a checkpoint. */
export const checkpoint = { alpha: 1, rows: 224, includeTop: false } as const;

const compile = () => ({ optimizer: 'adam' as const, loss: 'sparseCategoricalCrossentropy' as const });

/** The first layer that B10 trains: Keras's 156 layers, input and head counted, without the first 36. */
const FIRST_TRAINED = 'block_4_expand';

/** From 0..1 to the -1..1 that the extractor's weights expect: Keras's `x / 127.5 - 1` of 0..255. */
const scaledPixels = { scale: 2, offset: -1 };
/** Keras's function, which expects 0..255, applied to pixels of 0..1. */
const pixelsScaledTwice = { scale: 1 / 127.5, offset: -1 };

/** Creates a model of scaling layers, extractor and head. */
async function createNetwork(
  weights: readonly string[],
  pixels: typeof scaledPixels,
  head: Layer[],
  trained: 'none' | 'last',
): Promise<Sequential> {
  // Loaded when needed: `tilegrad list` needs no Dawn.
  const { mobileNetV2 } = await import('../src/node.ts');
  const extractor = await mobileNetV2({ inputShape: [SIDE, SIDE, 3], includeTop: false, weights });
  const first = extractor.layers.indexOf(extractor.getLayer(FIRST_TRAINED));
  for (const [i, layer] of extractor.layers.entries()) layer.trainable = trained === 'last' && i >= first;
  return new Sequential([
    new Rescaling({ ...pixels, inputShape: [32, 32, 3] }),
    new Resizing({ height: SIDE, width: SIDE }),
    extractor,
    ...head,
  ]);
}

const dense = (units: number) => new Dense({ units, activation: 'relu' });
const lastLayer = () => new Dense({ units: 10, activation: 'softmax' });

/** B9: the extractor is frozen. */
const createFrozenNetwork = ({ weightFiles }: ExperimentContext, pixels: typeof scaledPixels) =>
  createNetwork(weightFiles, pixels, [new Flatten(), dense(256), dense(64), lastLayer()], 'none');

/** B10: with dropout in the head. Its weights have the same names as those of B9. */
const createFineTunedNetwork = ({ weightFiles }: ExperimentContext) =>
  createNetwork(
    weightFiles,
    scaledPixels,
    [new Flatten(), new Dropout(0.2), dense(256), new Dropout(0.3), dense(64), new Dropout(0.3), lastLayer()],
    'last',
  );

type Scales<S extends Settings> = { full: S; short: Partial<S>; smoke: Partial<S> };

export const transferSettings = {
  full: { epochs: 8, batchSize: 32, replicas: 3 },
  short: { epochs: 4, limit: 4500, testLimit: 1000, replicas: 1 },
  smoke: { epochs: 1, limit: 18, testLimit: 8, replicas: 1 },
} satisfies Scales<Settings>;

export const fineTuneSettings = {
  full: { epochs: 60, batchSize: 32, replicas: 1, headEpochs: 8 },
  short: { epochs: 3, limit: 4500, testLimit: 1000, headEpochs: 4 },
  smoke: { epochs: 1, limit: 18, testLimit: 8, headEpochs: 1 },
} satisfies Scales<FineTuneSettings>;

export type FineTuneSettings = Settings & {
  /** Epochs of B9's training, with whose weights the fine-tuning begins. */
  headEpochs: number;
};

/** Returns the path of the weights that B9 saves for B10. */
const weightsPath = (context: ExperimentContext, seed: number) =>
  join(context.folder, 'weights', `transfer-${context.scale}-seed-${seed}.safetensors`);

/** Returns the options that the trainings of B9 and B10 share. */
function sharedSpec(context: ExperimentContext) {
  const { train, test } = context.loaders('cifar10');
  return { compile, data: train, validationSplit: VALIDATION_SPLIT, testData: test, tensorBoard: true };
}

/** Trains B9. The frozen extractor's outputs are computed once for each image. The weights are saved for B10. */
export function trainTransfer(context: ExperimentContext, epochs: number): Promise<Training<Confusion>> {
  const { test } = context.loaders('cifar10');
  return trainSeeds(context, trainingName(context, 'transfer'), {
    ...sharedSpec(context),
    epochs,
    createModel: () => createFrozenNetwork(context, scaledPixels),
    cacheFeatures: true,
    async measure({ model, seed, confusion }) {
      const { saveWeights } = await import('../src/node.ts');
      await saveWeights(model, weightsPath(context, seed));
      return confusion(test);
    },
  });
}

/** Trains B9 with pixels in 0..1 for a preprocessing that expects 0..255, so images are almost black. */
export function trainTransferScaledTwice(context: ExperimentContext, epochs: number): Promise<Training<Confusion>> {
  const { test } = context.loaders('cifar10');
  const name = `${trainingName(context, 'transfer-scaled-twice')}-seed-${context.seed}`;
  return context.train(name, {
    ...sharedSpec(context),
    ...{ epochs, replicas: 1 },
    createModel: () => createFrozenNetwork(context, pixelsScaledTwice),
    cacheFeatures: true,
    measure: ({ confusion }) => confusion(test),
  });
}

/** Trains B10 from the weights of B9 with the same seed. @param head context of B9's training */
export function trainFineTuned(context: ExperimentContext, head: ExperimentContext): Promise<Training<Confusion>> {
  const { test } = context.loaders('cifar10');
  return trainSeeds(context, trainingName(context, 'fine-tuned'), (seed) => ({
    ...sharedSpec(context),
    async createModel() {
      const { loadWeights } = await import('../src/node.ts');
      const path = weightsPath(head, seed);
      if (!existsSync(path)) {
        throw new FileError(
          `B10 begins with the weights of B9, but ${path} is missing; delete ${join(head.folder, 'parts')}/transfer-*, and B9 is trained again`,
        );
      }
      const model = await createFineTunedNetwork(context);
      loadWeights(model, path);
      return model;
    },
    cacheFeatures: true,
    callbacks: earlyStopping,
    measure: ({ confusion }) => confusion(test),
  }));
}

/** Describes the extractor's weights in reports. */
export const aboutWeights =
  'The extractor has the weights that Keras publishes for MobileNetV2, alpha 1.0, trained on images of 224 x 224: the file is named under "What was run".';
