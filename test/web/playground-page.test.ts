import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import axe from 'axe-core';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { measurePage } from '../../scripts/check-size.mjs';
import { describeInBrowser, type PageOptions } from './browser.ts';
import { isDrawn, openWebPage } from './pages.ts';

/** A network whose kernels a software adapter compiles fast. */
const SMALL = 'data=circles&layers=4&batch=50';
const WAIT = { timeout: 120_000, interval: 50 };

/** The controls of the playground. */
class Playground {
  constructor(readonly page: Page) {}

  /** Opens it with a query, and waits until it can train. */
  static async open(query = SMALL, options: PageOptions = {}): Promise<Playground> {
    const playground = new Playground(await openWebPage(`playground.html?${query}`, options));
    await playground.isReady();
    return playground;
  }

  async isReady(): Promise<void> {
    await expect.poll(() => this.button('One step').isEnabled(), WAIT).toBe(true);
  }

  button = (name: string) => this.page.getByRole('button', { name, exact: true });
  notices = () => this.page.locator('#notices li span').allTextContents();
  query = () => new URL(this.page.url()).search;

  async figure(name: string): Promise<string> {
    return (await this.page.locator('#figures dt', { hasText: name }).locator('+ dd').textContent()) ?? '';
  }

  step = async () => Number((await this.figure('Step')).replaceAll(',', ''));
  reachesStep = (step: number) => expect.poll(this.step, WAIT).toBeGreaterThanOrEqual(step);

  /** Clicks a button that trains and pauses, and waits until `step` steps are done. */
  async advance(name: 'One step' | 'One epoch', step: number): Promise<void> {
    await this.button(name).click();
    await expect.poll(this.step, WAIT).toBe(step);
  }

  /** Pixels of a canvas, as an address. */
  pixels = (selector: string) =>
    this.page.locator(selector).evaluate((canvas) => (canvas as unknown as { toDataURL(): string }).toDataURL());

  /** axe-core's findings, each with its rule and elements. */
  async findings(): Promise<string[]> {
    await this.page.evaluate(axe.source);
    const results = (await this.page.evaluate('axe.run()')) as axe.AxeResults;
    return results.violations.map(({ id, help, nodes }) => `${id}: ${help} (${nodes.map(({ html }) => html)})`);
  }

  /** How much wider the page is than the window. */
  overflow = () => this.page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
}

/**
 * The largest difference of two pictures in a channel of a pixel, out of 255. Chromium draws a canvas that was read several times on the
 * CPU instead of the adapter, which may round a pixel differently.
 */
async function difference(...addresses: [string, string]): Promise<number> {
  const read = (address: string) =>
    sharp(Buffer.from(address.split(',')[1]!, 'base64'))
      .raw()
      .toBuffer();
  const [a, b] = (await Promise.all(addresses.map(read))) as [Buffer, Buffer];
  return a.length === b.length ? a.reduce((max, value, i) => Math.max(max, Math.abs(value - b[i]!)), 0) : 255;
}

test('the playground is below 80 kB once compressed, with its worker', () => {
  const names = ['playground.html', 'style.css', 'playground.css', 'playground.js', 'playground-worker.js'];
  expect(measurePage(fileURLToPath(new URL('../../dist/web', import.meta.url)), names).gzip).toBeLessThan(80_000);
});

