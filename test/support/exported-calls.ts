import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Device, ImageSet, Tensor } from '../../src/node.ts';
import * as tg from '../../src/node.ts';
import { solidPng } from '../data/pictures.ts';
import { drawImages } from './images.ts';
import { operatorOptions } from './operator-options.ts';
import { reportCalls } from './report-calls.ts';

/** Objects that calls use. */
export interface World {
  device: Device;
  /** A separate folder: the working folder. */
  folder: string;
}

/** One way to call what is exported. */
export interface Call {
  /** Arguments that fit. */
  args: (world: World) => unknown[];
  /** Calls it; default: as it is exported, with `new` for a class. */
  run?: (...args: never[]) => unknown;
  /** Arguments, from the first, that stay as they are: what a method is called on. */
  fixed?: number;
  /** Names of options of the last argument. */
  options?: readonly string[];
  /** How often it is called, compared with others. Default 1. */
  share?: number;
}

const ones = (device: Device, shape: number[], dtype: 'f32' | 'u32' | 'i32' = 'f32', requiresGrad = false): Tensor =>
  tg.tensor(device, new Array(shape.reduce((a, b) => a * b, 1)).fill(1), shape, { dtype, requiresGrad });
const images = (): ImageSet => drawImages(6, { shape: [4, 4, 1], classes: 2 });
const dense = (units = 1) => new tg.Dense({ units, inputShape: [2], activation: 'sigmoid' });
const newModel = () => new tg.Sequential([dense()]);
const builtModel = ({ device }: World) => newModel().build(device);
const model = (world: World) => builtModel(world).compile({ optimizer: 'sgd', loss: 'binaryCrossentropy' });
const data = () => ({ x: [[0, 1], [1, 0], [1, 1]], y: [0, 1, 1] }); // biome-ignore format: as rows
const samples = ({ device }: World) => new tg.ArrayLoader(device, { ...data(), shape: [2], classes: 2 });
const namedArrays = () => new Map([['a', { shape: [2], data: new Float32Array(2) }]]);
const program = ({ device }: World) => {
  const x = ones(device, [2]);
  return device.record(() => void tg.relu(x).dispose());
};

/** An optimizer whose parameter has a gradient. */
function trainer(device: Device): tg.Adam {
  const w = ones(device, [2], 'f32', true);
  const optimizer = new tg.Adam({ parameters: [w] });
  w.grad = ones(device, [2]);
  return optimizer;
}

/** Shapes of an operator's tensors, and what else comes before its options. */
const operators: Record<string, [shapes: (number[] | 'labels')[], ...more: unknown[]]> = {
  avgPool2d: [[[1, 4, 4, 2]]],
  maxPool2d: [[[1, 4, 4, 2]]],
  globalAveragePool2d: [[[1, 4, 4, 2]]],
  batchNorm: [[[3, 2], [2], [2]]],
  batchNormInference: [[[3, 2], [2], [2], [2], [2]]],
  biasAdd: [[[3, 2], [2]]],
  binaryCrossentropy: [
    [
      [3, 1],
      [3, 1],
    ],
  ],
  categoricalCrossentropy: [
    [
      [3, 2],
      [3, 2],
    ],
  ],
  sparseCategoricalCrossentropy: [[[3, 2], 'labels']],
  softmaxCrossEntropy: [[[3, 2], 'labels']],
  softmaxCrossEntropyWithHits: [[[3, 2], 'labels']],
  huber: [
    [
      [3, 2],
      [3, 2],
    ],
  ],
  meanAbsoluteError: [
    [
      [3, 2],
      [3, 2],
    ],
  ],
  meanSquaredError: [
    [
      [3, 2],
      [3, 2],
    ],
  ],
  conv2d: [
    [
      [1, 4, 4, 2],
      [3, 3, 2, 4],
    ],
    null,
  ],
  depthwiseConv2d: [
    [
      [1, 4, 4, 2],
      [3, 3, 2, 1],
    ],
    null,
  ],
  linear: [
    [
      [3, 2],
      [2, 4],
    ],
    null,
  ],
  matmul: [
    [
      [3, 2],
      [2, 4],
    ],
  ],
  cast: [[[3, 2]], 'u32'],
  expandDims: [[[3, 2]], 0],
  squeeze: [[[3, 1]], 1],
  reshape: [[[3, 2]], [2, 3]],
  transpose: [[[3, 2]], [1, 0]],
  pad: [[[3, 2]], [[0, 1], [1, 0]]], // biome-ignore format: as pairs
  slice: [[[3, 2]], [0, 0], [1, 1]],
  split: [[[4, 2]], 2, 0],
  gather: [[[3, 2], 'labels'], 0],
  oneHot: [['labels'], 2],
  resize: [[[1, 4, 4, 2]], [2, 2]],
  where: [[[2], [2], [2]]],
};
for (const name of [
  'add',
  'sub',
  'mul',
  'div',
  'maximum',
  'minimum',
  'pow',
  'equal',
  'notEqual',
  'less',
  'lessEqual',
]) {
  operators[name] = [[[2], [2]]];
}
for (const name of ['greater', 'greaterEqual', 'logicalAnd', 'logicalOr']) operators[name] = [[[2], [2]]];
for (const name of [
  'abs',
  'clip',
  'elu',
  'exp',
  'gelu',
  'isNan',
  'leakyRelu',
  'log',
  'logicalNot',
  'neg',
  'reciprocal',
]) {
  operators[name] = [[[3, 2]]];
}
for (const name of [
  'relu',
  'relu6',
  'rsqrt',
  'sigmoid',
  'sign',
  'softplus',
  'sqrt',
  'square',
  'tanh',
  'softmax',
  'logSoftmax',
  'dropout',
]) {
  operators[name] = [[[3, 2]]];
}
for (const name of ['argmax', 'argmin', 'max', 'mean', 'min', 'sum', 'variance']) operators[name] = [[[3, 2]]];

