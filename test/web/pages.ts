import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Locator, Page } from 'playwright-core';
import { expect } from 'vitest';
import { whyBuild } from '../../scripts/setup/stamps.mjs';
import { openPage, type PageOptions } from './browser.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const DIST = join(root, 'dist');

/** A small network whose kernels a software adapter compiles fast. */
export const SMALL = 'network=mlp&layers=16&batch=128';

/** A network with a product so large that tiles compute it, not the reference. */
export const TILED = 'network=mlp&layers=64&batch=256';

const reason = whyBuild(root);

/** Opens a page of dist/web, below a folder of the host. @throws Error if dist/ was built from other sources */
export async function openWebPage(path: string, options: PageOptions = {}): Promise<Page> {
  if (reason) throw new Error(`the pages are not built (${reason}): run \`npm run build\``);
  return openPage(DIST, { ...options, path: `web/${path}` });
}

/** Waits until a page has drawn what its worker reported. */
export const isDrawn = (page: Page): Promise<unknown> =>
  page.evaluate('new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))');

/** The training page: its controls, and the API of its worker. */
export class TrainingPage {
  readonly train: Locator;
  readonly pause: Locator;
  readonly oneStep: Locator;
  readonly startOver: Locator;
  readonly status: Locator;
  readonly notices: Locator;

  constructor(readonly page: Page) {
    const button = (name: string) => page.getByRole('button', { name, exact: true });
    this.train = button('Train');
    this.pause = button('Pause');
    this.oneStep = button('One step');
    this.startOver = button('Start over');
    this.status = page.locator('#state');
    this.notices = page.locator('#notices li');
  }

  /** Opens it with a query, and waits until it can train. */
  static async open(query = SMALL, options: PageOptions = {}): Promise<TrainingPage> {
    const training = new TrainingPage(await openWebPage(`index.html?${query}`, options));
    await training.hasState(/^(Paused|Stopped)/);
    // The first page of a new Chromium sometimes stops while it opens. A lasting problem fails after the reload too.
    if ((await training.status.textContent()) === 'Stopped') {
      console.error(`opened again: ${await training.page.locator('#support').innerText()}`);
      await training.page.reload();
    }
    await training.isPaused();
    return training;
  }

  async hasState(text: string | RegExp): Promise<void> {
    try {
      await expect.poll(() => this.status.textContent(), { timeout: 120_000 }).toMatch(text);
    } catch (error) {
      const notices = [...(await this.notices.allTextContents()), await this.page.locator('#support').innerText()].join(
        '; ',
      );
      throw new Error(`the page is not in the state ${text}; its notices: ${notices || 'none'}`, { cause: error });
    }
  }

  isPaused(): Promise<void> {
    return this.hasState(/^Paused/);
  }

  /** Clicks on Pause, and waits for the step that still ends: the state changes before it. */
  async clickPause(): Promise<void> {
    await this.pause.click();
    await this.isPaused();
    await this.inWorker('tilegrad.pause()');
    await isDrawn(this.page);
  }

  /** A field of the settings. */
  setting(name: string): Locator {
    return this.page.locator(`#controls [name=${name}]`);
  }

  /** Sets the value of a field, and moves the focus away. */
  async set(name: string, value: string): Promise<void> {
    const field = this.setting(name);
    if ((await field.evaluate((one) => one.nodeName)) === 'SELECT') {
      await field.selectOption(value);
    } else {
      await field.fill(value);
      await field.press('Enter');
    }
  }

  /** The value of a metric below the state. */
  async figure(name: string): Promise<string> {
    return (await this.page.locator('#figures dt', { hasText: name }).locator('+ dd').textContent()) ?? '';
  }

  /** Steps since the beginning, as the page shows them. */
  async step(): Promise<number> {
    return Number((await this.figure('Step')).split(' ')[0]!.replaceAll(',', ''));
  }

  async reachesStep(step: number): Promise<void> {
    await expect.poll(() => this.step(), { timeout: 120_000 }).toBeGreaterThanOrEqual(step);
  }

  /** Takes single steps by the button. */
  async takeSteps(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const next = (await this.step()) + 1;
      await this.oneStep.click();
      await this.reachesStep(next);
      await this.isPaused();
    }
    // The step is shown before its checkpoint is saved.
    await this.inWorker('tilegrad.pause()');
  }

  /** Runs code in the worker, where `tilegrad` is its API. */
  inWorker<T>(code: string): Promise<T> {
    const worker = this.page.workers().find((one) => one.url().endsWith('/worker.js'));
    if (!worker) throw new Error('the page has no worker');
    return worker.evaluate(code);
  }

  /** Bits of all weights of the paused network. */
  weightBits(): Promise<number[][]> {
    return this.inWorker(
      `tilegrad.current.model.getWeights().then((weights) =>
        weights.map(({ data }) => [...new Uint32Array(data.buffer, data.byteOffset, data.length)]))`,
    );
  }
}

/** Bits of all weights after each step, by query. Cached, because opening a page compiles its kernels, which takes seconds. */
const trained = new Map<string, number[][][]>();
const STEPS_AT_LEAST = 6;

/** Bits of all weights after `steps` steps without interruption, in a separate profile. */
export async function bitsAfter(query: string, steps: number): Promise<number[][]> {
  const known = trained.get(query)?.[steps - 1];
  if (known) return known;
  const training = await TrainingPage.open(query);
  const bits: number[][][] = [];
  trained.set(query, bits);
  for (let step = 1; step <= Math.max(steps, STEPS_AT_LEAST); step++) {
    await training.inWorker('tilegrad.step()');
    bits.push(await training.weightBits());
  }
  await expect.poll(() => training.step()).toBe(bits.length);
  return bits[steps - 1]!;
}
