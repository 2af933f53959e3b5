// What changes from one run of a recorded step to the next, written by the host before each (src/kernels/optimizers/step-state.ts).
struct StepState {
  batch_start: u32, // where this batch begins in the shuffled order
  step: u32,        // optimiser steps taken so far, from 1 in the first
  step_size: f32,   // the optimiser's effective rate at this step, of the first replica where they differ
  rate: f32,        // the plain learning rate, which weight decay goes by; then both of the second replica, and so on
}