function operatorCalls(): Record<string, Call> {
  const good: Record<string, object> = {
    dropout: { rate: 0.5 },
    avgPool2d: { poolSize: 2 },
    maxPool2d: { poolSize: 2 },
  };
  good.clip = { min: 0, max: 1 };
  return Object.fromEntries(
    Object.entries(operators).map(([name, [shapes, ...more]]) => {
      const options = operatorOptions[name];
      const args = ({ device }: World) => [
        ...shapes.map((shape) => (shape === 'labels' ? ones(device, [3], 'u32') : ones(device, shape, 'f32', true))),
        ...more,
        ...(options ? [good[name] ?? {}] : []),
      ];
      return [name, { args, ...(options ? { options } : {}) }];
    }),
  );
}

const LAYER = ['name', 'inputShape', 'trainable'];
const KERNEL = [...LAYER, 'useBias', 'kernelInitializer', 'biasInitializer', 'kernelRegularizer', 'activation'];
const MONITOR = ['monitor', 'mode'];
const SAMPLING = ['seed', 'fillMode', 'interpolation', 'fillValue'];
const layers: Record<string, Call> = {
  Activation: { args: () => ['relu', {}], options: LAYER },
  Add: { args: () => [{}], options: LAYER },
  Average: { args: () => [{}], options: LAYER },
  Concatenate: { args: () => [{}], options: [...LAYER, 'axis'] },
  Maximum: { args: () => [{}], options: LAYER },
  Minimum: { args: () => [{}], options: LAYER },
  Multiply: { args: () => [{}], options: LAYER },
  Subtract: { args: () => [{}], options: LAYER },
  AveragePooling2D: { args: () => [{}], options: [...LAYER, 'poolSize', 'strides', 'padding'] },
  MaxPooling2D: { args: () => [{}], options: [...LAYER, 'poolSize', 'strides', 'padding'] },
  GlobalAveragePooling2D: { args: () => [{}], options: LAYER },
  BatchNormalization: { args: () => [{}], options: [...LAYER, 'axis', 'momentum', 'epsilon', 'center', 'scale'] },
  Conv2D: {
    args: () => [{ filters: 2, kernelSize: 3 }],
    options: [...KERNEL, 'filters', 'kernelSize', 'strides', 'padding', 'dilation', 'dilationRate'],
  },
  DepthwiseConv2D: {
    args: () => [{ kernelSize: 3 }],
    options: [...KERNEL, 'kernelSize', 'strides', 'depthMultiplier'],
  },
  Dense: { args: () => [{ units: 2 }], options: [...KERNEL, 'units'] },
  Dropout: { args: () => [0.5, {}], options: LAYER },
  Flatten: { args: () => [{}], options: LAYER },
  Lambda: { args: () => [(x: Tensor) => x, {}], options: [...LAYER, 'outputShape', 'deterministic'] },
  LeakyReLU: { args: () => [{}], options: [...LAYER, 'negativeSlope', 'alpha'] },
  ReLU: { args: () => [{}], options: [...LAYER, 'maxValue', 'negativeSlope', 'threshold'] },
  Permute: { args: () => [[2, 1, 3], {}], options: LAYER },
  Rescaling: { args: () => [{ scale: 2 }], options: [...LAYER, 'scale', 'offset'] },
  RandomContrast: { args: () => [{ factor: 0.2 }], options: [...LAYER, 'seed', 'factor', 'valueRange'] },
  RandomCrop: { args: () => [{ height: 2, width: 2 }], options: [...LAYER, 'seed', 'height', 'width'] },
  RandomErasing: { args: () => [{}], options: [...LAYER, 'seed', 'factor', 'scale', 'fillValue', 'valueRange'] },
  RandomFlip: { args: () => [{}], options: [...LAYER, 'seed', 'mode'] },
  RandomRotation: { args: () => [{ factor: 0.2 }], options: [...LAYER, ...SAMPLING, 'factor'] },
  RandomTranslation: {
    args: () => [{ heightFactor: 0.2, widthFactor: [0, 0.2] }],
    options: [...LAYER, ...SAMPLING, 'heightFactor', 'widthFactor'],
  },
  RandomZoom: { args: () => [{ heightFactor: 0.2 }], options: [...LAYER, ...SAMPLING, 'heightFactor', 'widthFactor'] },
  Reshape: { args: () => [[16], {}], options: LAYER },
  Resizing: { args: () => [{ height: 2, width: 2 }], options: [...LAYER, 'height', 'width', 'interpolation'] },
  ZeroPadding2D: { args: () => [{}], options: [...LAYER, 'padding'] },
};
const exported: Record<string, unknown> = { ...tg };
/** A layer that is constructed with these arguments, applied, built into a model and run. */
function layerUses(): Record<string, Call> {
  const inputs = (name: string) => (/^(Add|Average|Concatenate|Maximum|Minimum|Multiply|Subtract)$/.test(name) ? 2 : 1);
  return Object.fromEntries(
    Object.entries(layers).map(([name, { args, options }]) => {
      const Class = exported[name] as new (...args: unknown[]) => tg.Layer;
      const use: Call = {
        args: (world) => [world, ...args(world)],
        fixed: 1,
        async run({ device }: World, ...given: unknown[]) {
          const layer = new Class(...given);
          const x = tg.input([4, 4, 2]);
          const y = layer.apply(inputs(name) === 2 ? [x, x] : x);
          using whole = new tg.Model({ inputs: x, outputs: y }).build(device);
          tg.modelConfig(whole);
          if (name.startsWith('Random')) whole.call(ones(device, [2, 4, 4, 2]), { training: true }).dispose();
          return whole.predict(new Float32Array(32));
        },
        ...(options ? { options } : {}),
      };
      return [`${name} in a model`, use];
    }),
  );
}

