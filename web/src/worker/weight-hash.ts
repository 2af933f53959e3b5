import { ArgumentError, type Model } from '../../../src/index.ts';

/** Hash of all weights at the end of an epoch; epochs count from 1. */
export interface EpochHash {
  epoch: number;
  hash: string;
}

/**
 * SHA-256, in hexadecimal, of the bytes of `getWeights()`: f32, little-endian, one weight after another. Two trainings
 * with the same hash have identical weights. Waits for the GPU.
 */
export async function hashWeights(model: Model): Promise<string> {
  const weights = await model.getWeights();
  const bytes = await new Blob(weights.map(({ data }) => data)).arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Checks the hashes of a checkpoint. @throws ArgumentError if they are damaged */
export function checkHashes(hashes: unknown): EpochHash[] {
  const isHash = (one: EpochHash) => Number.isInteger(one?.epoch) && typeof one.hash === 'string';
  if (Array.isArray(hashes) && hashes.every(isHash)) return hashes;
  throw new ArgumentError('the checkpoint is damaged: its hashes have another form; start over without it');
}
