// The penalties l1 sum|w| + l2 sum w^2 of each block of 64 elements of a range of the flat buffers, an invocation a block.
// Blocks without a penalty are not read, so that a weight that is no number counts only where it is penalised. Memory-bound.
//   models R, weight [R, blocks * 64] as vec4, coefficients [blocks of the whole buffer] (l1, l2), y [R, blocks]; the range
//   begins with block `first`
struct Params { blocks: u32, first: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weight: array<vec4f>;
@group(0) @binding(2) var<storage, read> coefficients: array<vec2f>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let block = (group.y * groups.x + group.x) * 64u + local;
  if (block >= params.blocks) { return; }
  let at = group.z * params.blocks + block;
  let c = coefficients[params.first + block];
  var sum = 0.0;
  if (c.x != 0.0 || c.y != 0.0) {
    var absolute = vec4f();
    var square = vec4f();
    for (var k = 0u; k < 16u; k++) {
      let w = weight[at * 16u + k];
      absolute += abs(w);
      square += w * w;
    }
    sum = c.x * dot(absolute, vec4f(1.0)) + c.y * dot(square, vec4f(1.0));
  }
  y[at] = sum;
}
