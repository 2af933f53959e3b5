import cliProgress from 'cli-progress';
import { AbortedError, AdapterError, UsageError } from '../base/errors.ts';
import { adapterText } from '../report/format.ts';
import { table } from '../report/tables.ts';
import type { Problem } from '../tuner/bench.ts';
import type { NotTuned, Tuned } from '../tuner/session.ts';
import { explainDawnWarnings } from './dawn-warnings.ts';
import type { Engine, EngineDevice, EngineModel } from './engine.ts';
import type { Experiment } from './experiment.ts';
import { listenForInterrupt } from './interrupt.ts';
import { type Io, type OutputStream, writeJson, writeLine } from './io.ts';
import { findName } from './options.ts';

export interface TuneCommandOptions {
  batch?: number;
  /** Seconds. */
  budget?: number;
  json?: boolean;
}

/** Names of networks, and the experiments that have them. */
const NAMED_NETWORKS: Readonly<Record<string, string>> = { lenet: 'A1' };

/** Returns the experiments that the command line names; all if it names none. */
export function findExperiments(experiments: readonly Experiment[], names: readonly string[]): readonly Experiment[] {
  if (names.length === 0) return experiments;
  const known = [...experiments.map(({ id }) => id), ...Object.keys(NAMED_NETWORKS)];
  const selected = names.map((name) => findName('experiment', name, known, 'See `npx tilegrad list`.'));
  return experiments.filter(({ id }) => selected.some((name) => (NAMED_NETWORKS[name] ?? name) === id));
}

/**
 * `tilegrad tune`: measures which kernels are fastest on this adapter for the sizes that experiments need, and saves the result for
 * every later run.
 *
 * @throws UsageError for experiments without a network; AdapterError if the adapter refused the reference kernels of all problems;
 *   AbortedError after Ctrl-C, when the measurements are saved
 */
export async function tuneExperiments(
  experiments: readonly Experiment[],
  options: TuneCommandOptions,
  io: Io,
  engine: Engine,
): Promise<void> {
  if (experiments.every(({ networks = [] }) => networks.length === 0)) {
    const names = experiments.map(({ id }) => id).join(', ');
    throw new UsageError(`tune: ${names} trains the network of another experiment; try that one, or A1`);
  }
  const text = options.json ? io.stderr : io.stdout;
  const progress = new TuneProgress(io.stderr);
  const interrupt = listenForInterrupt(io, (isFirst) => {
    progress.stop();
    if (isFirst) writeLine(io.stderr, 'Stopping after the current kernel; press Ctrl-C again to exit at once.');
  });
  let device: EngineDevice | undefined;
  try {
    device = await engine.openDevice();
    explainDawnWarnings(device.info, io);
    const { path } = await engine.loadTuning(device, (message) => writeLine(io.stderr, `Note: ${message}`));
    writeLine(text, `Adapter: ${adapterText(device.info)}`);
    const problems = experiments.flatMap((experiment) => problemsOfExperiment(experiment, options, device!, engine));
    const failed: NotTuned[] = [];
    const tuned = await engine.tune(device, problems, {
      seconds: options.budget,
      signal: interrupt.signal,
      onTuned: (result, { done, total }) => progress.show(result, done, total),
      onFailed: (problem) => failed.push(problem),
    });
    progress.stop();
    const interrupted = interrupt.signal.aborted;
    if (!options.json && tuned.length > 0) writeLine(text, tuneTable(tuned));
    for (const { operator, shapes, reason } of failed) {
      writeLine(
        io.stderr,
        `Note: ${operator} ${shapes} was not measured; its kernel is still selected by rule: ${reason}`,
      );
    }
    if (interrupted) throw new AbortedError(`interrupted; ${tuned.length} measurements are saved in ${path}`);
    if (options.json) writeJson(io.stdout, { adapter: device.info, file: path, results: tuned, failed });
    if (tuned.length === 0 && failed.length > 0) {
      throw new AdapterError('tune: the adapter refused the reference kernels of all problems; see the notes above');
    }
    writeLine(text, tuned.length > 0 ? `Saved in ${path}` : nothingTunedText(options));
  } finally {
    progress.stop();
    interrupt.dispose();
    device?.dispose();
  }
}

const nothingTunedText = ({ budget }: TuneCommandOptions): string =>
  budget === undefined
    ? 'There was nothing to select: each operator has one kernel here.'
    : `Nothing was measured in ${budget} s: give a larger --budget, unless each operator has one kernel here.`;

function problemsOfExperiment(
  { networks = [], scales }: Experiment,
  { batch = scales.full.batchSize }: TuneCommandOptions,
  device: EngineDevice,
  engine: Engine,
): Problem[] {
  return networks.flatMap(({ createModel, compile }) => {
    const model = createModel() as EngineModel;
    try {
      model.build(device, { seed: 1 });
      model.compile(compile());
      return engine.problemsOf(model, batch);
    } finally {
      model.dispose();
    }
  });
}

/** Returns a table of the selected variants, the time of each variant, and the speedup over the reference. */
export function tuneTable(tuned: readonly Tuned[]): string {
  const rows = tuned.map(({ operator, shapes, variant, ms, rejected }) => {
    const times = [
      ...Object.entries(ms).map(([name, time]) => `${name} ${time.toFixed(3)}`),
      ...rejected.map(({ variant, reason }) => `${variant} rejected: ${reason}`),
    ];
    // The reference is the first; if it is the only one, it was not timed.
    const [reference = Number.NaN] = Object.values(ms);
    const ratio = variant in ms ? `${(reference / ms[variant]!).toFixed(2)}x` : '';
    return [operator, shapes, variant, times.join('\n'), ratio];
  });
  return table(['operator', 'shapes', 'chosen', 'ms of each', 'of reference'], rows, [4]);
}

/** Shows a bar on a terminal; elsewhere prints a line for each measurement. */
class TuneProgress {
  #terminal: OutputStream;
  #bar: cliProgress.SingleBar | undefined;

  constructor(terminal: OutputStream) {
    this.#terminal = terminal;
  }

  show({ operator, shapes, variant }: Tuned, done: number, total: number): void {
    const label = `${operator} ${shapes}: ${variant}`;
    if (!this.#terminal.isTTY) {
      writeLine(this.#terminal, `[${done}/${total}] ${label}`);
      return;
    }
    if (this.#bar === undefined) {
      this.#bar = new cliProgress.SingleBar(
        {
          format: '{bar} {value}/{total}  {label}',
          stream: this.#terminal as NodeJS.WritableStream,
          barsize: 20,
          clearOnComplete: true,
        },
        cliProgress.Presets.shades_classic,
      );
      this.#bar.start(total, done, { label });
    } else {
      this.#bar.update(done, { label });
    }
  }

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}