const SEARCH = [
  'buildModel',
  'objective',
  'directory',
  'name',
  'seed',
  'executionsPerTrial',
  'overwrite',
  'maxConsecutiveFailures',
  'saveFreq',
  'device',
  'runner',
  'onTrialBegin',
  'onTrialEnd',
];
const PRUNED = ['pruning', 'parallelTrials'];
let searches = 0;
/** Options of a separate search. */
const searchOptions = ({ device, folder }: World, more: object) => ({
  buildModel(hp: tg.HyperParameters) {
    hp.int('units', { min: 1, max: 3 });
    return newModel().compile({ optimizer: 'sgd', loss: 'binaryCrossentropy' });
  },
  objective: 'loss',
  directory: join(folder, `search-${searches++}`),
  device,
  ...more,
});
const search = (world: World) => new tg.RandomSearch(searchOptions(world, { maxTrials: 1 }));

const CLIP = ['learningRate', 'clipNorm', 'globalClipNorm', 'clipValue', 'gradientAccumulationSteps', 'parameters'];
const classes: Record<string, Call> = {
  ...layers,
  Layer: {
    args: () => [{}],
    options: LAYER,
    run: (...args: never[]) =>
      new (class Own extends (tg.Layer as unknown as new (...args: never[]) => object) {})(...args),
  },
  HyperParameters: { args: () => [{ values: { units: 8 } }], options: ['values', 'draw'] },
  Adam: { args: () => [{}], options: [...CLIP, 'beta1', 'beta2', 'epsilon'] },
  AdamW: { args: () => [{}], options: [...CLIP, 'beta1', 'beta2', 'epsilon', 'weightDecay'] },
  RMSprop: { args: () => [{}], options: [...CLIP, 'rho', 'momentum', 'epsilon', 'centered'] },
  SGD: { args: () => [{}], options: [...CLIP, 'momentum', 'nesterov'] },
  BinaryCrossentropy: { args: () => [{}], options: ['fromLogits', 'labelSmoothing'] },
  CategoricalCrossentropy: { args: () => [{}], options: ['fromLogits', 'labelSmoothing'] },
  SparseCategoricalCrossentropy: { args: () => [{}], options: ['fromLogits'] },
  MeanSquaredError: { args: () => [{}] },
  MeanAbsoluteError: { args: () => [{}] },
  Huber: { args: () => [{}], options: ['delta'] },
  CustomMetric: { args: () => [(y: Tensor, t: Tensor) => tg.abs(tg.sub(y, t)), 'error'] },
  CustomLoss: { args: () => [(y: Tensor, t: Tensor) => tg.mean(tg.square(tg.sub(y, t)))] },
  EarlyStopping: {
    args: () => [{}],
    options: [...MONITOR, 'minDelta', 'patience', 'baseline', 'restoreBestWeights', 'startFromEpoch'],
  },
  ReduceLROnPlateau: {
    args: () => [{}],
    options: [...MONITOR, 'factor', 'patience', 'minDelta', 'cooldown', 'minLearningRate'],
  },
  LearningRateScheduler: { args: () => [() => 0.1] },
  LambdaCallback: {
    args: () => [{ onEpochEnd: () => {} }],
    options: [
      'onTrainBegin',
      'onFeatures',
      'onEpochBegin',
      'onBatchEnd',
      'everySteps',
      'onSteps',
      'onEpochEnd',
      'onTrainEnd',
    ],
  },
  ProgressLine: { args: () => [() => {}, () => {}] },
  TerminateOnNaN: { args: () => [{}] },
  CSVLogger: { args: ({ folder }) => [join(folder, 'log.csv'), {}], options: ['append', 'separator'] },
  JSONLLogger: { args: ({ folder }) => [join(folder, 'log.jsonl'), {}], options: ['append'] },
  ModelCheckpoint: {
    args: ({ folder }) => [{ path: join(folder, 'c.safetensors') }],
    options: ['path', ...MONITOR, 'saveBestOnly', 'saveWeightsOnly', 'initialValueThreshold', 'overwrite'],
  },
  BackupAndRestore: {
    args: ({ folder }) => [{ path: join(folder, 'b.safetensors') }],
    options: ['path', 'saveFreq', 'deleteCheckpoint'],
  },
  TensorBoard: { args: ({ folder }) => [{ logDir: folder }], options: ['logDir', 'histogramFreq', 'writeGraph'] },
  RandomSearch: {
    args: (world) => [searchOptions(world, { maxTrials: 1 })],
    options: [...SEARCH, ...PRUNED, 'maxTrials'],
  },
  GridSearch: {
    args: (world) => [searchOptions(world, { maxTrials: 1 })],
    options: [...SEARCH, ...PRUNED, 'maxTrials'],
  },
  BayesianOptimization: {
    args: (world) => [searchOptions(world, { maxTrials: 1 })],
    options: [...SEARCH, ...PRUNED, 'maxTrials', 'numInitialPoints'],
  },
  Hyperband: {
    args: (world) => [searchOptions(world, { maxEpochs: 2 })],
    options: [...SEARCH, 'maxEpochs', 'factor', 'hyperbandIterations'],
  },
  ArrayLoader: {
    args: ({ device }) => [device, { ...data(), shape: [2], classes: 2 }],
    options: ['x', 'y', 'shape', 'classes', 'targetShape'],
  },
  ImageLoader: { args: ({ device }) => [device, images(), {}], options: ['scale', 'offset'] },
  Model: {
    args: () => {
      const x = tg.input([2]);
      return [{ inputs: x, outputs: dense().apply(x) }];
    },
    options: ['inputs', 'outputs', 'name'],
  },
  Sequential: { args: () => [[dense()], 'name'] },
  ConfusionMatrix: { args: () => [[[1, 2], [3, 4]], ['a', 'b']] }, // biome-ignore format: as a matrix
  SymbolicTensor: { args: () => [[2]] },
  WeightCopy: { args: (world) => [builtModel(world).parameters] },
};