describeInBrowser('2-D playground', () => {
  test('trains: a step changes the surface, play continues until pause, start over restores the first surface', async () => {
    const playground = await Playground.open();
    // The layout may still change when the first frame is there.
    let first = '';
    const isSettled = async () => {
      const before = first;
      first = await playground.pixels('#plane');
      return first === before;
    };
    await expect.poll(isSettled, { ...WAIT, interval: 300 }).toBe(true);
    const unit = await playground.pixels('.pictures li:first-child canvas');
    expect(await playground.step()).toBe(0);
    await playground.advance('One step', 1);
    const second = await playground.pixels('#plane');
    expect(await difference(first, second)).toBeGreaterThan(20);
    expect(await playground.pixels('.pictures li:first-child canvas')).not.toBe(unit);
    await playground.advance('One epoch', 4); // of 200 points by 50
    expect(await playground.figure('Epoch')).toBe('1.0');

    await playground.button('Train').click();
    await playground.reachesStep(12);
    expect(await playground.page.locator('#state').textContent()).toBe('Training');
    await playground.button('Pause').click();
    await playground.button('Train').waitFor();
    await playground.page.workers()[0]!.evaluate('playground.pause()'); // a frame of steps may still end
    await isDrawn(playground.page);
    const paused = await playground.step();
    await sleep(500);
    expect(await playground.step()).toBe(paused);
    expect(await playground.page.locator('#summary').textContent()).toMatch(
      new RegExp(`^Step ${paused}, epoch .+ Training loss 0\\.\\d+, accuracy .+%; test loss .+ of the plane is blue`),
    );
    const line = playground.page.locator('#curves polyline.test').first();
    expect((await line.getAttribute('points'))!.split(' ').length).toBeGreaterThan(3);

    await playground.button('Start over').click();
    await expect.poll(playground.step, WAIT).toBe(0);
    const isBack = async () => difference(first, await playground.pixels('#plane'));
    await expect.poll(isBack, WAIT).toBeLessThanOrEqual(2);
  });

  test('the address has the state: a page opened with it looks the same, to the pixel', async () => {
    const playground = await Playground.open();
    const { page } = playground;
    await page.getByLabel('Data set').selectOption('moons');
    await page.getByLabel('Noise').fill('15');
    await page.getByLabel('Networks at once').fill('3');
    await page.getByLabel('Networks at once').press('Enter');
    await page.getByLabel('Activation').selectOption('tanh');
    await playground.button('One unit less in layer 1').click();
    await playground.button('Add a layer').click();
    expect(playground.query()).toBe('?data=moons&noise=15&layers=3-3&activation=tanh&batch=50&replicas=3');
    await playground.advance('One step', 1);
    await expect.poll(() => playground.figure('Test loss'), WAIT).toMatch(/ to /); // of three networks
    const surface = await playground.pixels('#plane');
    await page.reload();
    await playground.isReady();
    expect(await page.getByLabel('Data set').inputValue()).toBe('moons');
    expect(await page.getByLabel('Hidden layers').inputValue()).toBe('3-3');
    await playground.advance('One step', 1);
    expect(await playground.pixels('#plane')).toBe(surface);
  });

  test('an invalid address is reported, and the defaults are trained instead', async () => {
    const playground = await Playground.open(`${SMALL}&rate=-1&activation=magic&depth=3`);
    expect(await playground.notices()).toEqual([
      'activation must be one of tanh, relu, leakyRelu, sigmoid, linear, but is "magic"; relu is used instead.',
      'rate must be a number from 0.00001 to 10, but is "-1"; 0.01 is used instead.',
      expect.stringMatching(/^There is no setting "depth"; the settings are data, noise, /),
    ]);
    expect(await playground.page.getByLabel('Learning rate').inputValue()).toBe('0.01');
    await playground.advance('One step', 1);
    await playground.page.getByLabel('Batch size').fill('many');
    await playground.page.getByLabel('Batch size').press('Enter');
    expect(await playground.page.getByRole('alert').textContent()).toBe(
      'Batch size must be a whole number from 1 to 400, but is "many".',
    );
    expect(playground.query()).not.toContain('many');
  });

  test('points are added and removed by pointer and by keyboard, and trained on', async () => {
    const playground = await Playground.open('data=own&layers=2');
    const { page } = playground;
    await playground.button('One step').click();
    await expect
      .poll(playground.notices, WAIT)
      .toEqual(['There is no point to train on: place some, or choose a data set.']);
    const plane = page.locator('#plane');
    const { width, height } = (await plane.boundingBox())!;
    await plane.click({ position: { x: width / 4, y: height / 2 } });
    const [, x, y] = playground.query().match(/^\?data=own&points=(-?\d+)\.(-?\d+)\.0&layers=2$/)!;
    expect(Math.hypot(Number(x) + 100, Number(y))).toBeLessThan(4); // hundredths: within two pixels
    await page.getByLabel('blue square').check();
    await plane.focus();
    for (const key of ['Shift+ArrowRight', 'Shift+ArrowRight', 'ArrowUp', 'Enter']) await page.keyboard.press(key);
    expect(playground.query()).toContain(`points=${x}.${y}.0_100.10.1&`);
    expect(await page.locator('#place').textContent()).toMatch(/^x 1\.00, y 0\.10: \d+\.\d% (orange|blue)$/);
    await playground.advance('One step', 1);
    expect(await playground.figure('Test loss')).toBe('no points');
    await plane.focus();
    await page.keyboard.press('Enter'); // at the last position of the cursor
    expect(playground.query()).not.toContain('_');
    await playground.button('Remove my points').click();
    expect(playground.query()).toBe('?data=own&layers=2');
  });

  test('a lost device is opened again while it plays, and reported', async () => {
    const playground = await Playground.open();
    await playground.button('Train').click();
    await playground.reachesStep(4);
    const [worker] = playground.page.workers();
    await worker!.evaluate('void playground.device.gpu.destroy()');
    await expect
      .poll(playground.notices, WAIT)
      .toEqual([
        expect.stringMatching(
          /^The graphics device was lost, so it was opened again; training (continues|begins again)/,
        ),
      ]);
    const step = await playground.step();
    await playground.reachesStep(step + 4);
    expect(await playground.button('Pause').isVisible()).toBe(true);
  });

  test.each(['light', 'dark'] as const)(
    '%s: axe finds nothing while it plays, and a phone shows the whole page',
    async (colorScheme) => {
      const playground = await Playground.open(`${SMALL}&replicas=2&rate=bad`, { colorScheme });
      await playground.button('Train').click();
      await playground.reachesStep(4);
      expect(await playground.findings()).toEqual([]);
      await playground.page.setViewportSize({ width: 390, height: 844 });
      expect(await playground.overflow()).toBe(0);
      expect(await playground.findings()).toEqual([]);
    },
  );

  test('a setting changed while the device is opened is the one that is trained', async () => {
    // The worker's request for an adapter waits for a lock that the page holds.
    const playground = new Playground(
      await openWebPage(`playground.html?${SMALL}`, {
        initScript: `navigator.locks.request('adapter', () => new Promise((resolve) => { globalThis.openDevice = resolve; }));`,
        workerScript: {
          file: 'playground-worker.js',
          script: `const { requestAdapter } = GPU.prototype;
            GPU.prototype.requestAdapter = function (...options) {
              return navigator.locks.request('adapter', () => requestAdapter.apply(this, options));
            }`,
        },
      }),
    );
    await playground.page.getByLabel('Data set').selectOption('own');
    expect(await playground.button('One step').isDisabled()).toBe(true);
    await playground.page.evaluate('openDevice()');
    await playground.isReady();
    await expect.poll(() => playground.figure('Test loss'), WAIT).toBe('no points');
  });

  test('without WebGPU it says what is missing', async () => {
    const without = 'Object.defineProperty(Object.getPrototypeOf(navigator), "gpu", { get: () => undefined })';
    const page = await openWebPage('playground.html', {
      initScript: without,
      workerScript: { file: 'playground-worker.js', script: without },
    });
    await page.locator('#support').waitFor();
    expect(await page.locator('#support').textContent()).toContain('navigator.gpu is undefined');
    expect(await page.locator('#state').textContent()).toBe('Stopped');
    expect(await page.getByRole('button', { name: 'Train', exact: true }).isDisabled()).toBe(true);
    // Points and settings are still shown.
    await page.getByLabel('Data set').selectOption('xor');
    expect(page.url()).toContain('data=xor');
  });
});
