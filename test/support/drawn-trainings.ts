import fc from 'fast-check';
import {
  Adam,
  AdamW,
  type ClipOptions,
  type Optimizer,
  RMSprop,
  regularizers,
  type Schedule,
  SGD,
  schedules,
} from '../../src/node.ts';

/** Values for all replicas: one that they share, or a list with one for each. */
export type Drawn<T> = T | readonly T[];

/** The value of replica `r`; for null what a model of all replicas is given. */
export const valueFor = <T>(drawn: Drawn<T>, r: number | null): Drawn<T> =>
  r !== null && Array.isArray(drawn) ? (drawn as readonly T[])[r]! : drawn;

export const MAX_REPLICAS = 4;

const each = <T>(one: fc.Arbitrary<T>) => fc.array(one, { minLength: MAX_REPLICAS, maxLength: MAX_REPLICAS });
const sharedOrEach = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<Drawn<T>> => fc.oneof(one, each(one));

const penaltyRate = fc.constantFrom(0, 0.01, 0.1, 0.3);
const penaltyWith = (one: fc.Arbitrary<Drawn<number>>) => fc.option(fc.record({ l1: one, l2: one }));
/** Penalties of one weight that all replicas share, and those that may differ: one that does changes the kernel of all. */
export const sharedPenalty: fc.Arbitrary<DrawnPenalty> = penaltyWith(penaltyRate);
export const anyPenalty: fc.Arbitrary<DrawnPenalty> = penaltyWith(sharedOrEach(penaltyRate));
export type DrawnPenalty = { l1: Drawn<number>; l2: Drawn<number> } | null;

/** Rates of dropout, and seeds: a number, or one for each replica. */
export const drawnDropout: fc.Arbitrary<Drawn<number>> = sharedOrEach(fc.constantFrom(0, 0.3, 0.8));
export const drawnSeed: fc.Arbitrary<Drawn<number>> = sharedOrEach(fc.nat(1000));

/** The seed of `replicas` together, or of replica `r` alone. */
export const seedFor = (seed: Drawn<number>, replicas: number, r: number | null): number | readonly number[] => {
  if (r === null) return ofReplicas(seed, replicas);
  return typeof seed === 'number' ? seed + r : seed[r]!;
};

/** A rate of dropout, of `replicas` together or of replica `r` alone. */
export const dropoutFor = (rate: Drawn<number>, replicas: number, r: number | null) =>
  valueFor(ofReplicas(rate, replicas), r);

const rate = fc.constantFrom(0.003, 0.02, 0.1);
const share = fc.constantFrom(0, 0.5, 0.9);

/** Large, because divisions by almost 0 would amplify the rounding errors of gradients that should be 0. */
export const EPSILON = 1e-2;

/** An optimizer with its options, rate and clipping, as plain data that fast-check can print. */
export const drawnOptimizer = fc.record({
  kind: fc.oneof(
    fc.record({ name: fc.constant('SGD' as const), momentum: share, nesterov: fc.boolean() }),
    fc.record({ name: fc.constant('Adam' as const), beta1: share, beta2: fc.constantFrom(0.9, 0.999) }),
    fc.record({ name: fc.constant('AdamW' as const), beta1: share, weightDecay: fc.constantFrom(0, 0.1) }),
    fc.record({
      name: fc.constant('RMSprop' as const),
      rho: fc.constantFrom(0.5, 0.9),
      momentum: share,
      centered: fc.boolean(),
    }),
  ),
  rate: fc.oneof(sharedOrEach(rate), fc.constant('schedule' as const)),
  /** Assigned before the second epoch; of a list the first, where there is one rate for all. */
  later: fc.option(sharedOrEach(rate)),
  clip: fc.constantFrom<ClipOptions>(
    ...[{}, {}, {}],
    ...[{ clipNorm: 0.05 }, { globalClipNorm: 0.3 }, { clipValue: 0.02 }, { globalClipNorm: 1e6 }],
  ),
});
export type DrawnOptimizer = typeof drawnOptimizer extends fc.Arbitrary<infer T> ? T : never;

const schedule: Schedule = schedules.exponentialDecay({ initialLearningRate: 0.1, decaySteps: 3, decayRate: 0.5 });

const ofReplicas = <T>(drawn: Drawn<T>, replicas: number): Drawn<T> =>
  Array.isArray(drawn) ? (drawn as readonly T[]).slice(0, replicas) : drawn;

/** The rate of replica `r` at step `t`, from 1, of an epoch, from 1. */
export function rateAt(drawn: DrawnOptimizer, r: number, t: number, epoch: number): number {
  const later = epoch > 1 ? laterRate(drawn, MAX_REPLICAS, r) : null;
  if (later !== null) return later as number;
  return drawn.rate === 'schedule' ? schedule(t - 1) : (valueFor(drawn.rate, r) as number);
}

/** The rates that replicas, or replica `r` alone, are assigned before the second epoch; null for none. */
export function laterRate({ rate, later }: DrawnOptimizer, replicas: number, r: number | null): Drawn<number> | null {
  if (later === null) return null;
  const rates: Drawn<number> = Array.isArray(rate) || typeof later === 'number' ? later : later[0]!;
  return valueFor(ofReplicas(rates, replicas), r);
}

/** The optimizer of `replicas` together, or of replica `r` alone. */
export function optimizerOf({ kind, rate, clip }: DrawnOptimizer, replicas: number, r: number | null): Optimizer {
  const learningRate = rate === 'schedule' ? schedule : valueFor(ofReplicas(rate, replicas), r);
  const { name, ...options } = kind;
  const all = { ...options, ...clip, learningRate };
  if (name === 'SGD') return new SGD(all);
  if (name === 'Adam') return new Adam({ ...all, epsilon: EPSILON });
  return name === 'AdamW' ? new AdamW({ ...all, epsilon: EPSILON }) : new RMSprop({ ...all, epsilon: EPSILON });
}

/** The option of a layer, for `replicas` together or replica `r` alone. */
export function regularizerOf(penalty: DrawnPenalty, replicas: number, r: number | null) {
  if (penalty === null) return null;
  const of = (drawn: Drawn<number>) => valueFor(ofReplicas(drawn, replicas), r);
  return regularizers.l1l2({ l1: of(penalty.l1), l2: of(penalty.l2) });
}
