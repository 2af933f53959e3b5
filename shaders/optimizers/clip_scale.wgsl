// Second step of clipping by norm: the factor on the gradients of a segment, so that their norm is at most `limit`. A workgroup adds
// the squares of the blocks of a segment, in an order that depends on their count alone.
//   norm = sqrt(sum of squares);   scale = limit / max(norm, limit)
// The scale at an infinite norm comes from the host. Infinity is tested by its bits, because compilers replace norm - norm by 0.
//   R replicas: square [R, blocks], segments [segments] (first block, count), scale [R, segments]
struct Params { blocks: u32, segments: u32, limit: f32, at_infinity: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> square: array<f32>;
@group(0) @binding(2) var<storage, read> segments: array<vec2u>;
@group(0) @binding(3) var<storage, read_write> scale: array<f32>;

var<workgroup> lane_sum: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let segment = segments[group.x];
  let base = group.z * params.blocks + segment.x;
  var sum = Sum();
  for (var block = local; block < segment.y; block += 64u) { add_term(&sum, square[base + block]); }
  lane_sum[local] = total_of(sum);
  workgroupBarrier();
  if (local != 0u) { return; }
  var total = 0.0;
  for (var lane = 0u; lane < 64u; lane++) { total += lane_sum[lane]; }
  let norm = sqrt(total);
  var factor = params.limit / select(norm, params.limit, norm < params.limit);
  if (bitcast<u32>(norm) == 0x7f800000u) { factor = params.at_infinity; }
  if (is_nan(norm)) { factor = norm; }
  scale[group.z * params.segments + group.x] = factor;
}
