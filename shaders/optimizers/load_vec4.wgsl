// Loads four elements of a flat buffer from `at` on; those from `end` on are 0. The replicas of a weight are stored one after another,
// so a block may begin and end anywhere; with one replica, blocks begin at multiples of 64.
fn load_vec4(at: u32, end: u32) -> vec4f {
  if ((at & 3u) == 0u && at + 4u <= end) { return flat[at / 4u]; }
  var result = vec4f();
  for (var k = 0u; k < 4u; k++) {
    let i = at + k;
    if (i < end) { result[k] = flat[i / 4u][i % 4u]; }
  }
  return result;
}
