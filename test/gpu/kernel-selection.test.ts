import { expect, test } from 'vitest';
import { choiceKey, KernelSelection, withForcedVariant } from '../../src/gpu/kernel-selection.ts';

const choice = { operator: 'matmul', sizes: { m: 2, n: 3 }, variant: 'naive' };
const key = choiceKey(choice.operator, choice.sizes);

test('KernelSelection: the deprecated names are the same maps', () => {
  const selection = new KernelSelection();
  expect(selection.measured).toBe(selection.tuned);
  expect(selection.made).toBe(selection.used);
});

test('withForcedVariant: selects the variant in its body, and restores the selection afterwards', () => {
  const selection = new KernelSelection();
  selection.tuned.set(key, 'tiled');
  const inside = withForcedVariant(selection, choice, () => {
    selection.used.set(key, choice);
    return selection.tuned.get(key);
  });
  expect(inside).toBe('naive');
  expect([...selection.tuned]).toEqual([[key, 'tiled']]);
  expect(selection.used.size).toBe(0);
});

test('withForcedVariant: restores the selection if the body throws', () => {
  const selection = new KernelSelection();
  const fail = () => {
    throw new Error('inside');
  };
  expect(() => withForcedVariant(selection, choice, fail)).toThrow('inside');
  expect(selection.tuned.size).toBe(0);
});
