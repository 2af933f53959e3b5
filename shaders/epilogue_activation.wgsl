// Put after kernels that store products: applies an activation to a result if `flag` is not 0. src/kernels/epilogue.ts generates
// `activation`. The mask is unused.
fn apply_epilogue(v: f32, mask: f32, flag: u32) -> f32 {
  if (flag == 0u) { return v; }
  return activation(v);
}

fn apply_epilogue4(v: vec4f, mask: vec4f, flag: u32) -> vec4f {
  if (flag == 0u) { return v; }
  return vec4f(activation(v.x), activation(v.y), activation(v.z), activation(v.w));
}
