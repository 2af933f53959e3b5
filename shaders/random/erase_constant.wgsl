// Erased pixels get a value of their channel. fills [C]
@group(0) @binding(4) var<storage, read> fills: array<f32>;

fn filling(image: u32, at: u32, c: u32) -> f32 {
  return fills[c];
}
