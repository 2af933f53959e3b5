import { expect, test } from 'vitest';
import { describeInBrowser } from './browser.ts';
import { openWebPage, SMALL, TrainingPage } from './pages.ts';

const both = (script: string) => ({ initScript: script, workerScript: { file: 'worker.js', script } });

/** Code that removes parts of WebGPU, and the expected message of the page. */
const MISSING: Record<string, { options: object; says: RegExp }> = {
  'is not on https': { options: { insecure: true }, says: /https: browsers have WebGPU on secure pages only/ },
  'has a browser without WebGPU': {
    options: both(`delete (globalThis.Navigator ?? WorkerNavigator).prototype.gpu`),
    says: /Browser: this one has no WebGPU \(navigator\.gpu is undefined\)/,
  },
  'has WebGPU but no adapter': {
    options: both(`GPU.prototype.requestAdapter = async () => null`),
    says: /Driver: .* no graphics adapter/,
  },
  'has WebGPU in pages and not in workers': {
    options: { workerScript: { file: 'worker.js', script: `delete WorkerNavigator.prototype.gpu` } },
    says: /not in workers/,
  },
};

describeInBrowser('a page that cannot train', () => {
  test.each(Object.keys(MISSING))('reports what is missing if it %s', async (name) => {
    const { options, says } = MISSING[name]!;
    const page = await openWebPage(`index.html?${SMALL}`, options);
    const support = page.getByRole('region', { name: 'What is missing to train here' });
    await support.waitFor({ timeout: 60_000 });
    expect(await support.textContent()).toMatch(says);
    const training = new TrainingPage(page);
    await training.hasState(/^Stopped/);
    expect(await training.train.isDisabled()).toBe(true);
  });

  /** An adapter that offers and reports only default limits and no features. */
  const PLAIN = `
    const request = GPUAdapter.prototype.requestDevice;
    GPUAdapter.prototype.requestDevice = function (wishes) {
      if (Object.keys(wishes?.requiredLimits ?? {}).length > 0) {
        return Promise.reject(new DOMException('the limits are not supported', 'OperationError'));
      }
      return request.call(this, { ...wishes, requiredFeatures: [] });
    }`;
  test('trains on an adapter with default limits, and reports what does not fit on it', async () => {
    const options = { workerScript: { file: 'worker.js', script: PLAIN } };
    const training = await TrainingPage.open(SMALL, options);
    expect(await training.inWorker(`tilegrad.device.limits.maxStorageBufferBindingSize`)).toBe(2 ** 27);
    await training.takeSteps(1);

    // 3072 x 8192 weights of ten networks are 960 MiB.
    const { page } = training;
    await page.goto(page.url().replace(/\?.*/, '?data=cifar10&network=mlp&layers=8192&replicas=10'));
    await training.hasState(/^Stopped/);
    const notices = (await training.notices.allTextContents()).join('\n');
    expect(notices).toMatch(/MiB|bytes/);

    // Other settings work again.
    await training.set('layers', '8');
    await training.isPaused();
    await training.takeSteps(1);
  });
});
