import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, describe } from 'vitest';
import { findChromium, launchChromium, NO_CHROMIUM, SWIFTSHADER } from '../../scripts/chromium.mjs';
import { serveWeb } from '../../scripts/serve-web.mjs';
import { tryLock } from '../../scripts/setup/lock.mjs';

/** A host name for an insecure context, as on plain http: `127.0.0.1` counts as secure. */
const INSECURE_HOST = 'insecure.test';
/** Distinguishes the Chromium of this process from all others. */
const MARK = `--tilegrad-tests=${process.pid}`;

const hasChromium = findChromium() !== null;
if (!hasChromium) {
  if (process.env.REQUIRE_BROWSER === '1') throw new Error(`REQUIRE_BROWSER=1, but ${NO_CHROMIUM}`);
  console.error(`SKIPPED, every test that needs a browser: ${NO_CHROMIUM}`);
}

/** `describe` for tests that need Chromium; visibly skipped, with the reason in the title, where none is installed. */
export function describeInBrowser(title: string, suite: () => void): void {
  if (hasChromium) describe(title, suite);
  else describe.skip(`${title} (skipped: no Chromium)`, suite);
}

/** Chromiums that run at once. With three on two cores, pages of one sometimes stopped as they opened. */
const MAX_CHROMIUMS = 2;

/** The file's Chromium, launched by its first page. */
let browser: Promise<Browser> | null = null;
/** Lets the next process launch its Chromium. */
let releaseTurn: (() => void) | null = null;
const servers = new Map<string, ReturnType<typeof serveWeb>>();
/** Open pages of the running test, with what they reported. */
const opened: { page: Page; problems: string[]; expected: RegExp[] }[] = [];

export interface PageOptions extends BrowserContextOptions {
  /** File of the folder with the address's query and hash; default `index.html`. */
  path?: string;
  /** Code that runs in the page, not in workers, before its own. */
  initScript?: string;
  /** Code that runs in the worker of this file's name before its own. */
  workerScript?: { file: string; script: string };
  /** Problems that this test causes; each must be reported. All others fail the test. */
  expected?: RegExp[];
  /** Whether to open the page in an insecure context, as on plain http. */
  insecure?: boolean;
}

/** Address of a file of a folder that is served as long as the test file runs. */
export async function addressOf(folder: string, { path = 'index.html', insecure }: PageOptions = {}): Promise<string> {
  if (!servers.has(folder)) servers.set(folder, serveWeb({ folder }));
  const { port } = new URL((await servers.get(folder)!).url);
  return `http://${insecure ? INSECURE_HOST : '127.0.0.1'}:${port}/${path}`;
}

/**
 * Opens a file of a folder as a page with a separate profile and storage. The end of the test closes it, and fails the test if
 * the page or one of its workers threw, logged an error or a warning, or missed a file.
 */
export async function openPage(folder: string, options: PageOptions = {}): Promise<Page> {
  browser ??= launchInTurn();
  const { path: _, initScript, workerScript, expected = [], insecure: __, ...contextOptions } = options;
  const context = await (await browser).newContext(contextOptions);
  if (initScript) await context.addInitScript({ content: initScript });
  if (workerScript) {
    // Init scripts of Playwright do not reach workers.
    await context.route(`**/${workerScript.file}`, async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, body: `${workerScript.script};\n${await response.text()}` });
    });
  }
  const page = await context.newPage();
  watch(page, expected);
  await page.goto(await addressOf(folder, options));
  return page;
}

/** Launches Chromium as soon as fewer than MAX_CHROMIUMS of this test run are running. */
async function launchInTurn(): Promise<Browser> {
  releaseTurn = await takeTurn();
  return launchChromium([...SWIFTSHADER, `--host-resolver-rules=MAP ${INSECURE_HOST} 127.0.0.1`, MARK]);
}

