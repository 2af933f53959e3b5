// Last step of clipping by norm: multiplies the gradients of each block by the scale of its segment, in place. Blocks without a segment
// are not changed. A workgroup handles a block. Memory-bound.
//   R replicas: flat: the gradients, table [R, blocks] (first element, count, -, -), segment [blocks] (0xffffffff: none),
//   scale [R, segments]
struct Params { blocks: u32, segments: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> table: array<vec4u>;
@group(0) @binding(2) var<storage, read> segment: array<u32>;
@group(0) @binding(3) var<storage, read> scale: array<f32>;
@group(0) @binding(4) var<storage, read_write> flat: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let block = group.y * groups.x + group.x;
  if (block >= params.blocks) { return; }
  let s = segment[block];
  let entry = table[group.z * params.blocks + block];
  if (s == 0xffffffffu || local >= entry.y) { return; }
  flat[entry.x + local] *= scale[group.z * params.segments + s];
}
