// Clips a value to a range, if there is one; gradients have none.
fn finish(at: u32, z: f32) -> f32 {
  if (params.clips == 0u || is_nan(z)) { return z; }
  return clamp(z, params.low, params.high);
}
