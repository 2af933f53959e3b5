// What dropout draws by where models have rates of their own, or seeds that do not follow each other.
//   draws [R]: both words of the seed, threshold and the bits of the scale of each model; params has 0 instead
@group(0) @binding(4) var<storage, read> draws: array<vec4u>;

fn draw_of(model: u32) -> Draw {
  let draw = draws[model];
  return Draw(draw.xy, draw.z, bitcast<f32>(draw.w));
}