const FETCH = ['dir', 'baseUrl', 'signal', 'onProgress', 'maxFailures', 'stallTimeout'];
function withPicture(folder: string): string {
  mkdirSync(join(folder, 'a'), { recursive: true });
  writeFileSync(join(folder, 'a/1.png'), solidPng([1, 2, 3]));
  return folder;
}
const PICTURES = ['size', 'colorMode', 'cropToAspectRatio', 'interpolation', 'background', 'classNames'];
const functions: Record<string, Call> = {
  ...operatorCalls(),
  concat: { args: ({ device }) => [[ones(device, [2, 2]), ones(device, [1, 2])], 0] },
  stack: { args: ({ device }) => [[ones(device, [2]), ones(device, [2])], 0] },
  tensor: { args: ({ device }) => [device, [1, 2], [2], {}], options: ['dtype', 'requiresGrad', 'replicas', 'models'] },
  scope: { args: ({ device }) => [device, () => 1] },
  noGrad: { args: () => [() => 1] },
  compileStep: { args: ({ device }) => [device, (x: Tensor) => x] },
  input: { args: () => [[2]] },
  glorotUniform: { args: () => [[2, 3], { uniform: () => 0.5 }] },
  zeros: { args: () => [[2, 3]] },
  chooseClasses: { args: () => [images(), [0, 1]] },
  choosePerClass: { args: () => [images(), 1, {}], options: ['seed'] },
  firstImages: { args: () => [images(), 2] },
  pickImages: { args: () => [images(), [0, 2]] },
  splitIndices: { args: () => [[0, 0, 1, 1, 0, 1], { testSize: 2 }], options: ['testSize', 'seed', 'stratify'] },
  imageFolder: {
    args: ({ folder }) => [withPicture(join(folder, 'pictures')), { size: [2, 2] }],
    options: [...PICTURES, 'labels', 'followLinks', 'maxPixels', 'maxBytes', 'signal', 'onProgress'],
  },
  imagesFrom: {
    args: () => [[{ width: 1, height: 2, data: new Uint8ClampedArray(8) }], { size: [2, 2], labels: ['a'] }],
    options: [...PICTURES, 'labels'],
  },
  trainTestSplit: {
    args: () => [images(), { testSize: 0.5, stratify: true }],
    options: ['testSize', 'seed', 'stratify'],
  },
  standardization: { args: () => [[1, 2, 3, 4], 2] },
  rescale: { args: () => [[1, 2], { scale: 1, offset: 0 }], options: ['scale', 'offset'] },
  scaleTo: { args: () => [0, 1] },
  toCategorical: { args: () => [[0, 1, 2], 3] },
  giniIndex: { args: () => [[1, 2, 3]] },
  hoyerSparsity: { args: () => [[1, 2, 3]] },
  nearZeroShare: { args: () => [[1, 2, 3], 0.1] },
  confusionMatrix: { args: (world) => [model(world), data(), {}], options: ['batchSize', 'signal', 'replica'] },
  mobileNetV2: {
    args: () => [{ inputShape: [32, 32, 3], classes: 2, alpha: 0.35 }],
    options: ['inputShape', 'classes', 'alpha', 'weights', 'rows', 'download'],
    share: 0.2,
  },
  modelConfig: { args: () => [newModel()] },
  modelFromConfig: { args: () => [tg.modelConfig(newModel()), {}] },
  encodeModel: { args: (world) => [builtModel(world)] },
  encodeWeights: { args: (world) => [builtModel(world)] },
  decodeModel: { args: ({ device }) => [new Uint8Array(40), device, {}], options: ['replica', 'layers'] },
  decodeWeights: {
    args: (world) => [builtModel(world), new Uint8Array(40), {}],
    options: ['replica', 'prefix', 'partial', 'strict'],
  },
  decodeKeras: { args: () => [new Uint8Array(40), {}], options: ['customLayers', 'inputShape'] },
  loadKeras: { args: ({ folder }) => [join(folder, 'm.keras'), {}], options: ['customLayers', 'inputShape'] },
  readKerasWeights: { args: () => [new Uint8Array(40)] },
  decodeKerasWeights: { args: (world) => [builtModel(world), new Uint8Array(40), {}], options: ['prefix', 'byName'] },
  loadKerasWeights: {
    args: (world) => [builtModel(world), join(world.folder, 'w.h5'), {}],
    options: ['prefix', 'byName'],
  },
  decodeNpy: { args: () => [tg.encodeNpy({ shape: [2], data: new Float32Array(2) })] },
  encodeNpy: { args: () => [{ shape: [2], data: new Float32Array(2) }] },
  decodeSafetensors: { args: () => [tg.encodeSafetensors(namedArrays())] },
  encodeSafetensors: { args: () => [namedArrays(), { note: 'x' }] },
  saveModel: { args: (world) => [builtModel(world), join(world.folder, 'm.safetensors')] },
  saveWeights: { args: (world) => [builtModel(world), join(world.folder, 'w.safetensors')] },
  saveNpy: { args: ({ folder }) => [join(folder, 'a.npy'), { shape: [2], data: new Float32Array(2) }] },
  saveSafetensors: {
    args: ({ folder }) => [join(folder, 's.safetensors'), namedArrays()],
  },
  loadModel: {
    args: ({ device, folder }) => [join(folder, 'm.safetensors'), device, {}],
    options: ['replica', 'layers'],
  },
  loadWeights: {
    args: (world) => [builtModel(world), join(world.folder, 'w.safetensors'), {}],
    options: ['replica', 'prefix', 'partial'],
  },
  loadNpy: { args: ({ folder }) => [join(folder, 'a.npy')] },
  loadSafetensors: { args: ({ folder }) => [join(folder, 's.safetensors')] },
  loadDataset: { args: ({ folder }) => ['mnist', { dir: folder }], options: ['dir', 'limit'] },
  datasetStatus: { args: ({ folder }) => ['mnist', { dir: folder }], options: ['dir'] },
  fetchDataset: { args: ({ folder }) => ['mnist', { dir: folder, maxFailures: 1, retryDelay: 0 }], options: FETCH },
  openDevice: {
    args: () => [{}],
    options: ['powerPreference', 'gpu', 'flags', 'fineTimestamps', 'keepBytes'],
    share: 0.3,
    run: openAndDispose,
  },
  chromeTrace: {
    args: ({ device }) => [{ adapter: device.info, clock: 'timestamps', step: { ms: 1 }, dispatches: [], kernels: [] }],
    options: ['adapter', 'clock', 'step', 'dispatches', 'kernels'],
  },
  measureCeilings: { args: ({ device }) => [device], share: 0.05 },
  problemsOf: { args: (world) => [model(world), 2] },
  loadTuning: { args: ({ device, folder }) => [device, { folder }], options: ['folder', 'warn'] },
  tune: {
    args: ({ device, folder }) => [device, [], { folder, seconds: 0.01 }],
    options: ['folder', 'warn', 'seconds', 'signal', 'onTuned', 'onFailed'],
    share: 0.2,
  },
  profileProgram: {
    args: (world) => [world.device, program(world), { seconds: 0.001, ceilings: { fmaGflops: 1, copyGBs: 1 } }],
    options: ['seconds', 'now', 'run'],
    share: 0.2,
  },
  profileStep: {
    args: (world) => [model(world), samples(world), { seconds: 0.001, ceilings: { fmaGflops: 1, copyGBs: 1 } }],
    options: ['seconds', 'now', 'batchSize'],
    share: 0.2,
  },
};

