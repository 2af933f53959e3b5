import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator } from 'playwright-core';
import { expect, test } from 'vitest';
import { decodeSafetensors, loadDataset } from '../../src/node.ts';
import type { FirstFilters } from '../../web/src/worker/filters.ts';
import { describeInBrowser } from './browser.ts';
import { SMALL, TrainingPage } from './pages.ts';

/** Four steps an epoch. */
const QUERY = 'network=mlp&layers=12&batch=1000&rate=0.01';
const { test: digits } = await loadDataset('mnist', { dir: join(import.meta.dirname, '../../data/sample/mnist') });

/** Long, for busy machines. */
const poll = <T>(read: () => T) => expect.poll(read, { timeout: 120_000 });

/** Red, green, blue and alpha of each pixel of a canvas. */
const pixelsOf = (canvas: Locator): Promise<number[]> =>
  canvas.evaluate((element) => {
    // biome-ignore lint/suspicious/noExplicitAny: these tests are compiled without the types of a document
    const [{ OffscreenCanvas }, source] = [globalThis as any, element as any];
    // Reads a copy, because Chromium warns if a canvas is read often.
    const copy = new OffscreenCanvas(source.width, source.height).getContext('2d');
    copy.drawImage(source, 0, 0);
    return Array.from(copy.getImageData(0, 0, source.width, source.height).data as Uint8ClampedArray);
  });

/** Probabilities as printed by the page. */
const probabilities = async (training: TrainingPage) =>
  (await training.page.locator('#digit .bars td:last-child').allTextContents()).map(Number.parseFloat);

