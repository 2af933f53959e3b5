import { expect, test } from 'vitest';
import { Disposables } from '../../src/training/disposables.ts';
import { FirstError } from '../../src/training/first-error.ts';

test('Disposables: closes and disposes the last resource first, also if one throws, and reports the first error', async () => {
  const calls: string[] = [];
  const resources = new Disposables();
  const add = (name: string, fails = false) =>
    resources.add({
      close: async (signal?: AbortSignal) => void calls.push(`close ${name} ${signal?.aborted}`),
      dispose() {
        calls.push(`dispose ${name}`);
        if (fails) throw new Error(name);
      },
    });
  add('a', true);
  add('b', true);
  const plain = { dispose: () => void calls.push('dispose plain') };
  expect(resources.add(plain)).toBe(plain);
  const errors = new FirstError();
  await resources.dispose(errors, AbortSignal.abort());
  expect(calls).toEqual(['dispose plain', 'close b true', 'dispose b', 'close a true', 'dispose a']);
  expect(() => errors.throw()).toThrow('b');
  await resources.dispose(errors);
  expect(calls).toHaveLength(5);
});