async function openAndDispose(...args: never[]): Promise<void> {
  (await (tg.openDevice as (...args: never[]) => Promise<Device>)(...args)).dispose();
}

const shapes: [string, () => unknown[], (readonly string[])?][] = [
  ['constant', () => [0.5]],
  ['glorotNormal', () => [[2, 3], new tg2Random()]],
  ['glorotUniform', () => [[2, 3], new tg2Random()]],
  ['heNormal', () => [[2, 3], new tg2Random()]],
  ['heUniform', () => [[2, 3], new tg2Random()]],
  ['lecunNormal', () => [[2, 3], new tg2Random()]],
  ['lecunUniform', () => [[2, 3], new tg2Random()]],
  ['ones', () => [[2, 3]]],
  ['zeros', () => [[2, 3]]],
  ['orthogonal', () => [{}], ['gain']],
  ['randomNormal', () => [{}], ['mean', 'deviation', 'stddev']],
  ['randomUniform', () => [{}], ['low', 'high', 'minValue', 'maxValue']],
  ['truncatedNormal', () => [{}], ['mean', 'deviation', 'stddev']],
  ['initializerConfig', () => [() => new Float32Array(1)]],
];
/** Draws as initializers do. */
class tg2Random {
  uniform(): number {
    return 0.5;
  }
  normal(): number {
    return 0.1;
  }
}
const spaces: Record<string, Call> = {
  'initializers.initializerOf': { args: () => ['x', 'zeros'], fixed: 1 },
  ...Object.fromEntries(
    shapes.map(([name, args, options]) => [`initializers.${name}`, { args, ...(options ? { options } : {}) }]),
  ),
  'regularizers.l1': { args: () => [0.1] },
  'regularizers.l2': { args: () => [0.1] },
  'regularizers.l1l2': { args: () => [{}], options: ['l1', 'l2'] },
  'regularizers.regularizerOf': { args: () => ['x', 'l2'], fixed: 1 },
  'schedules.constant': { args: () => [0.1] },
  'schedules.cosineDecay': {
    args: () => [{ rate: 0.1, steps: 10 }],
    options: ['rate', 'initialRate', 'steps', 'alpha', 'decaySteps', 'initialLearningRate'],
  },
  'schedules.exponentialDecay': {
    args: () => [{ initialLearningRate: 0.1, decaySteps: 10, decayRate: 0.9 }],
    options: ['initialLearningRate', 'decaySteps', 'decayRate', 'staircase'],
  },
  'schedules.piecewiseConstantDecay': {
    args: () => [{ boundaries: [1], values: [0.1, 0.2] }],
    options: ['boundaries', 'values'],
  },
  'schedules.warmUp': { args: () => [{ steps: 4, target: 0.01 }], options: ['steps', 'target', 'initial', 'after'] },
};

