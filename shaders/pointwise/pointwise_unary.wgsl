// y = f(x) element by element, four an invocation; the expression of f comes from a row of src/kernels/pointwise/pointwise-table.ts, with
// x and the options p and q. `Operand`, the type of x, is f32, except for predicates of integers. Memory-bound.   x and y [size]
struct Params { size: u32, p: f32, q: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x4: array<Operands>;
@group(0) @binding(2) var<storage, read_write> y4: array<vec4f>;

fn f(x: Operand, p: f32, q: f32) -> f32 {
  return FORWARD;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let stride = groups.y * groups.x * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + local; i * 4u < params.size; i += stride) {
    let x = x4[i];
    let p = params.p;
    let q = params.q;
    var value = vec4f(f(x.x, p, q), f(x.y, p, q), f(x.z, p, q), f(x.w, p, q));
    // The bytes of the buffer past the end of the array must not change.
    if (i * 4u + 4u > params.size) {
      value = select(y4[i], value, vec4u(0u, 1u, 2u, 3u) + 4u * i < vec4u(params.size));
    }
    y4[i] = value;
  }
}
