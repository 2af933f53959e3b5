import { Command, CommanderError, Help, Option } from 'commander';
import { ALPHAS, ROWS } from '../applications/checkpoints.ts';
import { type TilegradError, UsageError } from '../base/errors.ts';
import type { WeightsOptions } from './data.ts';
import { scales } from './experiment.ts';
import { checkDrawing } from './installed.ts';
import { type Io, nodeIo } from './io.ts';
import type { LazyModules } from './lazy-modules.ts';
import {
  integerParser,
  MAX_BATCH_SIZE,
  MAX_EPOCHS,
  MAX_REPLICAS,
  numberChoiceParser,
  parseLearningRate,
  parseSeed,
  pathParser,
  pathsParser,
  positiveNumberParser,
  queueAddressParser,
  type RunOptions,
  wordParser,
} from './options.ts';
import { reportError } from './report-error.ts';
import type { SearchCommandOptions } from './search.ts';
import type { TuneCommandOptions } from './tune.ts';
import { versions } from './versions.ts';
import type { WorkerOptions } from './worker.ts';

const SEARCH_HELP = `
The module, for example:
  import { Adam, Dense, EarlyStopping, Flatten, ImageLoader, loadDataset, Sequential } from 'tilegrad/node';
  export const searcher = 'RandomSearch';  // or GridSearch, Hyperband, BayesianOptimization
  export const options = { objective: 'valAccuracy', maxTrials: 20 };
  export const data = async (device) => new ImageLoader(device, (await loadDataset('mnist')).train);
  export const fit = { epochs: 5, validationSplit: 0.2, callbacks: () => [new EarlyStopping({ patience: 2 })] }; // new ones for each trial
  export function buildModel(hp) {
    const units = hp.int('units', { min: 16, max: 128, step: 16 });
    const learningRate = hp.float('learningRate', { min: 1e-4, max: 1e-1, sampling: 'log' });
    return new Sequential([new Flatten({ inputShape: [28, 28, 1] }), new Dense({ units, activation: 'relu' }),
      new Dense({ units: 10, activation: 'softmax' })]).compile({ optimizer: new Adam({ learningRate }), loss: 'sparseCategoricalCrossentropy' });
  }
hp has int, float, choice('activation', ['relu', 'tanh']), boolean, fixed, get, and conditionalScope('layers', [2], () => ...) for
hyperparameters that exist only under a condition. Hyperband takes maxEpochs, factor and hyperbandIterations instead of maxTrials and epochs.
The best model: loadModel('FOLDER/weights/NNNN.safetensors', device) with the path that the command prints last.
The folder of the search has search.json, each trial, and the weights of its best epoch. --resume continues the search, also with
options that make it longer.`;

const EXPERIMENT_HELP = `
Your own experiment is the default export of a file (.mjs), for example:
  import { Dense, Flatten, Sequential } from 'tilegrad/node';
  import { defineExperiment, plotHistory, section } from 'tilegrad/report';
  export default defineExperiment({
    id: 'my-mlp',
    title: 'An MLP on MNIST',
    datasets: ['mnist'],
    scales: { full: { epochs: 5, batchSize: 64 } },
    async run(context) {
      const { train, test } = context.loaders('mnist');
      const trained = await context.train('mlp', {
        createModel: () => new Sequential([new Flatten({ inputShape: [28, 28, 1] }), new Dense({ units: 10, activation: 'softmax' })]),
        compile: () => ({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] }),
        data: train, validationData: test,
      });
      return [section('Curves', plotHistory(trained))];
    },
  });`;

/** The options of `run` under the names they have on the command line. */
type CommandOptions = Omit<RunOptions, 'batchSize' | 'learningRate' | 'replicas'> & {
  batch?: number;
  lr?: number;
  runs?: number;
  replicas?: number;
};

/**
 * Runs the command line. Writes only through `io` and never throws.
 *
 * @param argv as `process.argv`: the command's arguments begin at the third
 * @returns the exit code: 0 done, 1 failed, 2 wrong usage
 */
