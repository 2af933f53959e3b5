import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { shaderText } from '../support/shader-files.ts';
import { describeInBrowser } from './browser.ts';
import { bitsAfter, SMALL, TILED, TrainingPage } from './pages.ts';

const shader = shaderText;

const panel = (page: Page) => page.locator('#kernels');
const openedKernel = (page: Page) => panel(page).locator('#kernel');

/** Measures the kernels of the network, and waits for the table. */
async function measure(page: Page): Promise<void> {
  await panel(page).getByRole('button', { name: 'Measure the kernels' }).click();
  await panel(page).getByRole('table').first().waitFor({ timeout: 300_000 });
}

/** Opens the first kernel of this name. */
const openKernel = (page: Page, name: string) => panel(page).getByRole('button', { name, exact: true }).first().click();

describeInBrowser('kernels panel', () => {
  test('shows the kernels of each layer, the source as in its files, and the reference beside it', async () => {
    const { page } = await TrainingPage.open(TILED);
    await measure(page);
    const bodies = await panel(page).locator('tbody').allInnerTexts();
    const rows = bodies.map((text) => text.replace(/\s+/g, ' '));
    expect(rows.map((row) => row.split(' ')[0])).toEqual(['flatten', 'dense', 'dense_1', 'batch,']);
    expect(rows[0]).toMatch(/^flatten none none/);
    expect(rows[1]).toMatch(/^dense matmul\w* matmul: \w+ \d+ [\d.]+ ms [\d.]+% (memory|arithmetic) .*matmul: \w+/);
    expect(rows[3]).toContain('adam');

    await openKernel(page, 'adam');
    const text = openedKernel(page).locator('pre');
    // From several files: Adam, and the lookup of rates.
    await expect.poll(() => text.textContent()).toContain(shader('adam'));
    expect(await text.textContent()).toContain(shader('rates_shared'));
    expect(await openedKernel(page).getByRole('button').count()).toBe(0); // Adam has one kernel

    await openKernel(page, 'matmul_workgroup');
    await expect.poll(() => text.textContent()).toContain(shader('matmul_workgroup'));
    expect(await openedKernel(page).locator('dl').innerText()).toMatch(/workgroup of matmul \(m 256, n 64, k 784/);
    await openedKernel(page).getByRole('button', { name: 'Swap the reference in' }).click();
    const times = openedKernel(page).getByRole('table');
    await times.waitFor({ timeout: 300_000 });
    const compared = (await times.locator('tbody tr').allInnerTexts()).map((row) => row.split('\t'));
    expect(compared.map(([variant]) => variant)).toEqual(['workgroup', 'naive (reference)']);
    for (const cells of compared) {
      expect(cells.slice(2, 4)).toEqual([expect.stringMatching(/^[\d.]+ ms$/), expect.stringMatching(/^[\d.]+ ms$/)]);
      expect(cells[4]!.split(', ').map(Number).every(Number.isFinite)).toBe(true);
      expect(cells[4]!.split(', ').length).toBe(5);
    }
    const verdict = await openedKernel(page).getByRole('status').textContent();
    expect(verdict).toMatch(/^The reference (takes|is) [\d.]+ times as (long|fast)\. (Equal:|Losses, and the weights)/);

    await openKernel(page, 'matmul_workgroup'); // a second click closes it
    expect(await openedKernel(page).isHidden()).toBe(true);
  });

  test('training pauses for measuring and continues, with the same bits as without it', async () => {
    const training = await TrainingPage.open();
    const { page } = training;
    await training.train.click();
    await training.reachesStep(1);
    await measure(page);
    await training.hasState(/^Training/);
    await training.reachesStep((await training.step()) + 1);
    await training.clickPause();
    expect(await training.weightBits()).toEqual(await bitsAfter(SMALL, await training.step()));
  });

  test('another network closes the panel; without source files, the source is shown without comments', async () => {
    const { page } = await TrainingPage.open(SMALL, { expected: [/\.wgsl/] });
    await page.route('**/wgsl/*.wgsl', (route) => route.abort());
    await measure(page);
    await openKernel(page, 'adam');
    await expect.poll(() => openedKernel(page).innerText()).toContain('Without its comments, which cannot be fetched');
    expect(await openedKernel(page).locator('pre').textContent()).toContain('fn main(');
    await page.getByLabel('Seed').fill('3');
    await page.getByLabel('Seed').press('Enter');
    await expect.poll(() => panel(page).getByRole('table').count()).toBe(0);
    expect(await openedKernel(page).isHidden()).toBe(true);
  });
});
