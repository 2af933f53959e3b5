import { expect, test } from 'vitest';
import { sampleSources } from '../../src/kernels/conv2d/conv2d-gemm-tiled-codegen.ts';
import { shaderNames, shaderText } from '../support/shader-files.ts';

// Apple's compilers divide some large u32 wrongly (crbug 517225032). Positions left of or above an image wrap to such numbers, so the line
// above a division must exclude them. A test of values cannot show that: a wrong quotient also fails the check after the division.

/** Conditions that exclude a dividend that may have wrapped. */
const GUARD =
  /^\s*if \((at < pool|(row|column) >= p\.out_[hw] \* p\.stride_[hw]( \|\| column >= p\.out_w \* p\.stride_w)?)\)/;

/** Positions that cannot have wrapped: padding was added, or nothing subtracted. */
const SAFE =
  /let last_o[xy] = min\([xy] \/ p\.stride_[hw] \+ 1u|\(grid_[yx]\d \+ p\.pad_[hw]\) \/ p\.stride|k[yx] \* p\.dilation_[hw] \/ p\.stride/;

/** Shaders, and samples of the generated kernels that divide. */
const sources = [
  ...shaderNames.map((name) => [name, shaderText(name)] as const),
  ...sampleSources().map((text, i) => [`gemmTiled ${i}`, text] as const),
];

test('shaders: a position that may have wrapped below zero is not divided by a stride', () => {
  const unguarded: string[] = [];
  let divisions = 0;
  for (const [name, text] of sources) {
    const lines = text.replace(/\/\/.*$/gm, '').split('\n');
    // The guard of divisions on adjacent lines is above the first one.
    const divides = (line = '') => / \/ (p\.)?stride/.test(line);
    for (const [i, line] of lines.entries()) {
      if (!divides(line)) continue;
      divisions++;
      if (SAFE.test(line)) continue;
      let above = i - 1;
      while (divides(lines[above])) above--;
      if (!GUARD.test(lines[above]!)) unguarded.push(`${name}: ${line.trim()}`);
    }
  }
  expect(unguarded).toEqual([]);
  expect(divisions).toBe(16);
});
