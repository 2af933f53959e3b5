// Draws of dropout for replicas with one rate and consecutive seeds: replica r draws what a single replica draws with a seed larger by r.
// dropout_per_replica.wgsl has the same function for replicas that differ.
fn draw_of(replica: u32) -> Draw {
  let key_low = params.key_low + replica;
  let key = vec2u(key_low, params.key_high + select(0u, 1u, key_low < replica)); // 64 bits: the sum may carry
  return Draw(key, params.threshold, params.scale);
}
