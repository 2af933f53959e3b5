// Four elements of a flat buffer from `at` on, those from `end` on being 0. Models lie one after another within a weight, so a block
// may begin and end anywhere; a replica alone has all of its own at multiples of 64.
fn load_vec4(at: u32, end: u32) -> vec4f {
  if ((at & 3u) == 0u && at + 4u <= end) { return flat[at / 4u]; }
  var result = vec4f();
  for (var k = 0u; k < 4u; k++) {
    let i = at + k;
    if (i < end) { result[k] = flat[i / 4u][i % 4u]; }
  }
  return result;
}
