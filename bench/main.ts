/** `npm run bench`: times kernels, training steps and start-up, and compares them with the adapter's ceilings, all in one run. */
import { AdapterError } from '../src/base/errors.ts';
import { openDevice } from '../src/node.ts';
import { timeDispatches } from './breakdown.ts';
import { type Ceilings, measureCeilings } from './ceilings.ts';
import { kernelCases } from './kernel-cases.ts';
import { timeKernel, timeVariants } from './kernels.ts';
import { Measured } from './measured.ts';
import { type Options, parseOptions, selectNames, USAGE, UsageError } from './options.ts';
import { readResult } from './result.ts';
import { adapterName, breakdownTable, ceilingsText, report, variantsTable } from './show.ts';
import { timeStart } from './start-times.ts';
import { stepCases, timeStep } from './steps.ts';

const START = 'start';
const names = [...kernelCases.map(({ name }) => name), ...stepCases.map(({ name }) => name), START];
/** Most rounds of the start-up: on a CPU each takes seconds. */
const START_ROUNDS = 3;

const say = (line: string) => process.stderr.write(`${line}\n`);
const print = (text: string) => process.stdout.write(text);

async function main(options: Options): Promise<void> {
  if (options.help) return void print(`${USAGE}\n`);
  if (options.list) return void print(`${names.join('\n')}\n`);
  if (options.step !== undefined) return showStep(options.step, options.rounds);
  const selected = selectNames(names, options.only);
  if (options.variants) return showVariants(selected, options.rounds);

  const old = options.compare === undefined ? null : readResult(options.compare);
  const measured = await measure(selected, options);
  const result = measured.result();
  const text = report(measured, result, old);
  if (options.json) {
    say(text);
    print(`${JSON.stringify(result, null, 2)}\n`);
  } else {
    print(text);
  }
  if (measured.failed.length > 0) process.exitCode = 1;
}

async function measure(selected: Set<string>, { rounds, out }: Options): Promise<Measured> {
  let device = await openDevice();
  let measured: Measured;
  try {
    const { info } = device;
    say(`${adapterName(info)}, ${info.driver}`);
    const ceilings = await measureCeilings(device);
    say(ceilingsText(ceilings));
    measured = new Measured(info, ceilings, out, say);
    for (const one of kernelCases.filter(({ name }) => selected.has(name))) {
      const hasFailed = await measured.run(one.name, async () => {
        measured.kernels.push(await timeKernel(device, one, ceilings, { rounds }));
      });
      if (!hasFailed) continue;
      // The device may be lost.
      device.dispose();
      device = await openDevice();
    }
  } finally {
    device.dispose();
  }
  for (const one of stepCases.filter(({ name }) => selected.has(name))) {
    await measured.run(one.name, async () => {
      measured.steps.push(await timeStep(one, rounds));
    });
  }
  if (selected.has(START)) {
    await measured.run(START, async () => {
      measured.start = await timeStart(Math.min(rounds, START_ROUNDS));
    });
  }
  return measured;
}

async function showVariants(selected: Set<string>, rounds: number): Promise<void> {
  const cases = kernelCases.filter(({ name, variants }) => selected.has(name) && variants.length > 0);
  if (cases.length === 0)
    throw new UsageError(
      '--variants: none of the selected benchmarks has variants; leave out --only, or select kernels',
    );
  const device = await openDevice();
  try {
    const ceilings: Ceilings = await measureCeilings(device);
    const results: Awaited<ReturnType<typeof timeVariants>>[] = [];
    for (const one of cases) {
      say(`${one.name} ...`);
      results.push(await timeVariants(device, one, ceilings, rounds));
    }
    const { info } = device;
    print(`${adapterName(info)}, ${info.driver}\n${ceilingsText(ceilings)}\n\n${variantsTable(results)}`);
  } finally {
    device.dispose();
  }
}

async function showStep(name: string, rounds: number): Promise<void> {
  const steps = stepCases.filter(({ what }) => what === 'fit');
  const one = steps.find((step) => step.name === name);
  if (!one) {
    throw new UsageError(
      `--step: there is no training step "${name}"; choose one of ${steps.map((s) => s.name).join(', ')}`,
    );
  }
  print(breakdownTable(name, await timeDispatches(one, rounds)));
}

try {
  await main(parseOptions(process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof UsageError || error instanceof AdapterError)) throw error;
  say(error.message);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
