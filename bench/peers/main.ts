/**
 * `npm run bench:peers`: the same workloads on tilegrad, TensorFlow.js and jax-js, all on the same WebGPU adapter, in turns within one
 * run, and on PyTorch, natively on the CPU, if Python can import it.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { AdapterError } from '../../src/base/errors.ts';
import { openDevice } from '../../src/node.ts';
import { measureCeilings } from '../ceilings.ts';
import { selectNames, UsageError } from '../options.ts';
import { writeResult } from '../result.ts';
import { adapterName, ceilingsText } from '../show.ts';
import { runsFor } from '../timing.ts';
import { findDifference, type PeerResult, peersTable } from './compare.ts';
import { EngineProcess } from './process.ts';
import { drawInputs, kernelShapes, type Workload, workloads } from './workloads.ts';

const USAGE = `Usage: npm run bench:peers -- [options]      (with --json: npm run --silent bench:peers -- --json)

  --only NAME    only workloads whose name is or begins with NAME (repeatable, or with commas): ${workloads.map((w) => w.name).join(', ')}
  --engine NAME  only these engines in addition to tilegrad: tfjs, jax, torch (repeatable, or with commas)
  --rounds N     rounds of each engine, in turns, of which the best counts; default 3
  --patience S   seconds within which an engine must answer; default 600
  --json         prints the result as JSON on stdout, and all other output on stderr
  --out FILE     writes the result as JSON into FILE after each workload
  --help         prints this text`;

const PEERS = ['tfjs', 'jax', 'torch'];
/** Milliseconds of a round; a single run may be longer. */
const ROUND_MS = 500;
const MAX_RUNS = 300;
/** An engine gets no more rounds after this many milliseconds of runs. */
const MAX_ROUNDS_MS = 40_000;

const say = (line: string) => process.stderr.write(`${line}\n`);

/** The folder bench/peers, relative to the bundle in dist/bench. */
const here = fileURLToPath(new URL('../../bench/peers', import.meta.url));

function options() {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: 'string', multiple: true },
        engine: { type: 'string', multiple: true },
        rounds: { type: 'string' },
        patience: { type: 'string' },
        json: { type: 'boolean' },
        out: { type: 'string' },
        help: { type: 'boolean' },
      },
    });
    const { json = false, out, help = false } = values;
    const split = (list: string[] = []) => list.flatMap((names) => names.split(','));
    const rounds = Number(values.rounds ?? 3);
    if (!Number.isInteger(rounds) || rounds < 1)
      throw new Error(`--rounds: must be a positive integer, but is ${values.rounds}`);
    const patience = Number(values.patience ?? 600);
    if (!(patience > 0)) throw new Error(`--patience: must be a number of seconds above 0, but is ${values.patience}`);
    const selected = selectNames(
      workloads.map(({ name }) => name),
      split(values.only),
    );
    const engines = values.engine ? selectNames(PEERS, split(values.engine)) : new Set(PEERS);
    return { selected, engines, rounds, patienceMs: 1000 * patience, json, out, help };
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(`${error instanceof Error ? error.message : error}`);
  }
}

/** Writes the inputs that all engines read. @returns shapes of the kernels */
function writeInputs(folder: string, workload: Workload): number[][] {
  const { images, labels, kernels } = drawInputs(workload);
  writeFileSync(join(folder, 'images'), images);
  writeFileSync(join(folder, 'labels'), labels);
  writeFileSync(join(folder, 'kernels'), Buffer.concat(kernels.map(({ buffer }) => new Uint8Array(buffer))));
  return kernelShapes(workload);
}

const findPython = () =>
  ['python3', '/usr/bin/python3'].find((command) => spawnSync(command, ['-c', 'import torch']).status === 0);

async function startEngines(requested: ReadonlySet<string>, patienceMs: number): Promise<EngineProcess[]> {
  const engines: EngineProcess[] = [];
  const add = (name: string, command: string, file: string) =>
    engines.push(new EngineProcess(name, command, [file], patienceMs));
  add('tilegrad', process.execPath, fileURLToPath(new URL('./tilegrad.js', import.meta.url)));
  for (const name of ['tfjs', 'jax'].filter((peer) => requested.has(peer))) {
    add(name, process.execPath, join(here, `${name}.mjs`));
  }
  if (requested.has('torch')) {
    const command = findPython();
    if (command) add('torch', command, join(here, 'torch_cpu.py'));
    else say('torch: left out, because no python3 on this machine can import it');
  }
  const ready: EngineProcess[] = [];
  for (const engine of engines) {
    try {
      await engine.start();
      ready.push(engine);
      say(`${engine.name} ${engine.version}`);
    } catch (error) {
      say(`${engine.name}: left out, ${error instanceof Error ? error.message : error}`);
      engine.end();
    }
  }
  return ready;
}

