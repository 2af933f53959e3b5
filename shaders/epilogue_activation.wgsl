// What the stores of products do to a result, where the flag asks for it: an activation, which src/kernels/epilogue.ts writes.
fn apply_epilogue(v: f32, mask: f32, flag: u32) -> f32 {
  if (flag == 0u) { return v; }
  return activation(v);
}

fn apply_epilogue4(v: vec4f, mask: vec4f, flag: u32) -> vec4f {
  if (flag == 0u) { return v; }
  return vec4f(activation(v.x), activation(v.y), activation(v.z), activation(v.w));
}
