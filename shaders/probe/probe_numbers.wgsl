// Tests calculations that WGSL leaves open, or that some drivers compute wrongly: see src/gpu/probe.ts.
//   pairs [16, 2] u32: (a, b), not constants, so that the adapter and not the compiler computes the results
//   out [16, 8] u32: a / b and a % b; the same by the constant 3; of a and b as floats the bits of ReLU(a) as stores write it, as a
//   scalar and as a vector; comparisons of a; the bits of a * b.
// Grid: one workgroup. Goes after epilogue_relu.wgsl.
@group(0) @binding(0) var<storage, read> pairs: array<vec2u>;
@group(0) @binding(1) var<storage, read_write> out: array<array<u32, 8>>;

// Comparisons of a number with itself and 0, one bit each. The last bit tests a selection by a comparison.
fn comparisons(v: f32) -> u32 {
  let kept = bitcast<u32>(select(v, 0.0, v <= 0.0)) & 0x7fffffffu;
  return select(0u, 1u, v != v) | select(0u, 2u, v > 0.0) | select(0u, 4u, v <= 0.0) | select(0u, 8u, kept > 0x7f800000u);
}

@compute @workgroup_size(16)
fn main(@builtin(local_invocation_index) i: u32) {
  let a = pairs[i].x;
  let b = pairs[i].y;
  let v = bitcast<f32>(a);
  let relu4 = bitcast<vec4u>(apply_epilogue4(vec4f(v), vec4f(v), b));
  out[i][0] = a / b;
  out[i][1] = a % b;
  out[i][2] = a / 3u;
  out[i][3] = a % 3u;
  out[i][4] = bitcast<u32>(apply_epilogue(v, v, b));
  out[i][5] = relu4.x;
  out[i][6] = comparisons(v);
  out[i][7] = bitcast<u32>(v * bitcast<f32>(b));
}
