import { appendFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { checkFlag, checkOptions, formatValue } from '../base/check.ts';
import { createFolders } from '../base/create-folders.ts';
import { ArgumentError } from '../base/errors.ts';
import { type Callback, type EpochLogs, Model, type TrainInfo } from '../training/index.ts';
import {
  encodeRecord,
  type GraphNode,
  graphEvent,
  histogram,
  image,
  type Summary,
  scalar,
  startEvent,
  summaryEvent,
  text,
  versionEvent,
} from './event-file.ts';
import { withFileErrors } from './files.ts';

/** Options of `TensorBoard`. */
export interface TensorBoardOptions {
  /** Folder of the logs; default: `logs`. Training metrics go into its subfolder `train`, validation metrics into `validation`. */
  logDir?: string;
  /** Epochs between histograms of the weights; default: 0, none. */
  histogramFreq?: number;
  /** Whether to write the graph of the layers and the summary. Default: true. */
  writeGraph?: boolean;
  /** A picture of the model: the bytes of a PNG file. Default: none. */
  modelImage?: Uint8Array;
}

/**
 * Writes logs for `tensorboard --logdir logs`: metrics of the epochs under Keras's names (`epoch_loss`, from step 0), the model, and
 * histograms of its weights if requested. Each epoch is on the disk before the next begins.
 */
export class TensorBoard implements Callback {
  readonly adds = [];
  private readonly options: Required<Omit<TensorBoardOptions, 'modelImage'>>;
  private readonly picture: Summary | null;
  private readonly files = new Map<'train' | 'validation', string>();
  /** Subfolders into which this training has written an epoch. */
  private readonly startedSubsets = new Set<'train' | 'validation'>();
  private model: Model | null = null;

  /** @throws ArgumentError */
  constructor(options: TensorBoardOptions = {}, ...surplus: never[]) {
    checkOptions(
      'TensorBoard',
      options,
      { logDir: true, histogramFreq: true, writeGraph: true, modelImage: true },
      surplus,
    );
    const { logDir = 'logs', histogramFreq = 0, writeGraph = true, modelImage } = options;
    if (typeof logDir !== 'string' || logDir === '') {
      throw new ArgumentError(`TensorBoard: logDir must be the path of a folder, but is ${formatValue(logDir)}`);
    }
    if (!Number.isInteger(histogramFreq) || histogramFreq < 0) {
      throw new ArgumentError(
        `TensorBoard: histogramFreq must be an integer from 0 up, but is ${formatValue(histogramFreq)}`,
      );
    }
    checkFlag('TensorBoard', 'writeGraph', writeGraph);
    this.options = { logDir, histogramFreq, writeGraph };
    this.picture = modelImage ? image('model', { ...sizeOfPng(modelImage), png: modelImage }) : null;
  }

  /** @throws FileError */
  onTrainBegin({ model }: Pick<TrainInfo, 'model'>): void {
    this.model = model;
    this.files.clear();
    this.startedSubsets.clear();
    const summaries = this.picture ? [this.picture] : [];
    if (this.options.writeGraph) {
      const lines = model.summary().split('\n');
      summaries.push(text('summary', lines.map((line) => `    ${line}`).join('\n'))); // Markdown's way to keep columns
      this.write('train', graphEvent(now(), graphNodes(model)));
    }
    if (summaries.length > 0) this.write('train', summaryEvent(now(), 0, summaries));
  }

  /** @throws FileError */
  async onEpochEnd(logs: EpochLogs): Promise<void> {
    const { epoch, ...metrics } = logs;
    const step = epoch - 1;
    const curves = { train: [] as Summary[], validation: [] as Summary[] };
    for (const [name, value] of Object.entries(metrics)) {
      if (typeof value !== 'number') continue;
      // A callback may use Keras's name for a metric that it adds: val_auc.
      const [, validationMetric] = /^val_?((?<=_).+|[A-Z].*)$/.exec(name) ?? [];
      curves[validationMetric ? 'validation' : 'train'].push(
        scalar(`epoch_${toSnakeCase(validationMetric ?? name)}`, value),
      );
    }
    const { histogramFreq } = this.options;
    if (histogramFreq > 0 && step % histogramFreq === 0) curves.train.push(...(await this.histograms()));
    for (const subset of ['train', 'validation'] as const) {
      if (curves[subset].length === 0) continue;
      // Epochs that are trained again after an interruption replace those written before. The summary, which is also at step 0,
      // stays.
      if (!this.startedSubsets.has(subset)) this.write(subset, startEvent(now(), Math.max(1, step)));
      this.startedSubsets.add(subset);
      this.write(subset, summaryEvent(now(), step, curves[subset]));
    }
  }

  private histograms(): Promise<Summary[]> {
    const weights = this.model!.weights.map(async ({ name, tensor }) => {
      return histogram(`${name}/histogram`, await tensor.data());
    });
    return Promise.all(weights);
  }

  /** Appends an event to a subfolder's file in one call. */
  private write(subset: 'train' | 'validation', event: Uint8Array): void {
    const folder = join(this.options.logDir, subset);
    withFileErrors('write', folder, () => {
      let path = this.files.get(subset);
      if (!path) {
        createFolders(folder);
        path = join(folder, fileName());
        appendFileSync(path, encodeRecord(versionEvent(now())));
        this.files.set(subset, path);
      }
      appendFileSync(path, encodeRecord(event));
    });
  }
}

const now = () => Date.now() / 1000;

let lastMoment = 0;
/** Microseconds since 1970, increasing with each call even if the clock is set back. */
const nextMoment = () => {
  lastMoment = Math.max(lastMoment + 1, 1000 * Date.now());
  return lastMoment;
};

/**
 * Returns a new file name of TensorFlow's form. TensorBoard looks for `tfevents` and reads the files of a folder in the order of their
 * names, which is the order of their creation: the numbers have leading zeros and are unique.
 */
const fileName = () => {
  const moment = String(nextMoment()).padStart(16, '0');
  return `events.out.tfevents.${moment.slice(0, 10)}.${moment.slice(10)}.${hostname()}.${process.pid}.v2`;
};

/** `learningRate` -> `learning_rate`, `Loss` -> `loss`. */
const toSnakeCase = (name: string) => name.replace(/(?<=.)[A-Z]/g, (letter) => `_${letter}`).toLowerCase();

/** Returns width and height from the first chunk of a PNG file. @throws ArgumentError for other bytes */
function sizeOfPng(png: Uint8Array): { width: number; height: number } {
  const signature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
  if (!(png instanceof Uint8Array) || png.length < 24 || !signature.every((byte, i) => png[i] === byte)) {
    throw new ArgumentError('TensorBoard: modelImage must be the bytes of a PNG file');
  }
  const view = new DataView(png.buffer, png.byteOffset, png.length);
  return { width: view.getUint32(16), height: view.getUint32(20) };
}

/** Returns the layers of a model as a graph. Layers of a nested model have its name and `/` in front, so they are drawn in its box. */
function graphNodes(model: Model): GraphNode[] {
  const source: GraphNode = { name: 'input', op: 'Input', inputs: [], shape: model.inputShape };
  return [source, ...nodesOf(model, '', ['input']).nodes];
}

function nodesOf(model: Model, prefix: string, feeds: readonly string[]): { nodes: GraphNode[]; output: string } {
  const nodes: GraphNode[] = [];
  const outputs: string[] = [];
  for (const [i, { layer, name, outputShape }] of model.plannedLayers.entries()) {
    const first = model.uses.find((use) => use.layer === i)!; // a graph with all uses of a shared layer would have loops
    const inputs = first.inputs.flatMap((value) => (value === 0 ? feeds : outputs[model.uses[value - 1]!.layer]!));
    if (layer instanceof Model) {
      const inner = nodesOf(layer, `${prefix}${name}/`, inputs);
      nodes.push(...inner.nodes);
      outputs.push(inner.output);
    } else {
      outputs.push(prefix + name);
      nodes.push({ name: prefix + name, op: layer.kind, inputs, shape: outputShape });
    }
  }
  return { nodes, output: outputs[model.uses.at(-1)!.layer]! };
}
