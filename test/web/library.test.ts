import { copyFileSync, existsSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { OPTIONS } from '../../scripts/build.mjs';
import { buildModules } from '../../scripts/build-modules.mjs';
import { findChromium } from '../../scripts/chromium.mjs';
import { describeOnDevice } from '../support/device.ts';
import { runToEnd } from '../support/process.ts';
import { describeInBrowser, openPage } from './browser.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const outdir = `node_modules/.cache/tilegrad-web-library-${process.pid}`;
const folder = join(root, outdir);

/** Result of `train` in training.mjs. */
interface Trained {
  adapter: string;
  losses: number[];
  before: number[][];
  after: number[][];
}

const IN_PAGE = `<!doctype html><html lang="en"><meta charset="utf-8"><title>training</title><link rel="icon" href="data:,"><script type="module">
import * as tilegrad from './index.js';
import { train } from './training.mjs';
globalThis.trained = tilegrad.Device.open(navigator.gpu).then((device) => train(tilegrad, device));
</script>`;
const IN_NODE = `import * as tilegrad from './node.js';
import { train } from './training.mjs';
console.log(JSON.stringify(await train(tilegrad, await tilegrad.openDevice())));`;

/** The software adapter of Chromium as a Vulkan driver for Node; null if its folder is not beside the command. */
function swiftShader(): string | null {
  const chromium = findChromium();
  if (!chromium) return null;
  const folders = [dirname(realpathSync(chromium)), '/usr/lib/chromium'];
  return folders.map((path) => join(path, 'vk_swiftshader_icd.json')).find((path) => existsSync(path)) ?? null;
}

async function trainInNode(env: NodeJS.ProcessEnv = {}): Promise<Trained> {
  const { code, out, err } = await runToEnd([join(folder, 'main.mjs')], { env });
  expect(code, err).toBe(0);
  return JSON.parse(out);
}

describeInBrowser('library in Chromium, as modules without a bundler', () => {
  beforeAll(async () => {
    await buildModules(root, { index: 'src/index.ts', node: 'src/node.ts' }, outdir, OPTIONS);
    copyFileSync(join(root, 'test/web/training.mjs'), join(folder, 'training.mjs'));
    writeFileSync(join(folder, 'index.html'), IN_PAGE);
    writeFileSync(join(folder, 'main.mjs'), IN_NODE);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  let inChromium: Trained;
  beforeAll(async () => {
    const page = await openPage(folder);
    inChromium = await page.evaluate('globalThis.trained');
  });

  test('trains: the loss decreases', () => {
    expect(inChromium.adapter).toBe('google swiftshader');
    const [first, , last] = inChromium.losses;
    expect(last).toBeLessThan(first! - 0.1);
  });

  const driver = swiftShader();
  test.skipIf(!driver)(
    `has the same bits as in Node on the same adapter${driver ? '' : ' (skipped: no driver)'}`,
    async () => {
      const inNode = await trainInNode({ VK_DRIVER_FILES: driver!, VK_ICD_FILENAMES: driver! });
      expect(inNode).toEqual(inChromium);
    },
  );

  describeOnDevice('compared with Node on its adapter', () => {
    test('draws the same weights, and trains the same to rounding', async () => {
      const inNode = await trainInNode();
      expect(inNode.before).toEqual(inChromium.before);
      // On llvmpipe these are even equal, and the final weights differ by units in the last place; neither is guaranteed.
      inNode.losses.forEach((loss, i) => {
        expect(Math.abs(loss / inChromium.losses[i]! - 1)).toBeLessThan(1e-6);
      });
    });
  });
});