describeInBrowser('panels of the training page', () => {
  test('filters: a pixel has the color of a weight, also after the next step', async () => {
    const training = await TrainingPage.open(QUERY);
    const canvas = training.page.locator('#filters canvas');
    const seen: string[] = [];
    for (let step = 1; step <= 2; step++) {
      await training.takeSteps(1);
      const { values, limit } = await training.inWorker<FirstFilters>(
        'tilegrad.filters().then((filters) => ({ ...filters, values: [...filters.values] }))',
      );
      /** Pixels whose opacity or hue is not that of their weight: 12 units of 28 x 28 in one row, with a line before each. */
      const wrongPixels = async () => {
        const data = await pixelsOf(canvas);
        if (data.length !== 4 * (12 * 29 + 1) * 30) return Number.NaN;
        let wrong = 0;
        for (const [i, value] of values.entries()) {
          const [unit, y, x] = [Math.floor(i / 784), Math.floor(i / 28) % 28, i % 28];
          const offset = 4 * ((1 + y) * (12 * 29 + 1) + unit * 29 + 1 + x);
          const [red, , blue, alpha] = data.slice(offset, offset + 4) as [number, number, number, number];
          const isOrange = red > blue;
          if (Math.abs(alpha - (255 * Math.abs(value)) / limit) > 1) wrong++;
          else if (alpha > 10 && isOrange !== value > 0) wrong++;
        }
        return wrong;
      };
      await poll(wrongPixels).toBe(0);
      seen.push(`${await pixelsOf(canvas)}`);
      expect(await canvas.getAttribute('aria-label')).toContain(`12 units, 28 x 28 weights each`);
      expect(await canvas.getAttribute('aria-label')).toContain(`The largest weight is ${limit.toFixed(2)}.`);
    }
    expect(seen[1]).not.toBe(seen[0]);
    // Fewer fit into a row on a phone, which must be drawn without a further step.
    await training.page.setViewportSize({ width: 390, height: 844 });
    await poll(async () => canvas.getAttribute('width')).not.toBe(String(12 * 29 + 1));
  });

  test('confusion matrix: its cells count the test images, and show them after a click or a key', async () => {
    const training = await TrainingPage.open(QUERY);
    const { page } = training;
    await training.takeSteps(4);
    const rows = page.locator('#confusion tbody tr');
    await poll(() => page.locator('#confusion .hint').textContent()).toContain('after step 4');
    const counts: number[][] = [];
    for (const row of await rows.all()) counts.push((await row.locator('button').allTextContents()).map(Number));
    const labels = Array.from({ length: 10 }, (_, c) => digits.labels.filter((label) => label === c).length);
    expect(counts.map((row) => row.reduce((sum, n) => sum + n, 0))).toEqual(labels);
    const right = counts.reduce((sum, row, c) => sum + row[c]!, 0);
    expect(await page.locator('#confusion .hint').textContent()).toContain(`${right} of 1000`);
    expect(right).toBeGreaterThan(300);

    // The cell with the most mistakes, by a click.
    const cells = counts.flatMap((row, t) => row.map((count, p) => ({ t, p, count: t === p ? 0 : count })));
    const { t, p, count } = cells.sort((a, b) => b.count - a.count)[0]!;
    const cellOf = (truth: number, predicted: number) => rows.nth(truth).locator('button').nth(predicted);
    const images = page.locator('#confusion .mistakes li');
    await cellOf(t, p).click();
    await poll(() => images.count()).toBe(Math.min(20, count));
    expect(await page.locator('#confusion h3').textContent()).toBe(`${t} classified as ${p}; the most certain first`);
    const canvas = images.first().locator('canvas');
    const number = Number((await canvas.getAttribute('aria-label'))!.match(/\d+/)![0]);
    expect(digits.labels[number - 1]).toBe(t);
    const shown = await pixelsOf(canvas);
    expect(shown.filter((_, i) => i % 4 === 0)).toEqual(
      Array.from(digits.images.slice((number - 1) * 784, number * 784)),
    );
    expect(await images.first().textContent()).toMatch(new RegExp(`${p}: [\\d.]+%${t}: [\\d.]+%`));

    // Its right neighbor, or the left one of the last column, by the arrows.
    const next = p < 9 ? p + 1 : p - 1;
    await page.keyboard.press(p < 9 ? 'ArrowRight' : 'ArrowLeft');
    await page.keyboard.press('Enter');
    await poll(() => cellOf(t, next).getAttribute('aria-pressed')).toBe('true');
    await poll(() => images.count()).toBe(Math.min(20, counts[t]![next]!));
    expect(await page.locator('#confusion [aria-pressed="true"]').count()).toBe(1);
    expect(await page.locator('#confusion td button[tabindex="0"]').count()).toBe(1); // one stop of Tab
  });

  test('digit: a drawing is classified, again whenever the weights change', async () => {
    const training = await TrainingPage.open(QUERY);
    const { page } = training;
    await training.takeSteps(1);
    const area = page.locator('#digit .drawing');
    await area.scrollIntoViewIfNeeded();
    const { x, y, width, height } = (await area.boundingBox())!;
    await page.mouse.move(x + 0.5 * width, y + 0.2 * height);
    await page.mouse.down();
    await page.mouse.move(x + 0.5 * width, y + 0.8 * height, { steps: 5 });
    await page.mouse.up();
    const caption = page.locator('#digit figcaption');
    await poll(() => caption.textContent()).toContain('your drawing');
    // A stroke straight down is 20 pixels high, about 22 / 190 of that wide, and around the center.
    const seen = (await pixelsOf(page.locator('#digit figure canvas'))).filter((_, i) => i % 4 === 0);
    const lit = seen.flatMap((value, i) => (value > 0 ? [{ row: Math.floor(i / 28), column: i % 28 }] : []));
    expect(new Set(lit.map(({ row }) => row)).size).toBe(20);
    expect(lit.every(({ column }) => column >= 12 && column <= 16)).toBe(true);

    const probabilitySum = async () => (await probabilities(training)).reduce((sum, one) => sum + one, 0);
    await poll(probabilitySum).toBeCloseTo(100, 0);
    const before = await probabilities(training);
    await training.takeSteps(1);
    await poll(() => probabilities(training)).not.toEqual(before);
    const expected = await training.inWorker<number[]>(
      `tilegrad.classify(Uint8Array.from(${JSON.stringify(seen)})).then((list) => [...list])`,
    );
    const texts = () => page.locator('#digit .bars td:last-child').allTextContents();
    await poll(texts).toEqual(expected.map((p) => `${(100 * p).toFixed(1)}%`));
    const best = expected.indexOf(Math.max(...expected));
    expect(await page.locator('#digit .verdict').textContent()).toBe(`Most likely: ${best}`);

    await page.getByRole('button', { name: 'Clear' }).click();
    await poll(() => page.locator('#digit .verdict').textContent()).toBe('Nothing to classify yet');
    expect(await page.locator('#digit .bars td:last-child').allTextContents()).toEqual(Array(10).fill('-'));
  });

  test('digit: can be drawn with a finger', async () => {
    const training = await TrainingPage.open(QUERY, { hasTouch: true, viewport: { width: 390, height: 800 } });
    const { page } = training;
    // Until the panels above have their heights.
    await poll(() => page.locator('#filters .hint').textContent()).toContain('units');
    await poll(() => page.locator('#confusion td button').count()).toBe(100);
    await poll(() => page.locator('#digit figcaption').textContent()).toContain('test image 1');
    const area = page.locator('#digit .drawing');
    await area.scrollIntoViewIfNeeded();
    const { x, y, width, height } = (await area.boundingBox())!;
    const client = await page.context().newCDPSession(page);
    const touch = (type: 'touchStart' | 'touchMove' | 'touchEnd', points: [number, number][]) =>
      client.send('Input.dispatchTouchEvent', {
        type,
        touchPoints: points.map(([u, v]) => ({ x: x + u * width, y: y + v * height })),
      });
    await touch('touchStart', [[0.2, 0.5]]);
    for (const u of [0.4, 0.6, 0.8]) await touch('touchMove', [[u, 0.5]]);
    await touch('touchEnd', []);
    await poll(() => page.locator('#digit figcaption').textContent()).toContain('your drawing');
    const drawn = (await pixelsOf(area)).filter((_, i) => i % 4 === 3);
    const columns = new Set(drawn.flatMap((alpha, i) => (alpha > 0 ? [i % 280] : [])));
    expect(Math.min(...columns)).toBeLessThan(0.2 * 280);
    expect(Math.max(...columns)).toBeGreaterThan(0.8 * 280);
    expect(columns.size).toBeGreaterThan(0.6 * 280); // a line, not dots
  });

  test('digit: a test image is selected by keyboard; a number that does not exist is reported', async () => {
    const training = await TrainingPage.open(QUERY);
    const { page } = training;
    await training.takeSteps(1);
    const caption = page.locator('#digit figcaption');
    const field = page.getByRole('spinbutton', { name: 'Test image' });
    await field.focus();
    for (const [typed, says] of [
      ['37', `What the network sees: test image 37, labeled ${digits.labels[36]}`],
      ['1001', 'There are test images from 1 to 1000'],
      ['1000', `What the network sees: test image 1000, labeled ${digits.labels[999]}`],
      ['0', 'There are test images from 1 to 1000'],
    ]) {
      await field.fill(typed!);
      await page.keyboard.press('Enter');
      await poll(() => caption.textContent()).toBe(says);
    }
    const shown = (await pixelsOf(page.locator('#digit figure canvas'))).filter((_, i) => i % 4 === 0);
    expect(shown).toEqual(Array.from(digits.images.slice(999 * 784)));
    await poll(() => probabilities(training)).not.toContain(Number.NaN);
  });

  test('CIFAR-10: the panel shows a test image in colors instead of the drawing', async () => {
    const training = await TrainingPage.open('data=cifar10&network=mlp&layers=8&batch=1000');
    const { page } = training;
    expect(await page.locator('#digit h2').textContent()).toBe('Classify an image');
    expect(await page.locator('#digit .drawing').isVisible()).toBe(false);
    await poll(() => page.locator('#digit figcaption').textContent()).toMatch(/test image 1, labeled \w+$/);
    const dir = join(import.meta.dirname, '../../data/sample/cifar-10-binary-sample.tar.gz');
    const { test: images } = await loadDataset('cifar10', { dir });
    const shown = (await pixelsOf(page.locator('#digit figure canvas'))).filter((_, i) => i % 4 < 3);
    expect(shown).toEqual(Array.from(images.images.slice(0, 3072)));
    await training.takeSteps(1);
    await poll(() => page.locator('#digit .verdict').textContent()).toMatch(/^Most likely: [a-z]+$/);
    expect(await page.locator('#digit .bars th').allTextContents()).toEqual(images.classes);
  });

  test('downloads: the file has the weights whose hash the page shows after an epoch', async () => {
    const training = await TrainingPage.open(QUERY);
    const { page } = training;
    await poll(() => page.locator('#downloads tbody').textContent()).toBe('none yet');
    // The epoch ends as the next step begins, so its weights are those after four steps.
    await training.takeSteps(4);
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download weights' }).click(),
    ]);
    expect(download.suggestedFilename()).toBe('tilegrad-mlp-mnist-step-4.safetensors');
    const { tensors } = decodeSafetensors(readFileSync(await download.path()));
    const hash = createHash('sha256');
    for (const name of ['dense/kernel', 'dense/bias', 'dense_1/kernel', 'dense_1/bias']) {
      const { data } = tensors.get(name)!;
      hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
    expect(tensors.size).toBe(4);
    await training.takeSteps(1);
    await poll(() => page.locator('#downloads tbody tr').first().textContent()).toBe(`1${hash.digest('hex')}`);
  });

  test('downloads: the program is shown, copied and saved', async () => {
    const training = await TrainingPage.open(`${QUERY}&seed=12`, {
      permissions: ['clipboard-read', 'clipboard-write'],
      acceptDownloads: true,
    });
    const { page } = training;
    await page.getByText('The same training as a program for Node').click();
    const program = page.locator('#downloads pre');
    await poll(() => program.textContent()).toContain("from 'tilegrad/node'");
    const text = (await program.textContent())!;
    expect(text).toContain("new Dense({ units: 12, activation: 'relu' })");
    expect(text).toContain('new Adam({ learningRate: 0.01 })');
    expect(text).toContain('batchSize: 1000');
    expect(text).toContain('seed: 12');
    await page.getByRole('button', { name: 'Copy program' }).click();
    await poll(() => page.locator('#downloads .hint').textContent()).toBe('Copied.');
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(text);
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download program' }).click(),
    ]);
    expect(download.suggestedFilename()).toBe('tilegrad-mlp-mnist.mjs');
    expect(readFileSync(await download.path(), 'utf8')).toBe(text);
  });

  test('a network with a loss that is NaN: training stops with a message, and no class is the most likely', async () => {
    const training = await TrainingPage.open(`${SMALL}&optimizer=sgd&rate=10&penalty=l2&strength=1`);
    await training.train.click();
    await poll(() => training.notices.allTextContents()).toEqual([
      expect.stringMatching(/^The loss is no longer a number after \d+ steps, so training stopped/),
    ]);
    await training.isPaused();
    await poll(() => training.page.locator('#digit .verdict').textContent()).toMatch(/^No class is likely/);
    expect(await training.page.locator('#digit .bars td:last-child').allTextContents()).not.toContain('NaN%');

    // Selecting a cell while there is no network must not be an error.
    await training.inWorker('tilegrad.close()');
    await training.page.locator('#confusion td button').first().click();
    expect(await training.notices.count()).toBe(1);
  });
});
