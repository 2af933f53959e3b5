import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { describeInBrowser, killGpuProcess } from './browser.ts';
import { bitsAfter, SMALL, TrainingPage } from './pages.ts';

/** Replaces the page's checkpoint by the value that `code` returns. */
const store = (page: Page, value: string) =>
  page.evaluate(`new Promise((resolve, reject) => {
    const opening = indexedDB.open('tilegrad');
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const writing = opening.result.transaction('checkpoints', 'readwrite');
      const kept = writing.objectStore('checkpoints').get('last');
      kept.onsuccess = () => writing.objectStore('checkpoints').put((${value})(kept.result), 'last');
      writing.onerror = () => reject(writing.error);
      writing.oncomplete = () => { opening.result.close(); resolve(); };
    };
  })`);

const inWorker = (script: string) => ({ workerScript: { file: 'worker.js', script } });
/** Waits for a notice that matches. */
const says = (training: TrainingPage, text: RegExp) =>
  expect.poll(async () => (await training.notices.allTextContents()).join('\n'), { timeout: 60_000 }).toMatch(text);

/** Trains a little, to check that the page works. */
async function trainsStill(training: TrainingPage): Promise<void> {
  const step = await training.step();
  await training.train.click();
  await training.reachesStep(step + 2);
  await training.clickPause();
}

describeInBrowser('lost device', () => {
  test('is opened again during training, which continues by itself with the same bits', async () => {
    const training = await TrainingPage.open();
    await training.train.click();
    await training.reachesStep(3);
    await training.inWorker('tilegrad.device.gpu.destroy()');
    await says(training, /device was lost .* opened again, and training continues from step \d+/);
    await training.hasState(/^Training/);
    await training.reachesStep((await training.step()) + 3);
    await training.clickPause();
    expect(await training.weightBits()).toEqual(await bitsAfter(SMALL, await training.step()));
  });

  test('is opened again during a pause, at the same step', async () => {
    const training = await TrainingPage.open();
    await training.takeSteps(2);
    await training.inWorker('tilegrad.device.gpu.destroy()');
    await says(training, /device was lost/);
    await training.isPaused();
    expect(await training.step()).toBe(2);
    await training.takeSteps(1);
    expect(await training.weightBits()).toEqual(await bitsAfter(SMALL, 3));
  });

  test.skipIf(process.platform !== 'linux')('is opened again after the browser lost its GPU process', async () => {
    const training = await TrainingPage.open();
    await training.takeSteps(2);
    killGpuProcess();
    await says(training, /device was lost/);
    await training.isPaused();
    expect(await training.step()).toBe(2);
    await trainsStill(training);
  });
});

describeInBrowser('store of checkpoints', () => {
  test('a checkpoint of another network is not used, and reported', async () => {
    const training = await TrainingPage.open('network=mlp&layers=12&batch=128');
    await training.takeSteps(1);
    await training.page.goto(training.page.url().replace('layers=12', 'layers=16'));
    await training.isPaused();
    await says(training, /of another network .*layers=12.* is not used/);
    expect(await training.step()).toBe(0);
    await training.takeSteps(1);
    expect(await training.weightBits()).toEqual(await bitsAfter(SMALL, 1));
  });

  const damaged: Record<string, string> = {
    'a string': `() => 'not a checkpoint'`,
    'a version to come': `(kept) => ({ ...kept, version: 99 })`,
    'a state that is not there': `(kept) => ({ ...kept, state: null })`,
    'a weight that is missing': `(kept) => ({ ...kept, state: { ...kept.state, weights: kept.state.weights.slice(1) } })`,
    'weights of other shapes': `(kept) => ({ ...kept, state: { ...kept.state,
      weights: kept.state.weights.map((w) => w.data ? { ...w, data: w.data.slice(1) } : w.slice(1)) } })`,
    'an impossible position': `(kept) => ({ ...kept, state: { ...kept.state, position: { epoch: -1, step: 0 } } })`,
  };
  test('damaged checkpoints are not used, and reported; the page works', async () => {
    const training = await TrainingPage.open();
    for (const [name, value] of Object.entries(damaged)) {
      await training.takeSteps(1);
      await store(training.page, value);
      await training.page.reload();
      await training.isPaused();
      await says(training, /checkpoint .* (is not|cannot be) used/);
      expect(await training.step(), name).toBe(0);
    }
    await trainsStill(training);
  });

  test('a full store is reported, and training continues', async () => {
    const training = await TrainingPage.open();
    const devtools = await training.page.context().newCDPSession(training.page);
    const { origin } = new URL(training.page.url());
    await devtools.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 1 });
    await training.takeSteps(1);
    await says(training, /storage of this browser is full, so no checkpoint is kept/);
    await trainsStill(training);
    expect(await training.notices.count()).toBe(1);
  });

  const forbidden: Record<string, string> = {
    'throws as it is asked for': `Object.defineProperty(self, 'indexedDB',
      { get() { throw new DOMException('The operation is insecure.', 'SecurityError') } })`,
    'throws as it is opened': `IDBFactory.prototype.open = () => { throw new DOMException('access is denied', 'SecurityError') }`,
    'is not there': `Object.defineProperty(self, 'indexedDB', { value: undefined })`,
  };
  test.each(Object.keys(forbidden))('storage that %s is reported, and training continues', async (name) => {
    const training = await TrainingPage.open(SMALL, inWorker(forbidden[name]!));
    await training.takeSteps(1);
    await says(training, /no checkpoint is kept/);
    await trainsStill(training);
    expect(await training.notices.count()).toBe(1);
  });
});
