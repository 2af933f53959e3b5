// What dropout draws by where replicas have rates of their own, or seeds that do not follow each other.
//   draws [R]: both words of the seed, threshold and the bits of the scale of each replica; params has 0 instead
@group(0) @binding(4) var<storage, read> draws: array<vec4u>;

fn draw_of(replica: u32) -> Draw {
  let draw = draws[replica];
  return Draw(draw.xy, draw.z, bitcast<f32>(draw.w));
}
