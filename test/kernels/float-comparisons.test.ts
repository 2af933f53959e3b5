import { expect, test } from 'vitest';
import { sampleSources as directRowsTexts } from '../../src/kernels/conv2d/conv2d-direct-rows-codegen.ts';
import { sampleSources as gemmTiledTexts } from '../../src/kernels/conv2d/conv2d-gemm-tiled-codegen.ts';
import { sampleSources as winograd1dTexts } from '../../src/kernels/conv2d/conv2d-winograd1d-codegen.ts';
import { sampleSources as stripTexts } from '../../src/kernels/depthwise/depthwise-strips-codegen.ts';
import {
  binaryTable,
  comparisonTable,
  predicateTable,
  unaryTable,
} from '../../src/kernels/pointwise/pointwise-table.ts';
import { floatDecisions } from '../support/float-comparisons.ts';
import { shaderNames, shaderText } from '../support/shader-files.ts';

// WGSL lets compilers assume that there is no NaN, so kernels test for NaN by bits (shaders/float_bits.wgsl) and not by comparing floats.
// This file lists all lines that compare floats nevertheless, with the reason why they are safe. test/kernels/no-nan.test.ts checks
// that they are, also for generated kernels.

const EXPLAINED: Record<string, readonly string[]> = {
  'numbers from the host, or counts: never NaN': [
    'adam.wgsl: if (params.decay != 0.0) { w -= w * params.decay * rate_of(i); }',
    'batch_norm_combine.wgsl: if (p.one_minus_momentum != 0.0) {',
    'erase_noise.wgsl: return clamp(sqrt(-2.0 * log(share)) * cos(6.28318531 * angle) * p.high, p.low, p.high);',
    'dropout.wgsl: let kept = select(old * draw.scale, old, draw.scale == 1.0);',
    'extreme_grad.wgsl: if (n > 0.0) { share = select(0.0, dy[j] / n, mask[i] > 0.0); }',
    'add_penalties.wgsl: let none = (l1 == vec4f(0.0)) & (l2 == vec4f(0.0));',
    'penalty_blocks.wgsl: if (l1 != 0.0 || l2 != 0.0) {',
    'resize_grad.wgsl: if (down == 0.0) { continue; }',
    'resize_grad.wgsl: if (across != 0.0) { add_term(&line, across * dy[base + (oy * p.out_w + ox) * p.channels]); }',
  ],
  'is_nan has the last word, on this line or behind it': [
    'argmax.wgsl: if (k == first || (!is_nan(best) && (value > best || is_nan(value)))) {',
    'classes_of.wgsl: var top_at = select(0u, 1u, params.columns == 1u && top > params.threshold);',
    'classes_of.wgsl: if (value > top) {',
    'clip_scale.wgsl: var factor = params.limit / select(norm, params.limit, norm < params.limit);',
    'contrast_mask.wgsl: return select(0.0, dy[at], is_nan(z) || (z >= params.low && z <= params.high));',
    'extreme_mask.wgsl: mask[i] = select(0.0, 1.0, !is_nan(y[j]) && x[i] == y[j]);',
    'hits.wgsl: if (value > top) {',
    'log_softmax_grad.wgsl: return !is_nan(y) && y > -0.5;',
    'log_softmax_grad.wgsl: dx[at] = select(dy[at] - exp(y[at]) * sum, -rest - expm1(min(y[at], 0.0)) * sum, is_near(y[at]));',
    'max_pool2d.wgsl: return !is_nan(best) & ((value > best) | is_nan(value));',
    'pointwise_functions.wgsl: return select(select(tanh(clamp(x, -10.0, 10.0)), small, s < 0.01), x, is_nan(x));',
    'reduce_extreme.wgsl: best = select(best, value, !is_nan(best) & ((value > best) | is_nan(value)));',
    'reduce_cooperative.wgsl: return select(a, b, !is_nan(a) && (b > a || is_nan(b)));',
    'softmax_cross_entropy_cooperative.wgsl: spoiling += select(0.0, 1.0, is_nan(value) || (c < label && value >= x_label));',
    'softmax_cross_entropy_cooperative.wgsl: hit[row] = select(0.0, 1.0, !missing && x_label >= top && spoiling == 0.0);',
    'softmax_grad_cooperative.wgsl: return !is_nan(y) && y > select(0.5, -0.5, LOG);',
    'softmax_grad_cooperative.wgsl: dx[at] = select(dy[at] - exp(y[at]) * sum, -rest - expm1(min(y[at], 0.0)) * sum, is_near(y[at]));',
    'top_k.wgsl: larger += select(0u, 1u, value > label_output);',
  ],
  'NaN has left already: is_nan is asked before': [
    'cast.wgsl: return select(u32(clamp(value, 0.0, 4294967040.0)), 0xffffffffu, value >= 4294967296.0);',
    'cast.wgsl: return select(i32(clamp(value, -2147483648.0, 2147483520.0)), 0x7fffffff, value >= 2147483648.0);',
    'clip_value.wgsl: if (g > params.limit) { gradient[i] = params.limit; }',
    'clip_value.wgsl: if (g < -params.limit) { gradient[i] = -params.limit; }',
    'contrast_clip.wgsl: return clamp(z, params.low, params.high);',
    'count_labels.wgsl: let predicted = select(0u, 1u, y > p.threshold);',
    'pointwise_functions.wgsl: let whole = floor(p) == p;',
    'pointwise_functions.wgsl: if (whole && abs(p) <= 8.0) {',
    'pointwise_functions.wgsl: if (p > 0.0) { return small_power(x, n); }',
    'pointwise_functions.wgsl: var size = select(pow(abs(x), p), 1.0, abs(x) == 1.0);',
    'pointwise_functions.wgsl: if (x == 0.0 && p < 0.0) { size = 1.0 / abs(x); }',
    'pointwise_functions.wgsl: if (!whole) { return select(bitcast<f32>(bits | 0x7fc00000u), size, x == 0.0); }',
    'pointwise_functions.wgsl: return select(size, -size, floor(p * 0.5) * 2.0 != p);',
  ],
  'both ways NaN comes out': [
    'log1p_expm1.wgsl: return select(exp(x) - 1.0, x * series, x > -0.5);',
    'log_of_sum.wgsl: return select(log(f32(ties) + below), log1p(rest), rest <= 1.0);',
    'log_softmax.wgsl: for (var at = first + step; at < end; at += step) { top = max(top, x[at]); }',
    'pointwise_functions.wgsl: return select(log(x), log1p(x - 1.0), x > 0.5 && x < 2.0);',
    'pointwise_functions.wgsl: return select(x * (1.0 - tail * e * e), x * tail * e * e, x < 0.0);',
    'pointwise_functions.wgsl: return select(1.0 - tail, tail, x < 0.0);',
    'pointwise_functions.wgsl: return select(x, x * h * h, x < 0.0) / (1.0 + h * h);',
    'pointwise_functions.wgsl: let near = clamp(x, -20.0, 20.0);',
    'pointwise_functions.wgsl: return inverse * (select(1.0, h * h, x < 0.0) + x * h * h * slope * inverse);',
    'softmax.wgsl: for (var at = first + step; at < end; at += step) { top = max(top, x[at]); }',
    'softmax_cross_entropy.wgsl: if (value > top) {',
    'softmax_cross_entropy_cooperative.wgsl: for (var c = rank + GROUP_SIZE; c < p.classes; c += GROUP_SIZE) { top = max(top, logits[first + c]); }',
    'softmax_cross_entropy_cooperative.wgsl: for (var distance = GROUP_SIZE / 2u; distance > 0u; distance /= 2u) { top = max(top, exchange_xor(local, top, distance)); }',
    'softmax_grad.wgsl: for (var at = first; at < end; at += step) { pivot += select(0.0, dy[at], y[at] > 0.5); }',
    'softmax_cooperative.wgsl: for (var c = rank + GROUP_SIZE; c < p.classes; c += GROUP_SIZE) { top = max(top, x[first + c * p.inner]); }',
    'softmax_cooperative.wgsl: for (var distance = GROUP_SIZE / 2u; distance > 0u; distance /= 2u) { top = max(top, exchange_xor(local, top, distance)); }',
  ],
  'the target is NaN only where the data are, and they are checked where metrics are': [
    'binary_hits.wgsl: let predicted = select(0.0, 1.0, y > params.threshold);',
    'binary_hits.wgsl: hit[row] = select(0.0, 1.0, !is_nan(y) && predicted == goal[row]);',
    'count_labels.wgsl: hits += select(0u, 1u, t == f32(predicted));',
  ],
};

