// What dropout draws by where all models drop at one rate, by seeds that follow each other: model r draws what a model alone draws
// with the seed that is larger by r. dropout_per_replica.wgsl has the same function for models that differ.
fn draw_of(model: u32) -> Draw {
  let key_low = params.key_low + model;
  let key = vec2u(key_low, params.key_high + select(0u, 1u, key_low < model)); // 64 bits: the sum may carry
  return Draw(key, params.threshold, params.scale);
}
