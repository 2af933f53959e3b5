import { expect, test } from 'vitest';
import { unaryTable } from '../../../src/kernels/pointwise/pointwise-table.ts';
import { WGSL } from '../../support/precision.ts';
import { shaderText } from '../../support/shader-files.ts';

// log(1 + e) and what is computed from it, where exp and log are as wrong as WGSL lets them be. The kernels' own text is run, in float64:
// what is seen is the functions' error alone. The adapter's results are compared in test/autograd/tails.test.ts.

const textOf = shaderText;

/** The functions of a WGSL text of plain f32 arithmetic, as JavaScript. */
function toJavaScript(text: string): string {
  return text
    .replace(/\/\/.*$/gm, '')
    .replace(
      /fn (\w+)\(([^)]*)\) -> \w+/g,
      (_, name, list: string) => `function ${name}(${list.replace(/: \w+/g, '')})`,
    )
    .replace(/\blet\b/g, 'const')
    .replace(/\bf32\(/g, 'Number(');
}

const exactLog = /fn exact_log[^}]*\}/.exec(textOf('pointwise_functions'))![0];
const source = [textOf('log1p_expm1'), textOf('log_of_sum'), exactLog].map(toJavaScript).join('\n');

type F = (...numbers: number[]) => number;
/** The kernels' functions, with exp and log off by all that is allowed, upwards (1) or downwards (-1). */
function functionsWith(side: 1 | -1): { log1p: F; exact_log: F; log_of_sum: F; softplus: F } {
  const builtins = {
    log: (x: number) => Math.log(x) + side * WGSL.log(x),
    exp: (x: number) => Math.exp(x) + side * WGSL.exp(x),
    select: (no: number, yes: number, condition: boolean) => (condition ? yes : no),
    is_at_most_zero: (x: number) => x <= 0,
    abs: Math.abs,
  };
  const result = `return { log1p, exact_log, log_of_sum, softplus: (x) => ${unaryTable.softplus.forward} };`;
  return new Function(...Object.keys(builtins), `${source}\n${result}`)(...Object.values(builtins));
}

/** From 1e-12 to 1, and around the places where forms change. */
const small = [...Array.from({ length: 241 }, (_, i) => 10 ** (-12 + i / 20)), 1e-3, 0.0499, 0.05, 0.0501, 0.4999, 0.5];

test.each([1, -1] as const)(
  "log1p and its users are exact if exp and log have WGSL's maximum error, side %i",
  (side) => {
    const { log1p, exact_log, log_of_sum, softplus } = functionsWith(side);
    const worst = (f: (x: number) => number, right: (x: number) => number, points: readonly number[]) =>
      Math.max(...points.map((x) => Math.abs(f(x) / right(x) - 1)));
    expect(worst(log1p, Math.log1p, small)).toBeLessThan(1e-8);
    const near = small.map((e) => 1 + e).filter((x) => x !== 1 && x !== 2);
    expect(worst(exact_log, Math.log, near)).toBeLessThan(4e-7);
    const beyond = [...small, 1.5, 2, 30, 1e4];
    expect(worst((e) => log_of_sum(1, e), Math.log1p, beyond)).toBeLessThan(1.2e-6); // log's 2^-21 on ln 2 and more
    // exp of -|x| itself may be off by 3 + 2 |x| ulp.
    const xs = small.map((e) => Math.log(e));
    const toleranceAt = (x: number) => 1e-7 + (4 + 2 * Math.abs(x)) * 2 ** -23;
    for (const x of [...xs, ...xs.map((v) => -v)]) {
      const right = Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
      expect(Math.abs(softplus(x) / right - 1), `softplus at ${x}`).toBeLessThan(toleranceAt(x));
    }
  },
);

test('log(1 + e) without log1p would be off by 5e-4 at 1e-3', () => {
  const log = (x: number) => Math.log(x) + WGSL.log(x);
  expect(Math.abs(log(1 + 1e-3) / Math.log1p(1e-3) - 1)).toBeGreaterThan(4e-4);
});
