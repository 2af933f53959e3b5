import { checkF32, checkOptions, checkSurplus, formatValue, readList } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';

/** A rate, or one for each replica of a model. */
export type PenaltyRate = number | readonly number[];

/** A penalty on a weight w, added to the loss: l1 * sum |w| + l2 * sum w^2. */
export interface Regularizer {
  /** Rate of sum |w|; 0 for none. */
  readonly l1: PenaltyRate;
  /** Rate of sum w^2; 0 for none. */
  readonly l2: PenaltyRate;
}

/**
 * The rate of a replica.
 * @internal
 */
export const penaltyRate = (rate: PenaltyRate, replica: number): number =>
  typeof rate === 'number' ? rate : (rate[replica] ?? 0);

/** rate * sum |w|; its gradient is rate * sign(w), 0 at 0. Keras's default is 0.01. @throws ArgumentError for a rate below zero */
export function l1(rate: PenaltyRate = 0.01, ...surplus: never[]): Regularizer {
  checkSurplus('l1', surplus);
  return makeRegularizer('l1', { l1: rate });
}

/**
 * rate * sum w^2, without a half, as in Keras; its gradient is 2 * rate * w. (PyTorch's `weight_decay` of SGD adds
 * weight_decay * w: it is twice the rate here.) Keras's default is 0.01.
 * @throws ArgumentError for a rate below zero
 */
export function l2(rate: PenaltyRate = 0.01, ...surplus: never[]): Regularizer {
  checkSurplus('l2', surplus);
  return makeRegularizer('l2', { l2: rate });
}

/**
 * Both penalties; a missing rate is 0.
 * @param rates.l1 rate of sum |w|
 * @param rates.l2 rate of sum w^2
 * @throws ArgumentError for rates below zero
 */
export function l1l2(rates: { l1?: PenaltyRate; l2?: PenaltyRate }, ...surplus: never[]): Regularizer {
  checkSurplus('l1l2', surplus);
  return makeRegularizer('l1l2', rates);
}

function makeRegularizer(subject: string, rates: { l1?: PenaltyRate; l2?: PenaltyRate }): Regularizer {
  checkOptions(subject, rates, { l1: true, l2: true });
  const both = { l1: rates.l1 ?? 0, l2: rates.l2 ?? 0 };
  for (const [name, rate] of Object.entries(both)) {
    const list = readList(subject, rate) ?? [rate];
    if (list.length === 0 || !list.every((one) => typeof one === 'number' && Number.isFinite(one) && one >= 0)) {
      throw new ArgumentError(
        `${subject}: ${name} must be zero or more, or a list of such numbers, one for each replica, but is ${formatValue(rate)}`,
      );
    }
    for (const one of list) checkF32(`${subject}: ${name}`, one as number);
  }
  return both;
}

const namedRegularizers = { l1: l1(), l2: l2() };
/**
 * Names of the penalties, each with Keras's rate of 0.01.
 * @useDeclaredType
 */
export type RegularizerName = keyof typeof namedRegularizers;

/**
 * A penalty from a name (with Keras's rate of 0.01) or an object; undefined for undefined or null.
 * @param subject layer and option, for the message
 * @throws ArgumentError for anything else
 * @internal
 */
export function regularizerOf(subject: string, value?: RegularizerName | Regularizer | null): Regularizer | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'object') return makeRegularizer(subject, value);
  if (typeof value !== 'string' || !Object.hasOwn(namedRegularizers, value)) {
    throw new ArgumentError(
      `${subject}: must be a regularizer such as regularizers.l2(0.001), 'l1' or 'l2', but is ${formatValue(value)}`,
    );
  }
  return namedRegularizers[value];
}
