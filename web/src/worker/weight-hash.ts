import { ArgumentError, type Model } from '../../../src/index.ts';

/** The hash of all weights at the end of an epoch, which is counted from 1. */
export interface EpochHash {
  epoch: number;
  hash: string;
}

/**
 * SHA-256 of all weights, in hexadecimal: of the bytes of `getWeights()`, f32 and little-endian, one weight after another. Two trainings
 * with the same hash have the same weights to the bit. Waits for the GPU.
 */
export async function hashWeights(model: Model): Promise<string> {
  const weights = await model.getWeights();
  const bytes = await new Blob(weights.map(({ data }) => data)).arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** @param hashes as a checkpoint has them. @throws ArgumentError where they are damaged */
export function checkHashes(hashes: unknown): EpochHash[] {
  const isHash = (one: EpochHash) => Number.isInteger(one?.epoch) && typeof one.hash === 'string';
  if (Array.isArray(hashes) && hashes.every(isHash)) return hashes;
  throw new ArgumentError('the checkpoint is damaged: its hashes have another form; begin anew without it');
}
