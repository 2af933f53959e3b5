// Put after kernels that store products: if `flag` is not 0, the result is 0 where `mask` is not above 0. The mask is the result itself
// for a ReLU, or the output of the ReLU for its gradient. Other activations: see src/kernels/epilogue.ts.
fn apply_epilogue(v: f32, mask: f32, flag: u32) -> f32 {
  return select(v, 0.0, flag != 0u && is_at_most_zero(mask)); // NaN stays NaN
}

fn apply_epilogue4(v: vec4f, mask: vec4f, flag: u32) -> vec4f {
  return vec4f(
    apply_epilogue(v.x, mask.x, flag), apply_epilogue(v.y, mask.y, flag), apply_epilogue(v.z, mask.z, flag), apply_epilogue(v.w, mask.w, flag),
  );
}