export async function main(argv: readonly string[], modules: LazyModules, io: Io = nodeIo()): Promise<number> {
  const words = argv.slice(2);
  const outputOptions = {
    json: words.includes('--json'),
    debug: words.includes('--debug') || isSet(io.env.TILEGRAD_DEBUG),
  };
  const outcome = { exitCode: 0 };
  const program = createProgram(modules, io, outcome);
  try {
    await program.parseAsync(words, { from: 'user' });
    return outcome.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version are printed already, and are not errors.
      if (error.exitCode === 0) return 0;
      return reportError(usageError(error, commandOf(program, words)), io, outputOptions);
    }
    return reportError(error, io, outputOptions);
  }
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '' && value !== '0';
}

function createProgram(modules: LazyModules, io: Io, outcome: { exitCode: number }): Command {
  const program = new Command('tilegrad')
    .description('Trains neural networks on kernels written by hand in WGSL, through WebGPU.')
    .version(versions().tilegrad, '-V, --version', 'print the version')
    .option('--debug', 'with an error, print where it happened (also TILEGRAD_DEBUG=1)')
    .helpOption('-h, --help', 'print this help')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      // `main` reports every error.
      outputError: () => {},
      getOutHelpWidth: () => io.stdout.columns ?? 100,
      getErrHelpWidth: () => io.stderr.columns ?? 100,
    });

  program
    .command('setup')
    .description('show which optional packages are missing, and install a driver if there is no WebGPU adapter')
    .option('--no-driver', 'do not look for an adapter, and install no driver')
    .action(async (options: { driver: boolean }) => {
      const { setup } = await import('./setup.ts');
      await setup(options, io, modules.setup);
    });

  program
    .command('doctor')
    .description('find out whether this machine can train, by training a small network on it')
    .option('--json', 'print the result as JSON')
    .action(async (options: { json?: boolean }) => {
      const { doctor } = await import('./doctor.ts');
      outcome.exitCode = await doctor(options, io, modules.engine);
    });

  program
    .command('list')
    .description('list the experiments')
    .option('--json', 'print the list as JSON')
    .action(async (options: { json?: boolean }) => {
      const { list } = await import('./list.ts');
      list(await modules.catalogue(), options, io);
    });

  program
    .command('run')
    .description('train an experiment, or a whole coursework, and compare it with the published figures')
    .argument(
      '<experiment>',
      'id of an experiment, such as A1, or of a coursework, such as A (`tilegrad list` shows all); or the file of your own, such as ./my-experiment.mjs',
    )
    .option(
      '--scale <scale>',
      'full: as published; short: a coursework in about half an hour; smoke: seconds (default: full with the full data set, short with the bundled sample)',
      wordParser('--scale', scales),
    )
    .option('--resume [run]', 'continue a run: its folder, or the newest that is not finished', pathParser('--resume'))
    .option(
      '--data <dir>',
      'folder that holds the data set (default: TILEGRAD_DATA, the cache, then the bundled sample)',
      pathParser('--data'),
    )
    .option('--epochs <n>', 'passes over the training images', integerParser('--epochs', 1, MAX_EPOCHS))
    .option('--batch <n>', 'images per training step', integerParser('--batch', 1, MAX_BATCH_SIZE))
    .option('--lr <rate>', 'learning rate', parseLearningRate)
    .option('--seed <n>', 'seed of weights and shuffles of the first model (default: 1)', parseSeed)
    .option(
      '--replicas <n>',
      `models of each training, with consecutive seeds; at most ${MAX_REPLICAS}`,
      integerParser('--replicas', 1, MAX_REPLICAS),
    )
    .addOption(
      new Option('--runs <n>', 'the older name of --replicas')
        .argParser(integerParser('--runs', 1, MAX_REPLICAS))
        .hideHelp(),
    )
    .option('--limit <n>', 'train on the first n images only; the test set is not limited', integerParser('--limit', 1))
    .option(
      '--short <names>',
      'at the full scale, run these variations of an experiment at the short one: names separated by commas; `tilegrad list` shows them',
    )
    .option('--out <dir>', 'where to make the folder of results', pathParser('--out'), 'runs')
    .option(
      '--workers <url>',
      'let the workers of a queue, redis://HOST, do the trainings: see `tilegrad worker`; its password may be in TILEGRAD_REDIS_PASSWORD',
      queueAddressParser('--workers'),
    )
    .option('--accept-changes', 'with --resume, continue although the file of your own experiment has changed')
    .option('--profile', 'afterwards, show where the time of a training step goes, kernel by kernel')
    .option('--json', 'print the results as JSON, and progress on stderr')
    .addHelpText('after', EXPERIMENT_HELP)
    .action(async (id: string, options: CommandOptions) => {
      const { batch, lr, runs, replicas, ...rest } = options;
      if (runs !== undefined && replicas !== undefined && runs !== replicas) {
        throw new UsageError(`--replicas ${replicas} and --runs ${runs} mean the same; give only --replicas`);
      }
      await checkDrawing();
      const { findTarget } = await import('./run-target.ts');
      const { loadTarget, isFile } = await import('./experiment-module.ts');
      const target = isFile(id)
        ? await loadTarget(id, await modules.catalogue())
        : findTarget(id, await modules.catalogue());
      const { run } = await import('./run.ts');
      const runOptions = { ...rest, batchSize: batch, learningRate: lr, replicas: replicas ?? runs };
      outcome.exitCode = await run(target, runOptions, io, await modules.engine());
    });

  program
    .command('search')
    .description(
      'search the hyperparameters of your own model, which a module describes; `tilegrad tune` selects kernels, not hyperparameters',
    )
    .argument(
      '<file>',
      'module (.mjs) that exports buildModel(hp), data, and perhaps searcher, options and fit',
      pathParser('search'),
    )
    .option('--resume [search]', 'continue a search: its folder, or the newest of that name', pathParser('--resume'))
    .option(
      '--seed <n>',
      "seed of the search (default: that of the module's options, or 0; with --resume its own)",
      parseSeed,
    )
    .option('--out <dir>', 'where to make the folder of the search', pathParser('--out'), 'runs')
    .option(
      '--workers <url>',
      'let the workers of a queue, redis://HOST, train the trials: see `tilegrad worker`',
      queueAddressParser('--workers'),
    )
    .option('--json', 'print the search as JSON, and progress on stderr')
    .addHelpText('after', SEARCH_HELP)
    .action(async (file: string, options: SearchCommandOptions) => {
      await checkDrawing();
      const { search } = await import('./search.ts');
      await search(file, options, io, await modules.engine());
    });

  program
    .command('worker')
    .description(
      'do trainings and trials that other machines put into a queue with `--workers`, until Ctrl-C; the server must be Redis or Valkey, ' +
        'and must not be open to strangers',
    )
    .argument(
      '<url>',
      'the queue: redis://HOST, or rediss://HOST for TLS; its password may be in TILEGRAD_REDIS_PASSWORD',
      queueAddressParser('worker'),
    )
    .option(
      '--search <file>',
      'module of a search, as for `tilegrad search`, whose trials this worker trains; may be given several times',
      pathsParser('--search'),
    )
    .option('--data <dir>', 'folder that holds the data sets (default: as for `tilegrad run`)', pathParser('--data'))
    .option('--name <name>', 'name of this worker in results (default: host and process)')
    .option(
      '--stall <seconds>',
      'time without a sign of this worker after which its jobs are given to others (default: 30)',
      positiveNumberParser('--stall'),
    )
    .action(async (url: string, options: WorkerOptions) => {
      const { worker } = await import('./worker.ts');
      await worker(url, options, io, modules);
    });

  program
    .command('tune')
    .description('measure which kernels are fastest on this adapter, for every later run')
    .argument('[experiments...]', 'experiments whose sizes to measure: ids, or a network such as lenet (default: all)')
    .option('--all', 'the sizes of all experiments')
    .option(
      '--batch <n>',
      "images per training step (default: each experiment's own)",
      integerParser('--batch', 1, MAX_BATCH_SIZE),
    )
    .option(
      '--budget <seconds>',
      'stop after this time; the longest computations come first',
      positiveNumberParser('--budget'),
    )
    .option('--json', 'print the results as JSON, and progress on stderr')
    .action(async (names: string[], { all, ...options }: TuneCommandOptions & { all?: boolean }) => {
      const { findExperiments, tuneExperiments } = await import('./tune.ts');
      const experiments = findExperiments((await modules.catalogue()).experiments, all ? [] : names);
      await tuneExperiments(experiments, options, io, await modules.engine());
    });

  program
    .command('report')
    .description('draw the report.html and figures of a run or a search again, from its JSON')
    .argument(
      '<run>',
      'folder of a run or a search, as `tilegrad run` and `tilegrad search` write it',
      pathParser('report'),
    )
    .option('--json', 'print the report as JSON')
    .action(async (run: string, options: { json?: boolean }) => {
      const { report } = await import('./report.ts');
      await report(run, options, io);
    });

  program
    .command('compare')
    .description('compare runs: a table, and a report with their curves in one plot')
    .argument('<runs...>', 'folders of two or more runs', pathsParser('compare'))
    .option('--out <dir>', 'where to make the folder of the report', pathParser('--out'), 'runs')
    .option('--json', 'print the report as JSON')
    .action(async (runs: string[], options: { out: string; json?: boolean }) => {
      const { compare } = await import('./compare.ts');
      await compare(runs, options, io);
    });

  program
    .command('results')
    .description('save the results of runs, and write RESULTS.md from all saved results')
    .argument('[runs...]', 'folders of runs; without any, only RESULTS.md is written again', pathsParser('results'))
    .option(
      '--docs <dir>',
      'folder of RESULTS.md and of results/, which has a file for each experiment',
      pathParser('--docs'),
      'docs',
    )
    .option('--json', 'print the results as JSON')
    .action(async (runs: string[], options: { docs: string; json?: boolean }) => {
      const { results } = await import('./results.ts');
      results(runs, options, io);
    });

  const data = program.command('data').description('show or download data sets');
  data
    .command('list')
    .description('list the data sets and where they are on this machine')
    .option('--data <dir>', 'folder to look in first', pathParser('--data'))
    .option('--json', 'print the list as JSON')
    .action(async (options: { data?: string; json?: boolean }) => {
      const { dataList } = await import('./data.ts');
      await dataList(await modules.data(), options, io);
    });
  data
    .command('fetch')
    .description(
      'download a data set, or the ImageNet weights of MobileNetV2, from the official address; a second call continues where the first ' +
        'stopped. Weights in the folder that the environment variable TILEGRAD_WEIGHTS names are found without a download',
    )
    .argument('<name>', 'name of the data set; `tilegrad data list` shows all; or mobilenet-v2, its ImageNet weights')
    .option('--data <dir>', 'folder to put it in (default: the cache)', pathParser('--data'))
    .option(
      '--alpha <alpha>',
      `for mobilenet-v2, factor on its filters: ${ALPHAS.join(', ')} (default: 1)`,
      numberChoiceParser('--alpha', ALPHAS),
    )
    .option(
      '--rows <n>',
      `for mobilenet-v2, rows of its images: ${ROWS.join(', ')} (default: 224)`,
      numberChoiceParser('--rows', ROWS),
    )
    .option('--top', 'for mobilenet-v2, with its head of 1,000 classes')
    .option('--json', 'print the result as JSON, and progress on stderr')
    .action(async (name: string, options: { data?: string; json?: boolean } & WeightsOptions) => {
      const { dataFetch } = await import('./data.ts');
      await dataFetch(await modules.data(), name, options, io);
    });
  return program;
}

