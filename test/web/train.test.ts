import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { describeInBrowser } from './browser.ts';
import { TrainingPage } from './pages.ts';

describeInBrowser('the page that trains', () => {
  test('trains after a click, draws curves, and pauses', async () => {
    const t0 = performance.now();
    const training = await TrainingPage.open();
    console.error('open', performance.now() - t0);
    expect(await training.step()).toBe(0);
    const t1 = performance.now();
    await training.train.click();
    const lines = training.page.locator('#curves polyline.train');
    await expect.poll(() => lines.first().getAttribute('points'), { timeout: 60_000 }).toMatch(/\d+\S* \d/);
    console.error('first curve', performance.now() - t1);
    await training.reachesStep(64);
    console.error('64 steps', performance.now() - t1);
    await training.pause.click();
    await training.isPaused();
    const paused = await training.step();
    await sleep(500);
    expect(await training.step()).toBe(paused);
  });
});