/** All but the probes, which test comparisons with NaN. */
const shaders = shaderNames.filter((name) => !name.startsWith('probe_'));
/** Loops over integers whose names are those of floats elsewhere in the function. */
const INTEGERS = [
  'batch_norm_grad_sums_cooperative.wgsl: for (var distance = GROUP_SIZE / 2u; distance >= p.width; distance /= 2u) {',
  'max_pool2d_grad.wgsl: for (var oy = first_oy; oy < last_oy; oy++) {',
];

test('floatDecisions: finds comparisons and selections of floats', () => {
  const code = `@group(0) @binding(0) var<storage, read> x: array<f32>;
struct Params { limit: f32, size: u32 }
fn main(gate: vec4f, at: u32) {
  let v = x[at];
  let a = select(v, 0.0, flag && v > limit);
  if (at > params.size) { return; }
  let b = select(gate, vec4f(), gate <= vec4f());
  if (f < params.limit) { return; }
  let c = max(v, y);
  for (var i = 0u; i < max(at, 4u); i++) { x[at] = x[at + u32(v)]; }
  if (bitcast<u32>(v) > 0x7f800000u || is_nan(v) == true) { return; }
}`;
  expect(floatDecisions(code).map((line) => line.slice(0, 8))).toEqual([
    'let a = ',
    'let b = ',
    'if (f < ',
    'let c = ',
  ]);
});

test('shaders compare floats only where NaN cannot be lost, with a reason for each line', () => {
  const found = shaders.flatMap((name) => floatDecisions(shaderText(name)).map((line) => `${name}.wgsl: ${line}`));
  expect(found.sort()).toEqual([...Object.values(EXPLAINED).flat(), ...INTEGERS].sort());
});

test("rows of the operators' tables that compare floats also test for NaN", () => {
  const expressions = [
    ...Object.values(unaryTable).flatMap(({ forward, derivative }) => [forward, derivative]),
    ...Object.values(binaryTable).flatMap(({ forward, derivatives }) => [forward, ...derivatives]),
    ...Object.values({ ...comparisonTable, ...predicateTable }).map(({ forward }) => forward),
  ];
  const comparing = expressions.filter(
    (text) => floatDecisions(`fn f(a: f32, b: f32, x: f32, y: f32, p: f32, q: f32) -> f32 {\n${text}\n}`).length > 0,
  );
  expect(comparing.length).toBeGreaterThan(8);
  expect(comparing.filter((text) => !/is_nan|are_numbers/.test(text))).toEqual([]);
});

test('generated kernels compare no floats', () => {
  for (const text of [...directRowsTexts(), ...stripTexts(), ...gemmTiledTexts(), ...winograd1dTexts()])
    expect(floatDecisions(text)).toEqual([]);
});