/** Waits for one of the locks that the processes of this test run share, and returns how it is released. */
async function takeTurn(): Promise<() => void> {
  for (;;) {
    for (let turn = 0; turn < MAX_CHROMIUMS; turn++) {
      const lock = tryLock(join(tmpdir(), `tilegrad-tests-${process.ppid}-chromium-${turn}.lock`));
      if (lock.holder === null) return lock.release;
    }
    await sleep(200);
  }
}

/** Opens another page in the same profile, with the same storage. */
export async function openBeside(page: Page, address = page.url()): Promise<Page> {
  const second = await page.context().newPage();
  watch(second, []);
  await second.goto(address);
  return second;
}

/** Collects the problems of a page and its workers. */
function watch(page: Page, expected: RegExp[]): void {
  const problems: string[] = [];
  page.on('console', (message) => {
    const type = message.type();
    if (type !== 'error' && type !== 'warning' && type !== 'assert') return;
    problems.push(`console ${type}: ${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => problems.push(`thrown: ${error.stack ?? error}`));
  page.on('crash', () => problems.push('the page crashed'));
  page.on('requestfailed', (request) => {
    problems.push(`request failed: ${request.url()} ${request.failure()?.errorText}`);
  });
  opened.push({ page, problems, expected });
}

/** Problems that a page reported so far. */
export const problemsOf = (page: Page): readonly string[] => opened.find((entry) => entry.page === page)!.problems;

/** Closes the pages of a test. @throws Error for problems that were not expected, and for expected ones that did not come */
export async function closePages(): Promise<void> {
  const wrong: string[] = [];
  for (const { page, problems, expected } of opened.splice(0)) {
    await page.context().close();
    wrong.push(...problems.filter((problem) => !expected.some((pattern) => pattern.test(problem))));
    const missing = expected.filter((pattern) => !problems.some((problem) => pattern.test(problem)));
    wrong.push(...missing.map((pattern) => `expected, but not reported: ${pattern}`));
  }
  if (wrong.length > 0) throw new Error(`the page reported\n${wrong.join('\n')}`);
}

afterEach(closePages);

/** Ends Chromium and the servers. @throws Error if a process of Chromium is left */
export async function closeBrowser(): Promise<void> {
  const running = await browser?.catch(() => null);
  browser = null;
  const group = running ? processGroup() : null;
  await running?.close();
  releaseTurn?.();
  releaseTurn = null;
  for (const server of servers.values()) await (await server).close();
  servers.clear();
  if (group === null) return;
  for (let waits = 0; processesOf(group).length > 0; waits++) {
    if (waits === 100) throw new Error(`Chromium left processes: ${processesOf(group)}`);
    await sleep(50);
  }
}

afterAll(closeBrowser);

/** Process group of this process's Chromium, on Linux; elsewhere null. Playwright launches it as the leader of a group. */
function processGroup(): number | null {
  if (process.platform !== 'linux') return null;
  const leader = processes().find((id) => readProcess(id, 'cmdline').split('\0').includes(MARK));
  if (leader === undefined) throw new Error('Chromium runs, but its process was not found');
  return groupOf(leader);
}

const processes = () => readdirSync('/proc').filter((name) => /^\d+$/.test(name));
const processesOf = (group: number) => processes().filter((id) => groupOf(id) === group);
/** Fields after the command, which may contain spaces: state, parent, group. */
const groupOf = (id: string) => Number(readProcess(id, 'stat').split(') ').pop()!.split(' ')[2]);

/** Ends the process in which this file's Chromium has its GPU devices, as a crashing driver would. Linux alone. */
export function killGpuProcess(): void {
  const group = processGroup();
  const found = group === null ? [] : processesOf(group);
  const id = found.find((one) => readProcess(one, 'cmdline').includes('--type=gpu-process'));
  if (!id) throw new Error('Chromium has no process for graphics');
  process.kill(Number(id), 'SIGKILL');
}

function readProcess(id: string, file: string): string {
  try {
    return readFileSync(`/proc/${id}/${file}`, 'utf8');
  } catch {
    return ''; // it has ended
  }
}
