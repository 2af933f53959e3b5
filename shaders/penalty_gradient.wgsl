// Adds the gradient of the penalties l1 sum|w| + l2 sum w^2 to the gradients of a range of the flat buffers:
//   g += l1 sign(w) + 2 l2 w      with sign(0) = 0
// The coefficients come from a table with an entry for each block of 64 elements; a workgroup is a block. Memory-bound.
//   weight, gradient [size], coefficients [blocks of the whole buffer] (l1, l2); the range begins with block `first`
struct Params { size: u32, first: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> coefficients: array<vec2f>;
@group(0) @binding(3) var<storage, read_write> gradient: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let block = group.y * groups.x + group.x;
  let i = block * 64u + local;
  if (i >= params.size) { return; }
  let c = coefficients[params.first + block];
  if (c.x == 0.0 && c.y == 0.0) { return; }
  let w = weight[i];
  let sign = select(select(w, -1.0, w < 0.0), 1.0, w > 0.0); // of 0 it is 0, of NaN it is NaN
  gradient[i] += c.x * sign + 2.0 * c.y * w;
}
