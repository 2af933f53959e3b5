import { setTimeout as sleep } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { describeInBrowser, openBeside } from './browser.ts';
import { bitsAfter, SMALL, TrainingPage } from './pages.ts';

/** Points of the curves of a kind, those of the loss first. */
const pointsOf = async (page: Page, kind: 'train' | 'test') => {
  const lines = await page.locator(`#curves polyline.${kind}`).all();
  const texts = await Promise.all(lines.map((line) => line.getAttribute('points')));
  return texts.map((text) => (text ?? '').split(' ').filter((point) => point !== '').length);
};

describeInBrowser('training page', () => {
  test('trains after a click, draws curves, pauses, and takes one step', async () => {
    const training = await TrainingPage.open();
    const { page } = training;
    expect(await training.step()).toBe(0);
    await training.hasState(/^Paused before the first step$/);
    expect(await training.figure('Adapter')).toMatch(/swiftshader/i);

    await training.train.click();
    await training.hasState(/^Training/);
    await training.reachesStep(40); // beyond the first epoch, and its evaluation on the test images
    await expect.poll(async () => Math.min(...(await pointsOf(page, 'train')))).toBeGreaterThan(1);
    await expect.poll(async () => Math.min(...(await pointsOf(page, 'test')))).toBeGreaterThanOrEqual(1);
    await training.clickPause();

    const paused = await training.step();
    await sleep(500);
    expect(await training.step()).toBe(paused);
    const accuracy = await training.figure('Test accuracy');
    expect(accuracy).toMatch(/^\d+\.\d% \(epoch \d+\)$/);
    const epochs = Number(/epoch (\d+)/.exec(accuracy)![1]);
    expect(await pointsOf(page, 'test')).toEqual([epochs, epochs]);
    expect(Number(await training.figure('Training loss'))).toBeLessThan(2);
    expect(await page.locator('#curves svg').first().getAttribute('aria-label')).toMatch(
      /^Loss.*: training \d\.\d+, test \d\.\d+$/,
    );

    await training.takeSteps(2);
    expect(await training.step()).toBe(paused + 2);
    await training.startOver.click();
    await expect.poll(() => training.step()).toBe(0);
    await training.isPaused();
    expect(await pointsOf(page, 'train')).toEqual([0, 0]);
    await training.takeSteps(1);
    expect(await page.locator('#curves circle.train').count()).toBe(2); // no line yet: a dot on each chart
    const labels = await page.locator('#curves svg').first().locator('text').allTextContents();
    expect(['2.40', '2.80', '3.20', '4.00']).toContain(labels[4]); // a round number above the first loss
  });

  test('continues after a reload where it was paused, with the bits of an uninterrupted training', async () => {
    const training = await TrainingPage.open();
    await training.takeSteps(3);
    const curves = await pointsOf(training.page, 'train');
    await training.page.reload();
    await training.isPaused();
    expect(await training.step()).toBe(3);
    expect(await pointsOf(training.page, 'train')).toEqual(curves);
    await training.takeSteps(2);
    expect(await training.weightBits()).toEqual(await bitsAfter(SMALL, 5));
  });

  test('continues from the last checkpoint if the tab is closed during training, also at an address without settings', async () => {
    const training = await TrainingPage.open();
    await training.train.click();
    await training.reachesStep(1);
    const countCheckpoints = () =>
      training.inWorker<number>(`tilegrad.checkpoints.load().then((kept) => kept ? 1 : 0)`);
    await expect.poll(countCheckpoints, { timeout: 60_000 }).toBe(1);
    await training.reachesStep((await training.step()) + 1);
    const bare = training.page.url().split('?')[0]!;
    const second = openBeside(training.page, bare);
    await training.page.close();

    const again = new TrainingPage(await second);
    await again.isPaused();
    const step = await again.step();
    expect(step).toBeGreaterThan(0);
    expect(new URL(again.page.url()).searchParams.get('layers')).toBe('16');
    await again.takeSteps(1);
    expect(await again.weightBits()).toEqual(await bitsAfter(SMALL, step + 1));
  });

  test('trains ten replicas at once, shown as bands, and the first has the bits of a single network', async () => {
    const training = await TrainingPage.open(`${SMALL}&replicas=10`);
    expect(await training.page.locator('#curves polygon.band').count()).toBe(0);
    await training.takeSteps(2);
    expect(await training.page.locator('#curves polygon.train.band').count()).toBe(2);
    const alone = await bitsAfter(SMALL, 2);
    const all = await training.weightBits();
    all.forEach((bits, i) => {
      expect(bits).toHaveLength(10 * alone[i]!.length);
      expect(bits.slice(0, alone[i]!.length)).toEqual(alone[i]);
    });
  });
});
