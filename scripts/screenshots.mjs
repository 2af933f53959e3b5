#!/usr/bin/env node
// Takes pictures of the pages during training, 1280 and 390 px wide, light and dark: `node scripts/screenshots.mjs FOLDER [--steps N]`.
// Needs Chromium and built pages (`npm run build`).
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { launchChromium } from './chromium.mjs';
import { serveWeb } from './serve-web.mjs';

const PAGES = { index: 'index.html?batch=64', playground: 'playground.html' };
const TIMEOUT_MS = 600_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { steps: { type: 'string', default: '40' }, only: { type: 'string' } },
});
const [folder] = positionals;
const steps = Number(values.steps);
if (!folder || positionals.length > 1 || !Number.isInteger(steps) || steps < 0) {
  console.error('usage: node scripts/screenshots.mjs FOLDER [--steps N] [--only index|playground]');
  process.exit(2);
}
mkdirSync(folder, { recursive: true });
const server = await serveWeb();
const browser = await launchChromium();
try {
  for (const [name, path] of Object.entries(PAGES)) {
    if (values.only && values.only !== name) continue;
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.on('console', (message) => {
      if (message.type() === 'error') console.error(`${name}: ${message.text()}`);
    });
    page.on('pageerror', (error) => console.error(`${name}: ${error}`));
    await page.goto(server.url + path);
    await page.locator('#play').click({ timeout: TIMEOUT_MS });
    await page.waitForFunction(
      (minSteps) => {
        const names = [...document.querySelectorAll('#figures dt')];
        const step = names.find((name) => name.textContent === 'Step')?.nextElementSibling.textContent ?? '0';
        return Number.parseInt(step.replaceAll(',', ''), 10) >= minSteps;
      },
      steps,
      { timeout: TIMEOUT_MS },
    );
    for (const width of [1280, 390]) {
      for (const colorScheme of ['light', 'dark']) {
        await page.setViewportSize({ width, height: width === 390 ? 844 : 900 });
        await page.emulateMedia({ colorScheme });
        await page.screenshot({ path: join(folder, `${name}-${width}-${colorScheme}.png`), fullPage: true });
      }
    }
    await page.close();
  }
} finally {
  await browser.close();
  await server.close();
}
