import { readdirSync, readFileSync } from 'node:fs';

/** An array computed by PyTorch, rounded to f32; u32 if `dtype` is u32. */
export interface GoldenArray {
  shape: number[];
  data: number[];
  dtype?: 'u32';
}

/** One call of an operator, see make_golden.py. Operators without gradients have no `dout` and `grads`. */
export interface GoldenVector {
  operator: string;
  attrs: object;
  inputs: GoldenArray[];
  output: GoldenArray;
  dout?: GoldenArray;
  grads?: (GoldenArray | null)[];
}

/** Rounds the decimals in a file to the f32 that they stand for, not to the nearest float64. */
function toF32(key: string, value: unknown): unknown {
  return key === 'data' ? (value as number[]).map(Math.fround) : value;
}

export function readGolden<T>(file: string): T {
  return JSON.parse(readFileSync(new URL(file, import.meta.url), 'utf8'), toF32) as T;
}

/** Operators with vectors, one file each. */
export const goldenOperators: readonly string[] = readdirSync(new URL('.', import.meta.url))
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.slice(0, -'.json'.length))
  .sort();

export function goldenVectors(operator: string): GoldenVector[] {
  return readGolden(`./${operator}.json`);
}
