import { expect, test } from 'vitest';
import { argmax, deadOutputsText, predictionsOf, withDeadOutputs } from '../../experiments/d-predictions.ts';
import { trainingOf } from '../report/samples.ts';

/** Outputs for one image; those not named are 0. */
const outputs = (values: Record<number, number>) => Array.from({ length: 10 }, (_, i) => values[i] ?? 0);

test('the largest output is the first of equal ones, as in NumPy, and never NaN', () => {
  expect(argmax(outputs({}))).toBe(0);
  expect(argmax(outputs({ 3: 0.5, 7: 0.5 }))).toBe(3);
  expect(argmax(outputs({ 2: Number.NaN, 7: 0.5 }))).toBe(7);
});

test('predictions: true classes by row, predicted classes by column, as in all confusion matrices', () => {
  const images = [outputs({ 7: 0.9, 3: 0.1 }), outputs({ 3: 0.4 }), outputs({ 3: 0.2, 1: 0.1 })];
  const { first, confusion } = predictionsOf(Float32Array.from(images.flat()), Uint8Array.of(7, 5, 3));
  expect(first).toEqual(Array.from(Float32Array.from(images[0]!)));
  expect([confusion[7]![7], confusion[5]![3], confusion[3]![3], confusion[3]![5]]).toEqual([1, 1, 1, 0]);
  expect(confusion.flat().reduce((sum, n) => sum + n, 0)).toBe(3);
});

test('an output is dead if it is 0 for more than nine in ten images of its class, whatever it is for others', () => {
  // Of 20 images of 4, one has output 4 above 0; of 20 images of 8, two have output 8; every one has output 5.
  const labels = Uint8Array.from({ length: 40 }, (_, i) => (i < 20 ? 4 : 8));
  const images = [...labels].map((label, i) => outputs({ 5: 1, [label]: i === 0 || i > 37 ? 0.1 : 0 }));
  expect(predictionsOf(Float32Array.from(images.flat()), labels).dead).toEqual([4]);
});

test('models are grouped and described by their number of dead outputs', () => {
  const answers = (dead: number[]) => ({ first: [], confusion: [], dead });
  const ten = { ...trainingOf(), measured: [answers([]), answers([4, 5]), answers([])] };
  expect(deadOutputsText(ten)).toMatch(/^1 of 3 models have relu outputs that are 0 .* 2 in total/);
  expect(withDeadOutputs(ten, 0, [0.9, 0.7, 0.91])).toEqual([0.9, 0.91]);
  expect(withDeadOutputs(ten, 2, [0.9, 0.7, 0.91])).toEqual([0.7]);
  expect(deadOutputsText({ ...ten, measured: [answers([])] })).toBe('');
});
