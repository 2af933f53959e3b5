import { formatValue, readList } from './check.ts';
import { ArgumentError } from './errors.ts';

/**
 * High 32 bits of the product of two unsigned 32-bit integers, from four 16-bit products that a double represents exactly.
 * Engines compile the shifts to integer instructions, five times as fast as divisions; every initial weight is drawn with it.
 */
function multiplyHigh(a: number, b: number): number {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16); // below 2^32, as the next one is
  const carry = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + (middle >>> 16) + (carry >>> 16)) >>> 0;
}

/**
 * Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw ("Parallel random numbers: as easy as
 * 1, 2, 3", SC11): 128 random bits for each 128-bit counter and 64-bit key. It uses only integers, so every machine and
 * every shader (shaders/random/philox.wgsl) computes the same bits.
 */
export function philox(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, c0);
    const low0 = Math.imul(0xd2511f53, c0);
    const high1 = multiplyHigh(0xcd9e8d57, c2);
    const low1 = Math.imul(0xcd9e8d57, c2);
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1 >>> 0;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0 >>> 0;
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** Uses of random numbers. They are part of the counter, so two uses of one seed never get the same numbers. */
export const PURPOSES = {
  initializer: 1,
  shuffle: 2,
  dropout: 3,
  split: 4,
  search: 5,
  augmentation: 6,
  erasing: 7,
} as const;

/** @throws ArgumentError unless `seed` is an integer from 0 to 2^53 - 1 */
export function checkSeed(seed: number, subject?: string): void {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    const begin = subject === undefined ? 'seed:' : `${subject}: seed`;
    throw new ArgumentError(`${begin} must be an integer from 0 to 2^53 - 1, but is ${formatValue(seed)}`);
  }
}

/** Seeds of a model's replicas: a list with one for each, or a number `seed`, and replica r has `seed + r`. */
export type Seeds = number | readonly number[];

/** The seed of a replica; the first is 0. */
export const seedOf = (seeds: Seeds, replica: number): number =>
  typeof seeds === 'number' ? seeds + replica : seeds[replica]!;

/** Length of a list of seeds, one for each replica; undefined for a number, and for an empty list, which `readSeeds` refuses. */
export const replicasOfSeeds = (subject: string, seeds: Seeds): number | undefined =>
  readList(subject, seeds)?.length || undefined;

/**
 * Checks seeds. A list of consecutive numbers is returned as its first number, which means the same.
 * @param replicas required number of seeds in a list; default any
 * @throws ArgumentError unless each seed is an integer from 0 to 2^53 - 1 and a list has one for each replica
 */
export function readSeeds(subject: string, seeds: Seeds, replicas?: number): Seeds {
  const list = readList(subject, seeds);
  if (!list) {
    checkSeed(seeds as number, subject);
    if (replicas !== undefined) checkSeed((seeds as number) + replicas - 1, subject);
    return seeds;
  }
  if (list.length === 0) throw new ArgumentError(`${subject}: seed is an empty list; give one seed for each replica`);
  for (const seed of list) checkSeed(seed as number, subject);
  if (replicas !== undefined && list.length !== replicas) {
    const count = list.length === 1 ? '1 seed is' : `${list.length} seeds are`;
    throw new ArgumentError(`${subject}: ${count} for as many replicas, but there are ${replicas}`);
  }
  const [first] = list as number[];
  return list.every((seed, r) => seed === first! + r) ? first! : (list as number[]);
}

/** A seed as the generator's key. */
export const keyOf = (seed: number): [number, number] => [seed >>> 0, Math.floor(seed / 2 ** 32)];

/**
 * A stream of random numbers, determined by seed, purpose, index (number of a weight or an epoch) and
 * `word`, 32 further bits to distinguish streams; default 0.
 */
export class RandomStream {
  private readonly key: [number, number];
  private readonly purpose: number;
  private block = 0;
  private ready: number[] = [];

  /** @throws ArgumentError for an invalid seed */
  constructor(
    seed: number,
    purpose: keyof typeof PURPOSES,
    private readonly index: number,
    private readonly word = 0,
  ) {
    checkSeed(seed);
    this.key = keyOf(seed);
    this.purpose = PURPOSES[purpose];
  }

  /** 32 random bits. */
  bits(): number {
    if (this.ready.length === 0)
      this.ready = philox([this.block++, this.index, this.purpose, this.word], this.key).reverse();
    return this.ready.pop()!;
  }

  /** Uniform in [0, 1), a multiple of 2^-24: exact in f32. */
  uniform(): number {
    return (this.bits() >>> 8) / 2 ** 24;
  }

  /** Uniform in [0, 1), a multiple of 2^-53: the resolution of float64. */
  uniform64(): number {
    return ((this.bits() >>> 5) * 2 ** 26 + (this.bits() >>> 6)) / 2 ** 53;
  }

  /** A uniform integer in 0 .. n - 1, for n up to 2^32. */
  below(n: number): number {
    // 53 bits for n < 2^32: the relative bias of an integer is at most 2^-21.
    return Math.floor(this.uniform64() * n);
  }

  /** 0 .. n - 1 in random order (Fisher and Yates). */
  permutation(n: number): Uint32Array<ArrayBuffer> {
    const order = Uint32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    return order;
  }
}
