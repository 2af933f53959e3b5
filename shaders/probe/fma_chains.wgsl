// The adapter's peak arithmetic: twelve independent chains of multiply-adds in registers, no memory.
// Each invocation does 96 of them a round (GROUPS x 64 invocations in total) and stores one sum, so that the work is not
// optimized away. Compute-bound; the ceiling that the GFLOP/s of other kernels are compared with.
@group(0) @binding(0) var<uniform> rounds: vec4u;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let x = f32(id.x) * 1e-6;
  let k = 0.999;
  var a = x; var b = x + 1.0; var c = x + 2.0; var d = x + 3.0; var e = x + 4.0; var f = x + 5.0;
  var g = x + 6.0; var h = x + 7.0; var i = x + 8.0; var j = x + 9.0; var l = x + 10.0; var m = x + 11.0;
  for (var n = 0u; n < rounds.x; n++) {
    // Eight times twelve: a short body would measure the loop instead.
    a = fma(a, k, x); b = fma(b, k, x); c = fma(c, k, x); d = fma(d, k, x); e = fma(e, k, x); f = fma(f, k, x);
    g = fma(g, k, x); h = fma(h, k, x); i = fma(i, k, x); j = fma(j, k, x); l = fma(l, k, x); m = fma(m, k, x);
    a = fma(a, k, x); b = fma(b, k, x); c = fma(c, k, x); d = fma(d, k, x); e = fma(e, k, x); f = fma(f, k, x);
    g = fma(g, k, x); h = fma(h, k, x); i = fma(i, k, x); j = fma(j, k, x); l = fma(l, k, x); m = fma(m, k, x);
    a = fma(a, k, x); b = fma(b, k, x); c = fma(c, k, x); d = fma(d, k, x); e = fma(e, k, x); f = fma(f, k, x);
    g = fma(g, k, x); h = fma(h, k, x); i = fma(i, k, x); j = fma(j, k, x); l = fma(l, k, x); m = fma(m, k, x);
    a = fma(a, k, x); b = fma(b, k, x); c = fma(c, k, x); d = fma(d, k, x); e = fma(e, k, x); f = fma(f, k, x);
    g = fma(g, k, x); h = fma(h, k, x); i = fma(i, k, x); j = fma(j, k, x); l = fma(l, k, x); m = fma(m, k, x);
    a = fma(a, k, x); b = fma(b, k, x); c = fma(c, k, x); d = fma(d, k, x); e = fma(e, k, x); f = fma(f, k, x);
    g = fma(g, k, x); h = fma(h, k, x); i = fma(i, k, x); j = fma(j, k, x); l = fma(l, k, x); m = fma(m, k, x);
    a = fma(a, k, x); b = fma(b, k, x); c = fma(c, k, x); d = fma(d, k, x); e = fma(e, k, x); f = fma(f, k, x);
    g = fma(g, k, x); h = fma(h, k, x); i = fma(i, k, x); j = fma(j, k, x); l = fma(l, k, x); m = fma(m, k, x);
    a = fma(a, k, x); b = fma(b, k, x); c = fma(c, k, x); d = fma(d, k, x); e = fma(e, k, x); f = fma(f, k, x);
    g = fma(g, k, x); h = fma(h, k, x); i = fma(i, k, x); j = fma(j, k, x); l = fma(l, k, x); m = fma(m, k, x);
    a = fma(a, k, x); b = fma(b, k, x); c = fma(c, k, x); d = fma(d, k, x); e = fma(e, k, x); f = fma(f, k, x);
    g = fma(g, k, x); h = fma(h, k, x); i = fma(i, k, x); j = fma(j, k, x); l = fma(l, k, x); m = fma(m, k, x);
  }
  y[id.x] = a + b + c + d + e + f + g + h + i + j + l + m;
}