const FIT = [
  'batchSize',
  'seed',
  'shuffle',
  'validationData',
  'validationSplit',
  'classWeight',
  'callbacks',
  'initialEpoch',
  'signal',
  'replicas',
  'cacheFeatures',
  'stepsPerEpoch',
  'validationSteps',
];
const callMethod =
  (method: string) =>
  (it: Record<string, (...args: never[]) => unknown>, ...args: never[]) =>
    it[method]!(...args);
const methodCall = (
  method: string,
  args: (world: World) => unknown[],
  options?: readonly string[],
  share?: number,
): Call => ({
  args,
  run: callMethod(method) as unknown as NonNullable<Call['run']>,
  fixed: 1,
  ...(options ? { options } : {}),
  ...(share ? { share } : {}),
});
const HOOKS = [
  'onTrainBegin',
  'onFeatures',
  'onEpochBegin',
  'onBatchEnd',
  'everySteps',
  'onSteps',
  'onEpochEnd',
  'onTrainEnd',
  'onSafePoint',
  'state',
  'restore',
];
/** As a builder gets it, asked for one hyperparameter already. */
function askedHyperParameters(): tg.HyperParameters {
  const hp = new tg.HyperParameters({ values: { kind: 'cnn' } });
  hp.choice('kind', ['mlp', 'cnn']);
  return hp;
}
const RANGE = ['min', 'max', 'step', 'sampling', 'default'];
const methods: Record<string, Call> = {
  'HyperParameters.int': methodCall('int', () => [askedHyperParameters(), 'units', { min: 1, max: 8 }], RANGE),
  'HyperParameters.float': methodCall('float', () => [askedHyperParameters(), 'rate', { min: 0.1, max: 0.8 }], RANGE),
  'HyperParameters.choice': methodCall('choice', () => [askedHyperParameters(), 'size', [3, 5], {}], [
    'ordered',
    'default',
  ]),
  'HyperParameters.boolean': methodCall('boolean', () => [askedHyperParameters(), 'pool', {}], ['default']),
  'HyperParameters.fixed': methodCall('fixed', () => [askedHyperParameters(), 'classes', 10]),
  'HyperParameters.conditionalScope': methodCall('conditionalScope', () => [
    askedHyperParameters(),
    'kind',
    ['cnn'],
    () => 1,
  ]),
  'HyperParameters.get': methodCall('get', () => [askedHyperParameters(), 'kind']),
  'Model.build': methodCall('build', ({ device }) => [newModel(), device, { seed: [3, 9] }], ['seed', 'replicas']),
  'Model.setInitialWeights': methodCall(
    'setInitialWeights',
    () => [newModel(), new Map([['dense/bias', { shape: [1], data: [1] }]]), {}],
    ['partial'],
  ),
  'Model.getWeights': methodCall('getWeights', (world) => [builtModel(world)]),
  'Model.setWeights': methodCall('setWeights', (world) => [builtModel(world), [[[1], [2]], [3]]]),
  'Model.replicate': methodCall('replicate', (world) => [builtModel(world), 2]),
  'Model.compile': methodCall(
    'compile',
    (world) => [builtModel(world), { optimizer: 'sgd', loss: 'binaryCrossentropy' }],
    ['optimizer', 'loss', 'metrics'],
  ),
  'Model.call': methodCall('call', (world) => [builtModel(world), ones(world.device, [3, 2]), {}], [
    'training',
    'seed',
    'step',
  ]),
  'Model.callLogits': methodCall('callLogits', (world) => [builtModel(world), ones(world.device, [3, 2]), {}], [
    'training',
    'seed',
    'step',
  ]),
  'Model.fit': methodCall('fit', (world) => [model(world), data(), { epochs: 1 }], FIT, 3),
  'Model.evaluate': methodCall('evaluate', (world) => [model(world), data(), {}], [
    'batchSize',
    'signal',
    'steps',
    'classWeight',
  ]),
  'Model.evaluateReplicas': methodCall('evaluateReplicas', (world) => [model(world), data(), {}], [
    'batchSize',
    'signal',
  ]),
  'Model.predict': methodCall('predict', (world) => [model(world), data().x, {}], ['batchSize', 'rows', 'signal']),
  'Model.trainOnBatch': methodCall('trainOnBatch', (world) => [model(world), data().x, data().y, {}], [
    'classWeight',
    'seed',
  ]),
  'Model.testOnBatch': methodCall('testOnBatch', (world) => [model(world), data().x, data().y]),
  'Model.getLayer': methodCall('getLayer', () => [newModel(), 'dense']),
  'Model.summary': methodCall('summary', () => [newModel()]),
  'Model.countParams': methodCall('countParams', () => [newModel()]),
  'Model.getConfig': methodCall('getConfig', () => [newModel()]),
  'Model.dispose': methodCall('dispose', (world) => [model(world)]),
  'RandomSearch.search': methodCall(
    'search',
    (world) => [search(world), data(), { epochs: 1 }],
    FIT.filter((name) => !['seed', 'replicas', 'initialEpoch'].includes(name)),
    0.5,
  ),
  'RandomSearch.resultsSummary': methodCall('resultsSummary', (world) => [search(world), 3]),
  'RandomSearch.trialSummary': methodCall('trialSummary', (world) => [search(world), 0]),
  'RandomSearch.bestHyperparameters': methodCall('bestHyperparameters', (world) => [search(world), 1]),
  'RandomSearch.bestModels': methodCall('bestModels', (world) => [search(world), 1]),
  'Layer.apply': methodCall('apply', () => [dense(), tg.input([2])]),
  'Tensor.backward': methodCall(
    'backward',
    ({ device }) => [tg.square(ones(device, [2], 'f32', true)), ones(device, [2]), {}],
    ['retainGraph'],
  ),
  'Tensor.assign': methodCall('assign', ({ device }) => [ones(device, [2]), [3, 4]]),
  'Tensor.clearGrad': methodCall('clearGrad', ({ device }) => [ones(device, [2])]),
  'Tensor.detach': methodCall('detach', ({ device }) => [ones(device, [2])]),
  'Adam.step': methodCall('step', ({ device }) => [trainer(device)]),
  'Adam.clearGrad': methodCall('clearGrad', ({ device }) => [trainer(device)]),
  'a compiled step': {
    args: ({ device }) => [device, [[1, 2]], ones(device, [1, 2])],
    fixed: 1,
    run(device: Device, ...inputs: never[]) {
      using step = tg.compileStep(device, (x, y) => tg.sub(x!, y!));
      step(...(inputs as unknown as [Tensor, Tensor]));
    },
  },
  'Tensor.data': methodCall('data', ({ device }) => [ones(device, [2])]),
  'Tensor.text': methodCall('text', ({ device }) => [ones(device, [2])]),
  'Tensor.toString': methodCall('toString', ({ device }) => [ones(device, [2])]),
  'Tensor.item': methodCall('item', ({ device }) => [ones(device, [1])]),
  'Tensor.dispose': methodCall('dispose', ({ device }) => [ones(device, [1])]),
  'Tensor.grad': {
    args: ({ device }) => [ones(device, [2], 'f32', true), ones(device, [2])],
    run: (x: Tensor, grad: Tensor) => {
      x.grad = grad;
    },
    fixed: 1,
  },
  'Device.open': {
    args: () => [(globalThis as { notThere?: unknown }).notThere, {}],
    run: tg.Device.open as never,
    options: ['powerPreference', 'onDispose', 'wait', 'keepBytes', 'hostMemory'],
  },
  'Device.record': methodCall('record', ({ device }) => [device, () => {}]),
  'Device.allocate': methodCall('allocate', ({ device }) => [device, 16]),
  'Device.read': methodCall('read', ({ device }) => [device, ones(device, [2]).array.storage, 8]),
  'Device.sync': methodCall('sync', ({ device }) => [device]),
  'Device.ready': methodCall('ready', ({ device }) => [device]),
  'Device.track': {
    args: ({ device }) => [device, { onDispose: () => {} }],
    fixed: 1,
    options: ['onDispose'],
    run: (device: Device, ...args: never[]) => device.track(...(args as [])).stop(),
  },
  'Device.flush': methodCall('flush', ({ device }) => [device]),
  'Device.trim': methodCall('trim', ({ device }) => [device]),
  'Device.idle': methodCall('idle', ({ device }) => [device]),
  'Device.noteRate': methodCall('noteRate', ({ device }) => [device, 1e9, 10]),
  'ConfusionMatrix.of': {
    args: () => [
      [0, 1],
      [0, 1],
      ['a', 'b'],
    ],
    run: tg.ConfusionMatrix.of as never,
  },
  'a callback of fit': {
    args: (world) => [world, { onEpochEnd: () => {} }],
    fixed: 1,
    options: HOOKS,
    run: (world: World, callback: object) => model(world).fit(data(), { epochs: 2, callbacks: [callback] }),
    share: 2,
  },
  'callbacks of fit': {
    args: (world) => [world, [{ onEpochEnd: () => {} }]],
    fixed: 1,
    run: (world: World, callbacks: []) => model(world).fit(data(), { callbacks }),
  },
  'a batch of a stream': {
    args: (world) => [world, data()],
    fixed: 1,
    options: ['x', 'y'],
    run: (world: World, batch: object) =>
      // No async generator, which would itself read the batch.
      model(world).fit(function* () {
        yield batch;
      } as never),
  },
  'plan of a layer': {
    args: (world) => [world, { outputShape: [2], weights: [{ name: 'w', shape: [2], initializer: 'ones' }] }],
    fixed: 1,
    options: ['outputShape', 'weights'],
    run(world: World, plan: never) {
      class Own extends tg.Layer {
        readonly kind = 'Own';
        plan = () => plan;
        call = (x: Tensor) => x;
      }
      return new tg.Sequential([new Own({ inputShape: [2] })]).build(world.device).predict([[1, 2]]);
    },
  },
  'result of a layer': {
    args: (world) => [world, undefined],
    fixed: 1,
    run(world: World, result: never) {
      class Own extends tg.Layer {
        readonly kind = 'Own';
        plan = (outputShape: tg.Shape) => ({ outputShape, weights: [] });
        call = () => result;
      }
      return new tg.Sequential([new Own({ inputShape: [2] })]).build(world.device).predict([[1, 2]]);
    },
  },
  'result of a metric': {
    args: (world) => [world, undefined],
    fixed: 1,
    run: (world: World, result: never) =>
      builtModel(world)
        .compile({ optimizer: 'sgd', loss: 'meanSquaredError', metrics: [new tg.CustomMetric(() => result, 'own')] })
        .fit(data()),
  },
  'metrics of compile': {
    args: (world) => [world, ['mae', 'r2Score', (y: Tensor) => y]],
    fixed: 1,
    run: (world: World, metrics: []) =>
      builtModel(world).compile({ optimizer: 'sgd', loss: 'meanSquaredError', metrics }).evaluate(data()),
  },
  'result of a loss': {
    args: (world) => [world, undefined],
    fixed: 1,
    run: (world: World, result: never) =>
      builtModel(world)
        .compile({ optimizer: 'sgd', loss: () => result })
        .fit(data()),
  },
};