/** Times one workload on all engines in turns. If an engine fails, its result is the error. */
async function runWorkload(workload: Workload, engines: EngineProcess[], rounds: number): Promise<PeerResult> {
  const folder = mkdtempSync(join(tmpdir(), 'tilegrad-peers-'));
  const result: PeerResult = { name: workload.name, what: workload.what, size: workload.size, engines: {} };
  const recordFailure = (engine: EngineProcess, error: unknown) => {
    result.engines[engine.name] = { error: `${error instanceof Error ? error.message : error}` };
    say(`  ${engine.name}: ${error instanceof Error ? error.message : error}`);
  };
  try {
    const shapes = writeInputs(folder, workload);
    const state = new Map<EngineProcess, { runs: number; times: number[]; spent: number; check: (number | null)[] }>();
    for (const engine of engines) {
      try {
        await engine.start();
        const { check = [] } = await engine.ask({ do: 'prepare', workload, folder, shapes });
        // The first run may compile further kernels; the second one measures how long a run takes.
        if (workload.what === 'fit') await engine.ask({ do: 'run', runs: 1 });
        const { ms = 0 } = await engine.ask({ do: 'run', runs: 1 });
        const runs = runsFor(ms, MAX_RUNS, 1, ROUND_MS);
        state.set(engine, { runs, check, times: runs === 1 ? [ms] : [], spent: runs === 1 ? ms : 0 });
        say(`  ${engine.name}: ${ms.toFixed(1)} ms at first`);
      } catch (error) {
        recordFailure(engine, error);
      }
    }
    for (let round = 0; round < rounds; round++) {
      for (const [engine, { runs, times, spent }] of state) {
        if (times.length >= rounds || (times.length > 0 && spent > MAX_ROUNDS_MS)) continue;
        try {
          const { ms = 0 } = await engine.ask({ do: 'run', runs });
          times.push(ms / runs);
          state.get(engine)!.spent += ms;
        } catch (error) {
          state.delete(engine);
          recordFailure(engine, error);
        }
      }
    }
    const ours = [...state].find(([engine]) => engine.name === 'tilegrad')?.[1];
    for (const [engine, { runs, times, check }] of state) {
      const differs = ours && findDifference(check, ours.check);
      result.engines[engine.name] = { ms: Math.min(...times), rounds: times.length, runs, check, differs };
    }
    return result;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function main(): Promise<void> {
  const { selected, engines: requested, rounds, patienceMs, json, out, help } = options();
  if (help) return void process.stdout.write(`${USAGE}\n`);
  const device = await openDevice();
  const { info } = device;
  const ceilings = await measureCeilings(device);
  device.dispose();
  say(`${adapterName(info)}, ${info.driver}; ${ceilingsText(ceilings)}`);
  const engines = await startEngines(requested, patienceMs);
  const versions = Object.fromEntries(engines.map(({ name, version }) => [name, version]));
  const results: PeerResult[] = [];
  const all = { adapter: adapterName(info), driver: info.driver, ceilings, versions, workloads: results };
  try {
    for (const workload of workloads.filter(({ name }) => selected.has(name))) {
      say(`${workload.name} ...`);
      results.push(await runWorkload(workload, engines, rounds));
      if (out !== undefined) writeResult(out, all);
    }
  } finally {
    for (const engine of engines) engine.end();
  }
  const heading = `${adapterName(info)}, ${info.driver}\n${ceilingsText(ceilings)}\n\n`;
  const text = heading + peersTable(versions, results);
  if (json) {
    say(text);
    process.stdout.write(`${JSON.stringify(all, null, 2)}\n`);
  } else {
    process.stdout.write(text);
  }
  // Times of engines that compute different results cannot be compared.
  const hasDifferences = results.some((one) => Object.values(one.engines).some((e) => 'differs' in e && e.differs));
  if (hasDifferences) process.exitCode = 1;
}

try {
  await main();
} catch (error) {
  if (!(error instanceof UsageError || error instanceof AdapterError)) throw error;
  say(error.message);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
