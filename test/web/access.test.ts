import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { describeInBrowser } from './browser.ts';
import { openWebPage, SMALL, TILED, TrainingPage } from './pages.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** axe-core's findings on the page in its current state. */
async function findings(page: Page): Promise<string[]> {
  if (!(await page.evaluate(`'axe' in globalThis`))) await page.evaluate(axe);
  const { violations } = await page.evaluate<AxeResults>(`axe.run({ resultTypes: ['violations'] })`);
  return violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${help}: ${html} ${failureSummary}`),
  );
}

/** Pixels by which a page is wider than its window. */
const overflow = (page: Page) =>
  page.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth');

/** Sections that overlap, or whose contents overflow. */
const misplacedElements = (page: Page) =>
  page.evaluate<string[]>(`(() => {
    const sections = [...document.querySelectorAll('main > section')].filter((one) => one.checkVisibility());
    const boxes = sections.map((one) => one.getBoundingClientRect());
    const over = sections.flatMap((one, i) => sections.slice(i + 1).flatMap((other, k) => {
      const [a, b] = [boxes[i], boxes[i + 1 + k]];
      const isApart = a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
      return isApart ? [] : [one.id + ' lies over ' + other.id];
    }));
    const wide = sections.filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.id + ' is too narrow');
    return [...over, ...wide];
  })()`);

/** Calls `check` with a page at both widths, light and dark. */
async function inEveryLook(page: Page, check: (look: string) => Promise<void>): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    for (const width of [1280, 390]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      await check(`${colorScheme}, ${width} px`);
    }
  }
}

const FOCUSABLE = 'a[href], button:not([tabindex="-1"]), input, select, textarea, summary, [tabindex="0"]';

describeInBrowser('accessibility of the training page', () => {
  test('has no findings of axe-core and no horizontal overflow, light and dark, wide and narrow', async () => {
    const training = await TrainingPage.open(`${SMALL}&replicas=2`);
    const { page } = training;
    await training.takeSteps(2);
    await inEveryLook(page, async (look) => {
      expect(await findings(page), look).toEqual([]);
      expect(await overflow(page), look).toBe(0);
      expect(await misplacedElements(page), look).toEqual([]);
    });
  });

  test('has none with notices, an invalid value and missing features', async () => {
    const page = await openWebPage(`index.html?${SMALL}&seed=no`, {
      workerScript: { file: 'worker.js', script: `GPU.prototype.requestAdapter = async () => null` },
    });
    await page.getByRole('region', { name: 'What is missing to train here' }).waitFor();
    await new TrainingPage(page).set('batch', '0');
    await inEveryLook(page, async (look) => {
      expect(await findings(page), look).toEqual([]);
      expect(await overflow(page), look).toBe(0);
      expect(await misplacedElements(page), look).toEqual([]);
    });
  });

  test('has none with measured kernels, and one opened beside its reference', async () => {
    const { page } = await TrainingPage.open(TILED);
    await page.getByRole('button', { name: 'Measure the kernels' }).click();
    await page.getByRole('button', { name: 'matmul_workgroup' }).first().click({ timeout: 300_000 });
    await page.getByRole('button', { name: 'Swap the reference in' }).click();
    await page.getByRole('region', { name: 'Variant and reference' }).waitFor({ timeout: 300_000 });
    await inEveryLook(page, async (look) => {
      expect(await findings(page), look).toEqual([]);
      expect(await overflow(page), look).toBe(0);
    });
  });

  test('can be used by keyboard alone: every control is reached, and its focus is visible', async () => {
    const training = await TrainingPage.open();
    const { page } = training;
    const controls = await page.evaluate<string[]>(
      `[...document.querySelectorAll('${FOCUSABLE}')].filter((one) => !one.disabled && one.checkVisibility())
        .map((one, i) => one.dataset.tabStop = String(i))`,
    );
    const reached = new Set<string>();
    for (let presses = 0; presses < controls.length + 20; presses++) {
      await page.keyboard.press('Tab');
      const focused = await page.evaluate<{ stop?: string; html: string; isSeen: boolean } | null>(`(() => {
        const one = document.activeElement;
        if (one === document.body) return null;
        const { outlineStyle, outlineWidth } = getComputedStyle(one);
        const isSeen = outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2;
        return { stop: one.dataset.tabStop, html: one.outerHTML.slice(0, 80), isSeen };
      })()`);
      if (!focused) break;
      expect(focused.isSeen, focused.html).toBe(true);
      if (focused.stop) reached.add(focused.stop);
    }
    expect([...reached].sort()).toEqual([...controls].sort());

    const focus = async (id: string) => {
      await page.evaluate('document.activeElement.blur()');
      for (let presses = 0; presses < 100; presses++) {
        await page.keyboard.press('Tab');
        if ((await page.evaluate('document.activeElement.id')) === id) return;
      }
      throw new Error(`#${id} was not reached`);
    };
    await focus('play');
    await page.keyboard.press('Space');
    await training.reachesStep(1);
    await page.keyboard.press('Enter');
    await training.isPaused();
    await focus('setting-activation');
    await page.keyboard.press('ArrowDown');
    await expect.poll(() => new URL(page.url()).searchParams.get('activation')).toBe('tanh');
    await focus('setting-batch');
    await page.keyboard.press('ControlOrMeta+a');
    await page.keyboard.type('200');
    await page.keyboard.press('Enter');
    await expect.poll(() => new URL(page.url()).searchParams.get('batch')).toBe('200');
    await training.isPaused();
  });

  test('reports its state and notices to screen readers', async () => {
    const training = await TrainingPage.open(`${SMALL}&seed=no`);
    const { page } = training;
    expect(await page.getByRole('status').first().textContent()).toMatch(/^Paused/);
    expect(await page.locator('#notices').getAttribute('aria-live')).toBe('polite');
    expect(await page.locator('html').getAttribute('lang')).toBe('en');
    expect(await page.getByRole('heading', { level: 1 }).count()).toBe(1);
  });
});
