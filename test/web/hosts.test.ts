import { expect, test } from 'vitest';
import { describeInBrowser } from './browser.ts';
import { openWebPage, SMALL, TrainingPage } from './pages.ts';

const style = 'style.css'; // a file of the pages that starts nothing: what follows it can be changed
const address = (url: string, path: string) => url.replace(style, path);

describeInBrowser('a host', () => {
  test.each([
    ['index.html', 'worker.js'],
    ['playground.html', 'playground-worker.js'],
  ])('that does not give the worker of %s: the page says so, and offers nothing', async (path, worker) => {
    const page = await openWebPage(style, { expected: [/request failed: .*worker\.js/] });
    await page.route(`**/${worker}`, (route) => route.abort());
    await page.goto(address(page.url(), path));
    const notices = page.locator('#notices li');
    await expect.poll(() => notices.allTextContents(), { timeout: 60_000 }).toHaveLength(1);
    expect(await notices.textContent()).toMatch(/The worker of this page cannot be loaded: check the connection/);
    expect(await page.locator('#state').textContent()).toBe('Stopped');
    expect(await page.locator('#digit .drawing').filter({ visible: true }).count()).toBe(0);
  });

  test('that allows only files of its own: nothing is refused', async () => {
    const page = await openWebPage(style);
    await page.context().route('**/*', async (route) => {
      const response = await route.fetch();
      const policy = { 'content-security-policy': "default-src 'self'; worker-src 'self'" };
      await route.fulfill({ response, headers: { ...response.headers(), ...policy } });
    });
    for (const path of ['playground.html', `index.html?${SMALL}`]) {
      await page.goto(address(page.url().replace(/[^/]*$/, style), path));
      await expect.poll(() => page.locator('#play').isEnabled(), { timeout: 120_000 }).toBe(true);
    }
    const training = new TrainingPage(page);
    await training.takeSteps(1);
  });
});
