import type { Device } from '../../src/node.ts';

// Simulates a compiler that assumes there is no NaN, as WGSL allows and Metal's fast math does.

/** Negated opposite of each comparison: the same for all numbers, and the opposite for NaN. */
const NEGATED: Record<string, (a: string, b: string) => string> = {
  '<': (a, b) => `!(${a}>=${b})`,
  '>': (a, b) => `!(${a}<=${b})`,
  '<=': (a, b) => `!(${a}>${b})`,
  '>=': (a, b) => `!(${a}<${b})`,
  '==': (a, b) => `!((${a}<${b})|(${a}>${b}))`,
  '!=': (a, b) => `((${a}<${b})|(${a}>${b}))`,
};

/** Index of the last character of a comparison's operand, from `at` on in steps of 1 or -1. */
function endOfOperand(code: string, start: number, step: 1 | -1): number {
  const [opening, closing] = step === 1 ? ['([', ')]'] : [')]', '(['];
  let depth = 0;
  let i = start;
  for (; i >= 0 && i < code.length; i += step) {
    const c = code[i]!;
    if (closing!.includes(c) && depth-- === 0) break;
    if (opening!.includes(c)) depth++;
    // Operators with lower precedence than a comparison: logic, assignments, statements.
    if (depth === 0 && ('&|=,;{}'.includes(c) || code.slice(0, i + 1).endsWith('return'))) break;
  }
  return i - step;
}

/**
 * Inverts every comparison of a WGSL text: `a < b` becomes `!(a >= b)`. Nothing changes for integers and for all floats but NaN, but
 * each comparison with NaN has the opposite result. Kernels that are correct then do not depend on comparisons of NaN.
 * Spaces distinguish comparisons from type parameters. max, min and clamp stay: lavapipe's drop NaN already.
 */
export function assumeNoNaN(code: string): string {
  let text = code.replace(/\/\/.*$/gm, '');
  for (;;) {
    const found = / (<=|>=|==|!=|<|>) /.exec(text);
    if (!found) return text;
    const after = found.index + found[0].length;
    const first = endOfOperand(text, found.index - 1, -1);
    const last = endOfOperand(text, after, 1) + 1;
    const [a, b] = [text.slice(first, found.index), text.slice(after, last)];
    const space = /^\s*/.exec(a)![0];
    text = text.slice(0, first) + space + NEGATED[found[1]!]!(a.trim(), b.trim()) + text.slice(last);
  }
}

/** Makes a device, which has compiled no kernels yet, compile all kernels with inverted comparisons. */
export function negateComparisons(device: Device): Device {
  const { gpu } = device;
  const create = gpu.createShaderModule.bind(gpu);
  gpu.createShaderModule = (descriptor) => create({ ...descriptor, code: assumeNoNaN(descriptor.code) });
  return device;
}
