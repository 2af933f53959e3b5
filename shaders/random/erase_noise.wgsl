// Erased pixels get normal noise times `high`, clipped to low .. high, by the method of Box and Muller: element e of a replica draws
// by words 0 and 1 of philox(counter (e, id, purpose, step), key = the replica's seed). WGSL allows
// logarithm and cosine an error of 2^-11: SwiftShader's noise differs from lavapipe's by up to 2e-4 of the deviation. keys [R]
@group(0) @binding(4) var<uniform> state: StepState;
@group(0) @binding(5) var<storage, read> keys: array<vec2u>;

fn filling(image: u32, at: u32, c: u32) -> f32 {
  let p = params;
  let replica = image / p.batch;
  let element = at - replica * p.batch * p.height * p.width * p.channels;
  let bits = philox(vec4u(element, p.id, p.purpose, state.step), keys[replica]);
  let share = (f32(bits.x >> 9u) + 0.5) / 8388608.0; // strictly between 0 and 1
  let angle = f32(bits.y >> 8u) / 16777216.0;
  return clamp(sqrt(-2.0 * log(share)) * cos(6.28318531 * angle) * p.high, p.low, p.high);
}
