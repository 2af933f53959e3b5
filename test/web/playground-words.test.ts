import { expect, test } from 'vitest';
import type { Look } from '../../web/src/playground/look.ts';
import { placeText, scoreText, summaryOf, surfaceText, unitText } from '../../web/src/playground/words.ts';

const look: Look = {
  ...{ step: 1234, epoch: 12.34, boundaries: [], units: [] },
  surface: Float32Array.of(0.9, 0.2, 0.4, 0.75),
  training: { loss: [0.25], accuracy: [0.985] },
  test: { loss: [0.31], accuracy: [0.9] },
};

test('the summary has step, epoch, losses, accuracies and how the plane is divided', () => {
  expect(summaryOf(look)).toBe(
    'Step 1,234, epoch 12.3. Training loss 0.250, accuracy 98.5%; test loss 0.310, accuracy 90.0%. ' +
      '50.0% of the plane is blue, the rest orange.',
  );
  expect(summaryOf({ ...look, test: null })).toContain('accuracy 98.5%; no test points. ');
});

test('several replicas have a range; a loss that is NaN is described as such', () => {
  expect(scoreText({ loss: [0.5, 0.25, 0.3], accuracy: [0.9, 0.9, 0.9] })).toEqual({
    loss: '0.250 to 0.500',
    accuracy: '90.0%',
  });
  expect(scoreText({ loss: [Number.NaN], accuracy: [0.5] }).loss).toBe('no number');
});

test('a place has the probability of the nearest node, in the color of the more likely class', () => {
  expect(placeText(-2, 2, look.surface)).toBe('x -2.00, y 2.00: 90.0% blue');
  expect(placeText(1.5, 1.9, look.surface)).toBe('x 1.50, y 1.90: 80.0% orange');
  expect(placeText(-0.5, -2, look.surface)).toBe('x -0.50, y -2.00: 60.0% orange');
  expect(placeText(2, -2, look.surface)).toBe('x 2.00, y -2.00: 75.0% blue');
});

test('a surface of NaN belongs to no class', () => {
  const broken = Float32Array.of(Number.NaN, 0.2, 0.9, 0.75);
  expect(placeText(-2, 2, broken)).toBe('x -2.00, y 2.00: no number');
  expect(surfaceText(broken)).toBe('50.0% of the plane is blue, 25.0% orange; on the rest the output is no number.');
});

test('a unit is described by where its output is above the middle of its range', () => {
  expect(unitText(2, 5, [0.1, -0.3, 0, 4], 0)).toBe('Layer 2, unit 5: above 0 on 50% of the plane');
  expect(unitText(1, 1, [0.1, 0.6, 0.7, 0.9], 0.5)).toBe('Layer 1, unit 1: above 0.5 on 75% of the plane');
});
