// dx = dy f'(x) element by element, four an invocation; the expression of f' comes from a row of src/kernels/pointwise/pointwise-table.ts,
// with x, y = f(x) and the options p and q. So does the rule of the product: for some functions dx is 0 where f' is 0, even if dy is
// infinite. Memory-bound.   x, y, dy and dx [size]
struct Params { size: u32, p: f32, q: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x4: array<vec4f>;
@group(0) @binding(2) var<storage, read> y4: array<vec4f>;
@group(0) @binding(3) var<storage, read> dy4: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> dx4: array<vec4f>;

fn gradient(x: f32, y: f32, dy: f32, p: f32, q: f32) -> f32 {
  let slope = DERIVATIVE;
  return PRODUCT;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let stride = groups.y * groups.x * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + local; i * 4u < params.size; i += stride) {
    let x = x4[i];
    let y = y4[i];
    let dy = dy4[i];
    let p = params.p;
    let q = params.q;
    var value = vec4f(
      gradient(x.x, y.x, dy.x, p, q), gradient(x.y, y.y, dy.y, p, q),
      gradient(x.z, y.z, dy.z, p, q), gradient(x.w, y.w, dy.w, p, q),
    );
    // The bytes of the buffer past the end of the array must not change.
    if (i * 4u + 4u > params.size) {
      value = select(dx4[i], value, vec4u(0u, 1u, 2u, 3u) + 4u * i < vec4u(params.size));
    }
    dx4[i] = value;
  }
}
