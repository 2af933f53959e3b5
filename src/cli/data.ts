import cliProgress from 'cli-progress';
import type { WeightsFolder } from '../applications/imagenet.ts';
import { UsageError } from '../base/errors.ts';
import type { DatasetName } from '../data/types.ts';
import { count } from '../report/format.ts';
import { table } from '../report/tables.ts';
import { listenForInterrupt } from './interrupt.ts';
import { type Io, writeJson, writeLine } from './io.ts';
import { findName } from './options.ts';

/** The name under which `data fetch` finds published weights. */
export const NETWORK = 'mobilenet-v2';

const WEIGHTS = 'The ImageNet weights of MobileNetV2';

/** Selects one of the published files of weights. */
export interface WeightsOptions {
  alpha?: number;
  rows?: number;
  top?: boolean;
}

/** The part of src/data that the `data` commands use. */
export interface DataTools {
  datasets: Readonly<Record<DatasetName, DatasetSummary>>;
  datasetStatus(name: DatasetName, options: { dir?: string }): Promise<DatasetLocation | null>;
  fetchDataset(name: DatasetName, options: FetchOptions): Promise<FetchResult>;
  /** Weights of MobileNetV2 as Keras publishes them. */
  fetchWeights(options: WeightsOptions, download: FetchOptions): Promise<FetchResult>;
  /** Returns the weights in the cache or in `dir`, and in the folder of `TILEGRAD_WEIGHTS`. */
  weightsStatus(options: { dir?: string }): Promise<WeightsFolder[]>;
}

interface FetchOptions {
  dir?: string;
  signal?: AbortSignal;
  onProgress?(progress: FileProgress): void;
}

interface FetchResult {
  path: string;
  files: string[];
  downloaded: string[];
  reused: string[];
}

interface DatasetSummary {
  title: string;
  homepage: string;
  licence: string;
  train: number;
  test: number;
  files: readonly { size: number }[];
}

interface DatasetLocation {
  kind: 'folder' | 'archive' | 'sample';
  path: string;
  /** Files that are missing. */
  missing: string[];
}

interface FileProgress {
  file: string;
  received: number;
  total: number;
}

const formatMegabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

/** `tilegrad data list`: lists every data set, and where it is on this machine. */
export async function dataList(tools: DataTools, options: { data?: string; json?: boolean }, io: Io): Promise<void> {
  const names = Object.keys(tools.datasets) as DatasetName[];
  const entries = await Promise.all(
    names.map(async (name) => {
      const { title, homepage, licence, train, test, files } = tools.datasets[name];
      const found = await tools.datasetStatus(name, { dir: options.data });
      const downloadBytes = files.reduce((sum, file) => sum + file.size, 0);
      const location = found && { kind: found.kind, path: found.path, missing: found.missing };
      return { name, title, train, test, downloadBytes, homepage, licence, found: location };
    }),
  );
  const weightsFolders = await tools.weightsStatus({ dir: options.data });
  if (options.json) {
    writeJson(io.stdout, [...entries, { name: NETWORK, title: WEIGHTS, found: weightsFolders }]);
    return;
  }
  const rows = entries.map((entry) => [
    entry.name,
    entry.title,
    `${count(entry.train)} + ${count(entry.test)}`,
    formatMegabytes(entry.downloadBytes),
    locationText(entry.found),
  ]);
  writeLine(
    io.stdout,
    table(['name', 'data set', 'training + test images', 'download', 'on this machine'], rows, [2, 3]),
  );
  for (const entry of entries) writeLine(io.stdout, `${entry.name}: ${entry.homepage}; licence: ${entry.licence}`);
  writeLine(io.stdout, 'Get one with `npx tilegrad data fetch NAME`.');
  for (const folder of weightsFolders) writeLine(io.stdout, `${WEIGHTS} in ${weightsText(folder)}`);
  writeLine(
    io.stdout,
    `Get the ${WEIGHTS.replace(/^The /, '')}: \`npx tilegrad data fetch ${NETWORK}\`; its --help shows which there are.`,
  );
}

function weightsText({ kind, path, weights, problem }: WeightsFolder): string {
  const variants = weights.map(
    ({ alpha, rows, includeTop }) => `alpha ${alpha}, ${rows} rows, ${includeTop ? 'with' : 'without'} head`,
  );
  const place = kind === 'cache' ? path : `the folder of ${kind}, ${path}`;
  return `${place}: ${problem ?? (variants.join('; ') || 'none')}`;
}

function locationText(found: DatasetLocation | null): string {
  if (found === null) return 'not here';
  if (found.kind === 'sample') return 'only the bundled sample';
  if (found.missing.length > 0) return `incomplete: ${found.path}\nmissing ${found.missing.join('\nmissing ')}`;
  return found.path;
}

/** `tilegrad data fetch NAME`: downloads with a progress bar for each file. After Ctrl-C, a later call continues the download. */
export async function dataFetch(
  tools: DataTools,
  given: string,
  { data, json: asJson, ...selection }: { data?: string; json?: boolean } & WeightsOptions,
  io: Io,
): Promise<void> {
  const known = [...(Object.keys(tools.datasets) as DatasetName[]), NETWORK] as const;
  const name = findName('data set', given, known, 'See `npx tilegrad data list`.');
  const [option] = Object.keys(selection);
  if (name !== NETWORK && option !== undefined) {
    throw new UsageError(
      `--${option} says which weights of ${NETWORK} to fetch, but ${name} is a data set; leave it out`,
    );
  }
  const bars = new FileBars(io);
  const interrupt = listenForInterrupt(io, () => bars.stop());
  try {
    const download: FetchOptions = {
      dir: data,
      signal: interrupt.signal,
      onProgress: (progress) => bars.show(progress),
    };
    const result = await (name === NETWORK
      ? tools.fetchWeights(selection, download)
      : tools.fetchDataset(name, download));
    bars.stop();
    if (asJson) {
      writeJson(io.stdout, { name, ...result });
      return;
    }
    const countsText = `${result.downloaded.length} downloaded, ${result.reused.length} already there`;
    const subject = name === NETWORK ? `${WEIGHTS} are` : `${tools.datasets[name].title} is`;
    writeLine(io.stdout, `${subject} in ${result.path} (files: ${countsText})`);
  } finally {
    bars.stop();
    interrupt.dispose();
  }
}

/** Shows a progress bar for the current file on a terminal; otherwise prints a line for each file. */
export class FileBars {
  #io: Io;
  #file = '';
  #bar: cliProgress.SingleBar | undefined;

  constructor(io: Io) {
    this.#io = io;
  }

  show({ file, received, total }: FileProgress): void {
    const payload = { file, got: formatMegabytes(received), size: formatMegabytes(total) };
    if (file !== this.#file) {
      this.stop();
      this.#file = file;
      if (!this.#io.stderr.isTTY) {
        writeLine(this.#io.stderr, `${file}, ${payload.size}`);
        return;
      }
      this.#bar = new cliProgress.SingleBar(
        {
          format: '{file} {bar} {percentage}%  {got} of {size}  {eta_formatted} left',
          stream: this.#io.stderr as NodeJS.WritableStream,
          barsize: 24,
        },
        cliProgress.Presets.shades_classic,
      );
      this.#bar.start(total, received, payload);
    }
    this.#bar?.update(received, payload);
  }

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}