/** Returns the innermost command that the words name. */
function commandOf(program: Command, words: readonly string[]): Command {
  let command = program;
  for (const word of words) {
    const next: Command | undefined = command.commands.find((candidate) => candidate.name() === word);
    if (next !== undefined) command = next;
  }
  return command;
}

/** Converts an error of Commander to a UsageError that lists what is available. */
function usageError(error: CommanderError, command: Command): TilegradError {
  const names = [command.name()];
  for (let parent = command.parent; parent !== null; parent = parent.parent) names.unshift(parent.name());
  const full = names.join(' ');
  const subcommands = command.commands.map((subcommand) => subcommand.name());
  const help = `See \`npx ${full} --help\`.`;
  if (error.code === 'commander.help') {
    return new UsageError(`${full} needs a command. There are: ${subcommands.join(', ')}. ${help}`);
  }
  const message = error.message.replace(/^error: /, '').replace(/\.$/, '');
  const options = new Help().visibleOptions(command).map((option) => option.long);
  if (error.code === 'commander.unknownCommand') {
    return new UsageError(`${message}. There are: ${subcommands.join(', ')}. ${help}`);
  }
  if (error.code === 'commander.unknownOption') {
    return new UsageError(`${message}. Options of ${full}: ${options.join(', ')}. ${help}`);
  }
  return new UsageError(`${message}. ${help}`);
}
