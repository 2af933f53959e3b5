/** `npm run bench:browser`: times training steps of tilegrad and TensorFlow.js in turns, each in a page of one headless Chromium. */
import type { Page } from 'playwright-core';
import { launchChromium, SWIFTSHADER } from '../../scripts/chromium.mjs';
import { serveWeb } from '../../scripts/serve-web.mjs';
import { selectNames, UsageError } from '../options.ts';
import { findDifference, type PeerResult, peersTable } from '../peers/compare.ts';
import { workloads } from '../peers/workloads.ts';
import { runsFor } from '../timing.ts';
import type { PageEngine } from './engine-in-page.ts';

const NAMES = ['lenet-b32', 'lenet-b256'];
const ENGINES = ['tilegrad', 'tfjs'];
/** Milliseconds of a round. */
const ROUND_MS = 500;
const MAX_RUNS = 100;

const say = (line: string) => process.stderr.write(`${line}\n`);

/** Calls a method of the engine of a page. */
const callEngine = <T>(page: Page, call: string) => page.evaluate<T>(`engine.${call}`);

async function openEngine(page: Page, url: string, name: string): Promise<PageEngine> {
  page.on('pageerror', (error) => say(`${name}: ${error.message}`));
  await page.goto(`${url}${name}.html`);
  await page.waitForFunction('globalThis.engine', null, { timeout: 60_000 });
  return page.evaluate<PageEngine>('({ version: engine.version, adapter: engine.adapter })');
}

async function measure(pages: Map<string, Page>, name: string, rounds: number): Promise<PeerResult> {
  const { what, size } = workloads.find((one) => one.name === name)!;
  const checks = new Map<string, number[]>();
  const runs = new Map<string, number>();
  const times = new Map<string, number[]>();
  for (const [engine, page] of pages) {
    checks.set(engine, await callEngine<number[]>(page, `prepare('${name}')`));
    await callEngine(page, 'run(1)'); // may compile further kernels
    const ms = await callEngine<number>(page, 'run(1)');
    say(`  ${name} ${engine}: ${ms.toFixed(1)} ms at first`);
    runs.set(engine, runsFor(ms, MAX_RUNS, 1, ROUND_MS));
    times.set(engine, []);
  }
  for (let round = 0; round < rounds; round++) {
    for (const [engine, page] of pages) {
      const count = runs.get(engine)!;
      times.get(engine)!.push((await callEngine<number>(page, `run(${count})`)) / count);
    }
  }
  const engines = Object.fromEntries(
    [...pages.keys()].map((engine) => {
      const check = checks.get(engine)!;
      const differs = findDifference(check, checks.get('tilegrad')!);
      const ms = Math.min(...times.get(engine)!);
      return [engine, { ms, rounds, runs: runs.get(engine)!, check, differs }];
    }),
  );
  return { name, what, size, engines };
}

interface Options {
  only?: string[];
  rounds?: string;
  /** Whether to use the machine's adapter instead of SwiftShader. */
  gpu?: boolean;
}

/** Runs the comparison. @param folder has a page for each engine */
export async function main(folder: string, { only = NAMES, rounds = '5', gpu = false }: Options): Promise<void> {
  try {
    if (!/^[1-9]\d*$/.test(rounds)) throw new UsageError(`--rounds: must be a positive integer, but is ${rounds}`);
    await compare(folder, selectNames(NAMES, only), Number(rounds), gpu);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    say(error.message);
    process.exitCode = 2;
  }
}

async function compare(folder: string, names: ReadonlySet<string>, rounds: number, gpu: boolean): Promise<void> {
  const server = await serveWeb({ folder });
  const browser = await launchChromium(gpu ? ['--enable-unsafe-webgpu', '--enable-features=Vulkan'] : SWIFTSHADER);
  try {
    const context = await browser.newContext();
    const pages = new Map<string, Page>();
    const versions: Record<string, string> = {};
    let adapter = '';
    for (const name of ENGINES) {
      const page = await context.newPage();
      const engine = await openEngine(page, server.url, name);
      pages.set(name, page);
      versions[name] = engine.version;
      adapter ||= engine.adapter;
    }
    say(`Chromium ${browser.version()}, ${adapter}`);
    const results: PeerResult[] = [];
    for (const name of names) results.push(await measure(pages, name, rounds));
    process.stdout.write(`Chromium ${browser.version()}, ${adapter}\n\n${peersTable(versions, results)}`);
    if (results.some(({ engines }) => Object.values(engines).some((one) => 'differs' in one && one.differs))) {
      process.exitCode = 1;
    }
  } finally {
    await browser.close();
    await server.close();
  }
}
