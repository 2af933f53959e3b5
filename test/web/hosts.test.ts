import { expect, test } from 'vitest';
import { describeInBrowser } from './browser.ts';
import { openWebPage, SMALL, TrainingPage } from './pages.ts';

/** Makes the page load its worker from an address without a file. */
const WITHOUT_WORKER = `globalThis.Worker = class extends Worker {
  constructor(_, options) {
    super('missing.js', options);
  }
}`;

describeInBrowser('a host', () => {
  test.each(['index.html', 'playground.html'])(
    'that does not serve the worker of %s: the page reports it, and offers nothing',
    async (path) => {
      const page = await openWebPage(path, { initScript: WITHOUT_WORKER, expected: [/request failed: .*missing\.js/] });
      const notices = page.locator('#notices li');
      await expect.poll(() => notices.allTextContents(), { timeout: 60_000 }).toHaveLength(1);
      expect(await notices.textContent()).toMatch(/The worker of this page cannot be loaded: check the connection/);
      expect(await page.locator('#state').textContent()).toBe('Stopped');
      expect(await page.locator('#digit .drawing').filter({ visible: true }).count()).toBe(0);
    },
  );

  test('that allows only its own files: nothing is blocked', async () => {
    const page = await openWebPage('playground.html');
    const address = page.url();
    const isReady = () => expect.poll(() => page.locator('#play').isEnabled(), { timeout: 120_000 }).toBe(true);
    await isReady(); // a page that is left earlier has requests that fail
    await page.context().route('**/*', async (route) => {
      const response = await route.fetch();
      const policy = { 'content-security-policy': "default-src 'self'; worker-src 'self'" };
      await route.fulfill({ response, headers: { ...response.headers(), ...policy } });
    });
    for (const path of ['playground.html', `index.html?${SMALL}`]) {
      await page.goto(address.replace('playground.html', path));
      await isReady();
    }
    await new TrainingPage(page).takeSteps(1);
  });
});
