// For what optimisers remember: 0 where it has faded below the smallest normal number (a unit that died), as WGSL allows anywhere.
// A processor takes many times as long for smaller numbers, and 0.9 times the smallest of them is that number again, for good.
fn unfaded(x: vec4f) -> vec4f {
  return select(x, vec4f(0.0), abs(x) < vec4f(1.17549435e-38)); // NaN stays
}
