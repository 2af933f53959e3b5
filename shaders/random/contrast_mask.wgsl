// Gradient of the clipping: dy where the value is inside the range, else 0.
@group(0) @binding(5) var<storage, read> dy: array<f32>;

fn finish(at: u32, z: f32) -> f32 {
  return select(0.0, dy[at], is_nan(z) || (z >= params.low && z <= params.high));
}
