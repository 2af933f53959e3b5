// The values that change from one run of a recorded step to the next; the host writes them (src/kernels/optimizers/step-state.ts).
struct StepState {
  batch_start: u32, // index in the shuffled order at which this batch begins
  step: u32,        // number of the step, from 1
  keeps_weights: u32, // 1 in a step whose gradients wait for those of later steps (gradient accumulation), else 0
  begins_sum: u32,  // 1 in the first step of such a sum, else 0
  step_size: f32,   // effective rate of the optimizer at this step; of the first replica if they differ
  rate: f32,        // learning rate, which scales weight decay; then both values of the second replica, and so on
}
