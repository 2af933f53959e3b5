import { show } from './check.ts';
import { ArgumentError } from './errors.ts';

/** High 32 bits of the product of two unsigned 32-bit integers, from four 16-bit products that a double holds exactly. */
function multiplyHigh(a: number, b: number): number {
  const [aHigh, aLow, bHigh, bLow] = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff];
  const middle = aHigh * bLow + Math.floor((aLow * bLow) / 65536);
  const carry = aLow * bHigh + (middle % 65536);
  return (aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(carry / 65536)) >>> 0;
}

/**
 * Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw ("Parallel random numbers: as easy as
 * 1, 2, 3", SC11): 128 random bits for each 128-bit counter and 64-bit key, in integers alone, so that every machine and
 * every shader (shaders/philox.wgsl) computes the same bits.
 */
export function philox(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const [high0, low0] = [multiplyHigh(0xd2511f53, c0), Math.imul(0xd2511f53, c0)];
    const [high1, low1] = [multiplyHigh(0xcd9e8d57, c2), Math.imul(0xcd9e8d57, c2)];
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1 >>> 0, (high0 ^ c3 ^ k1) >>> 0, low0 >>> 0];
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** What random numbers are for. Part of the counter, so that two uses of one seed never see the same numbers. */
export const PURPOSES = { initializer: 1, shuffle: 2, dropout: 3, split: 4, search: 5 } as const;

/** @throws ArgumentError unless `seed` is an integer from 0 to 2^53 - 1 */
export function checkSeed(seed: number, what?: string): void {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    const begin = what === undefined ? 'seed:' : `${what}: seed`;
    throw new ArgumentError(`${begin} must be an integer from 0 to 2^53 - 1, but is ${show(seed)}`);
  }
}

/** A seed as the generator's key. */
export const keyOf = (seed: number): [number, number] => [seed >>> 0, Math.floor(seed / 2 ** 32)];

/**
 * A stream of random numbers, the same ones each time for the same seed, purpose, index (a weight's or an epoch's number) and
 * `word`, 32 further bits that tell streams apart; default 0.
 */
export class RandomStream {
  private readonly key: [number, number];
  private readonly purpose: number;
  private block = 0;
  private ready: number[] = [];

  /** @throws ArgumentError for an impossible seed */
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

  /** Uniform in [0, 1), a multiple of 2^-53: as fine as float64 has it. */
  uniform64(): number {
    return ((this.bits() >>> 5) * 2 ** 26 + (this.bits() >>> 6)) / 2 ** 53;
  }

  /** A uniform integer in 0 .. n - 1, for n up to 2^32. */
  below(n: number): number {
    // 53 bits against n < 2^32: no integer is favoured by more than 2^-21.
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
