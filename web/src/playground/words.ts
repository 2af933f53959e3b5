import { HALF_WIDTH } from './data.ts';
import type { Look, Score } from './look.ts';

/** Names of the classes: color and shape of their points. */
export const CLASSES = [
  { color: 'orange', shape: 'circle' },
  { color: 'blue', shape: 'square' },
] as const;

/** One value, or the smallest and the largest if they differ. */
function range(values: readonly number[], format: (value: number) => string): string {
  const [least, most] = [format(Math.min(...values)), format(Math.max(...values))];
  return least === most ? least : `${least} to ${most}`;
}
const percent = (share: number) => `${(100 * share).toFixed(1)}%`;
const loss = (value: number) => (Number.isFinite(value) ? value.toFixed(3) : 'no number');

/** Loss and accuracy of a score as text; ranges for several networks. */
export const scoreText = (score: Score | null) => ({
  loss: score ? range(score.loss, loss) : 'no points',
  accuracy: score ? range(score.accuracy, percent) : 'no points',
});

/** Summary of the training in a few sentences, for users who do not see the surface. */
export function summaryOf({ step, epoch, training, test, surface }: Look): string {
  const part = (name: string, score: Score | null) => {
    const text = scoreText(score);
    return score ? `${name} loss ${text.loss}, accuracy ${text.accuracy}` : `no ${name.toLowerCase()} points`;
  };
  const steps = `Step ${step.toLocaleString('en')}, epoch ${epoch.toFixed(1)}`;
  return `${steps}. ${part('Training', training)}; ${part('Test', test).replace(/^T/, 't')}. ${surfaceText(surface)}`;
}

/** Share of the plane of each class, as text. */
export function surfaceText(surface: ArrayLike<number>): string {
  const share = (has: (p: number) => boolean) => Array.from(surface).filter(has).length / surface.length;
  const [blue, none] = [share((p) => p > 0.5), share(Number.isNaN)];
  const first = `${percent(blue)} of the plane is ${CLASSES[1].color}`;
  if (none === 0) return `${first}, the rest ${CLASSES[0].color}.`;
  return `${first}, ${percent(1 - blue - none)} ${CLASSES[0].color}; on the rest the output is no number.`;
}

/** A position in the plane with the predicted class and its probability, as text. */
export function placeText(x: number, y: number, surface: ArrayLike<number>): string {
  const size = Math.sqrt(surface.length);
  const node = (value: number) => Math.round(((value + HALF_WIDTH) / (2 * HALF_WIDTH)) * (size - 1));
  const p = surface[(size - 1 - node(y)) * size + node(x)]!;
  if (Number.isNaN(p)) return `x ${x.toFixed(2)}, y ${y.toFixed(2)}: no number`;
  const likely = p > 0.5 ? CLASSES[1].color : CLASSES[0].color;
  return `x ${x.toFixed(2)}, y ${y.toFixed(2)}: ${percent(Math.max(p, 1 - p))} ${likely}`;
}

/** Summary of a unit: the share of the plane where its output is above the middle of its range. */
export function unitText(layer: number, unit: number, values: readonly number[], middle: number): string {
  const share = values.filter((value) => value > middle).length / values.length;
  return `Layer ${layer}, unit ${unit}: above ${middle} on ${Math.round(100 * share)}% of the plane`;
}
