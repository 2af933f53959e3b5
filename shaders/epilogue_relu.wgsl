// What the stores of products do to a result: with a flag, it is 0 where `gate` is not above 0, which is the result itself for a ReLU,
// or the output of the ReLU whose gradient it goes through. Other activations: see src/kernels/epilogue.ts.
fn finished(v: f32, gate: f32, flag: u32) -> f32 {
  return select(v, 0.0, flag != 0u && is_at_most_zero(gate)); // NaN stays NaN
}

fn finished4(v: vec4f, gate: vec4f, flag: u32) -> vec4f {
  return vec4f(
    finished(v.x, gate.x, flag), finished(v.y, gate.y, flag), finished(v.z, gate.z, flag), finished(v.w, gate.w, flag),
  );
}
