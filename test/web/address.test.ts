import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { describeInBrowser } from './browser.ts';
import { SMALL, TrainingPage } from './pages.ts';

/** A value of each setting that is not its default. */
const OTHER = {
  ...{ data: 'mnist', network: 'mlp', layers: '12-8', activation: 'tanh', optimizer: 'sgd', rate: '0.05' },
  ...{ batch: '100', penalty: 'l2', strength: '0.01', replicas: '2', seed: '7' },
};

const valuesOf = async (page: Page, names: string[]) => {
  const pairs = names.map(async (name) => [name, await page.locator(`[name=${name}]`).inputValue()]);
  return Object.fromEntries(await Promise.all(pairs));
};
const addressOf = (page: Page) => Object.fromEntries(new URL(page.url()).searchParams);

describeInBrowser('settings in the address', () => {
  test('are put into the form, and trained', async () => {
    const query = new URLSearchParams(OTHER).toString();
    const { page, ...training } = await TrainingPage.open(query);
    expect(await valuesOf(page, Object.keys(OTHER))).toEqual(OTHER);
    expect(addressOf(page)).toEqual(OTHER);
    expect(await training.notices.count()).toBe(0);
  });

  test('follow the form, and give another tab the same form', async () => {
    const training = await TrainingPage.open();
    const { page } = training;
    const changes = {
      activation: 'sigmoid',
      penalty: 'l1',
      strength: '0.02',
      optimizer: 'momentum',
      rate: '0.125',
      seed: '11',
    };
    for (const [name, value] of Object.entries(changes)) await training.set(name, value);
    await training.isPaused();
    expect(addressOf(page)).toMatchObject({ network: 'mlp', layers: '16', batch: '128', ...changes });
    const other = await TrainingPage.open(page.url().split('?')[1]);
    const names = Object.keys(OTHER);
    expect(await valuesOf(other.page, names)).toEqual(await valuesOf(page, names));
    await training.takeSteps(1);
    await other.takeSteps(1);
    expect(await other.weightBits()).toEqual(await training.weightBits());
  });

  test('an invalid value is reported, and the default used', async () => {
    const query = `${SMALL}&layers=7&data=imagenet&rate=fast&replicas=11&seed=1.5&strength=-1&penalty=l2&optimizer=adagrad&activation=`;
    const training = await TrainingPage.open(query.replace('layers=16&', 'layers=-4&').replace('&layers=7', ''));
    const notices = (await training.notices.allTextContents()).join('\n');
    for (const name of ['layers', 'data', 'rate', 'replicas', 'seed', 'strength', 'optimizer', 'activation']) {
      expect(notices).toMatch(new RegExp(`^${name} must be .* is used instead`, 'm'));
    }
    expect(addressOf(training.page)).toMatchObject({ data: 'mnist', replicas: '1', seed: '1', batch: '128' });
    await training.notices.first().getByRole('button', { name: 'Close' }).click();
    expect(await training.notices.count()).toBe(7);
  });

  test('unknown and repeated names are reported', async () => {
    const training = await TrainingPage.open(`${SMALL}&sed=3&batch=64`);
    const notices = (await training.notices.allTextContents()).join('\n');
    expect(notices).toMatch(/sed/);
    expect(notices).toMatch(/batch is given 2 times/);
  });

  test('an invalid value in the form is reported, and changes nothing', async () => {
    const training = await TrainingPage.open();
    const { page } = training;
    await training.takeSteps(1);
    const before = page.url();
    const field = training.setting('batch');
    for (const value of ['0', '1025', '1.5', 'many', '']) {
      await training.set('batch', value);
      expect(await page.getByRole('alert').textContent()).toMatch(/^Batch size must be an integer from 1 to 1024/);
      expect(await field.getAttribute('aria-invalid')).toBe('true');
    }
    expect(page.url()).toBe(before);
    expect(await training.step()).toBe(1);
    await training.set('batch', '200');
    await expect.poll(() => page.getByRole('alert').textContent()).toBe('');
    await expect.poll(() => addressOf(page).batch).toBe('200');

    // A change of another field restores the value of the invalid one.
    await training.set('batch', '0');
    await training.set('seed', '3');
    expect([await field.inputValue(), await field.getAttribute('aria-invalid')]).toEqual(['200', 'false']);
  });
});
