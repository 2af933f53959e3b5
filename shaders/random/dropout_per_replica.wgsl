// Draws of dropout for replicas with different rates, or with seeds that are not consecutive.
//   draws [R]: both words of the seed, threshold and the bits of the scale of each replica; params has 0 instead
@group(0) @binding(4) var<storage, read> draws: array<vec4u>;

fn draw_of(replica: u32) -> Draw {
  let draw = draws[replica];
  return Draw(draw.xy, draw.z, bitcast<f32>(draw.w));
}