export const calls: Record<string, Call> = {
  ...functions,
  ...classes,
  ...spaces,
  ...methods,
  ...layerUses(),
  ...reportCalls,
};

/** What is exported and called by nothing here, and why. */
export const apart: Record<string, string> = {
  datasets: 'a table',
  operators: 'a table',
  initializers: 'a space: its functions are called',
  regularizers: 'a space: its functions are called',
  schedules: 'a space: its functions are called',
  'regularizers.penaltyRate': 'reads what l1l2 has checked',
  Device: 'made by openDevice',
  Tensor: 'made by tensor',
};
/** Methods that are not called directly here, and why. */
export const methodsApart: Record<string, RegExp> = {
  'called by fit': /\.(on[A-Z]\w+|begin|state|restore|save|write|read)$/,
  'called by a model': /\.(plan|planMany|call|callLogits|callMany|mergeShapes|inputFor|wants|value|getConfig|batch)$/,
  'called by a model that computes layers in one go':
    /\.(normalize|fixedNormalization|fold|matchesSamePadding|callPadded|convolve)$/,
  'called by an optimizer': /\.(stepSize|update|apply|build|checkReplicas|ratesAt)$/,
  'what kernels call, at every dispatch':
    /^Device\.(pipeline|uniform|createBuffer|destroyBuffer|dispatch|upload|copy|copyAfterWrite)$/,
  'called by the tape': /^Tensor\.setGrad$/,
  'takes nothing': /\.dispose$/,
};
