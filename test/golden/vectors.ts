import { readdirSync, readFileSync } from 'node:fs';

/** An array as PyTorch computed it, rounded to f32; u32 where `dtype` says so. */
export interface GoldenArray {
  shape: number[];
  data: number[];
  dtype?: 'u32';
}

/** One call of an operator, see make_golden.py. Without `dout` and `grads` for what has no gradient. */
export interface GoldenVector {
  operator: string;
  attrs: object;
  inputs: GoldenArray[];
  output: GoldenArray;
  dout?: GoldenArray;
  grads?: (GoldenArray | null)[];
}

/** The shortest decimals that name an f32 become that f32, not the float64 nearest to the decimals. */
function toF32(key: string, value: unknown): unknown {
  return key === 'data' ? (value as number[]).map(Math.fround) : value;
}

export function readGolden<T>(file: string): T {
  return JSON.parse(readFileSync(new URL(file, import.meta.url), 'utf8'), toF32) as T;
}

/** Operators that have vectors: one file each. */
export const goldenOperators: readonly string[] = readdirSync(new URL('.', import.meta.url))
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.slice(0, -'.json'.length))
  .sort();

export function goldenVectors(operator: string): GoldenVector[] {
  return readGolden(`./${operator}.json`);
}
