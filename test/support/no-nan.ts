import type { Device } from '../../src/node.ts';

// What a compiler may make of WGSL if it assumes that there is no NaN, as WGSL allows it and Metal's fast math does.

/** What a comparison of operands a and b becomes: the same for all numbers, and for NaN the other way round. */
const TURNED: Record<string, (a: string, b: string) => string> = {
  '<': (a, b) => `!(${a}>=${b})`,
  '>': (a, b) => `!(${a}<=${b})`,
  '<=': (a, b) => `!(${a}>${b})`,
  '>=': (a, b) => `!(${a}<${b})`,
  '==': (a, b) => `!((${a}<${b})|(${a}>${b}))`,
  '!=': (a, b) => `((${a}<${b})|(${a}>${b}))`,
};

/** The place of the last character, from `at` on in steps of 1 or -1, of the operand that a comparison has there. */
function endOfOperand(code: string, at: number, step: 1 | -1): number {
  const [opening, closing] = step === 1 ? ['([', ')]'] : [')]', '(['];
  let depth = 0;
  let i = at;
  for (; i >= 0 && i < code.length; i += step) {
    const c = code[i]!;
    if (closing!.includes(c) && depth-- === 0) break;
    if (opening!.includes(c)) depth++;
    // Whatever binds less than a comparison: logic, assignments, statements.
    if (depth === 0 && ('&|=,;{}'.includes(c) || code.slice(0, i + 1).endsWith('return'))) break;
  }
  return i - step;
}

/**
 * WGSL text in which every comparison is turned round: `a < b` into `!(a >= b)`. For integers, and for all floats but NaN, nothing
 * changes; each comparison with NaN has the other outcome. What a kernel makes of NaN nevertheless does not depend on comparisons of
 * floats. They are told from type parameters by the spaces around them. max, min and clamp stay: lavapipe's drop NaN as it is.
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
    text = text.slice(0, first) + space + TURNED[found[1]!]!(a.trim(), b.trim()) + text.slice(last);
  }
}

/** Has all kernels of a device, which has compiled none yet, compiled from texts in which comparisons are turned round. */
export function turnComparisons(device: Device): Device {
  const { gpu } = device;
  const create = gpu.createShaderModule.bind(gpu);
  gpu.createShaderModule = (descriptor) => create({ ...descriptor, code: assumeNoNaN(descriptor.code) });
  return device;
}
