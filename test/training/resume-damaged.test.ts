import { expect, test } from 'vitest';
import { ArgumentError, type Callback, Sequential, type TrainingState } from '../../src/node.ts';
import { layers, x, y } from '../support/backup-trainings.ts';
import { describeOnDevice } from '../support/device.ts';

/** Damaged states, as a store without checksums may return them, and the expected messages. */
const damages: Record<string, { damage: (state: TrainingState) => unknown; says: RegExp }> = {
  'fewer weights': {
    damage: (state) => ({ ...state, weights: state.weights.slice(1) }),
    says: /weights has 1 entries, but must have 2/,
  },
  'a short array of weights': {
    damage: (state) => ({ ...state, weights: [state.weights[0]!.slice(1), ...state.weights.slice(1)] }),
    says: /weights\[0\] has \d+ numbers, but must have \d+/,
  },
  'weights of another type': {
    damage: (state) => ({ ...state, weights: state.weights.map((values) => [...values]) }),
    says: /weights\[0\] must be a Float32Array/,
  },
  'no weights': { damage: (state) => ({ ...state, weights: undefined }), says: /weights/ },
  'no optimizer': { damage: (state) => ({ ...state, optimizer: null }), says: /optimizer/ },
  'a short slot': {
    damage: ({ optimizer, ...state }) => ({
      ...state,
      optimizer: { ...optimizer, slots: optimizer.slots.map((slot) => slot.slice(1)) },
    }),
    says: /optimizer\.slots\[0\] has/,
  },
  'impossible iterations': {
    damage: ({ optimizer, ...state }) => ({ ...state, optimizer: { ...optimizer, iterations: -1 } }),
    says: /optimizer\.iterations must be an integer from 0/,
  },
  'totals of another length': {
    damage: (state) => ({ ...state, totals: state.totals.slice(1) }),
    says: /totals has/,
  },
  'an impossible epoch': {
    damage: (state) => ({ ...state, position: { ...state.position, epoch: 0 } }),
    says: /position\.epoch must be an integer from 1/,
  },
  'an impossible step': {
    damage: (state) => ({ ...state, position: { ...state.position, step: 0.5 } }),
    says: /position\.step must be an integer from 0/,
  },
  'a step behind the end of the epoch': {
    damage: (state) => ({ ...state, position: { ...state.position, step: 1e9 } }),
    says: /an epoch has \d+ steps, but position\.step is 1000000000/,
  },
  'no history': { damage: (state) => ({ ...state, history: undefined }), says: /history\.replicas must be a list/ },
  'a history without replicas': {
    damage: (state) => ({ ...state, history: { ...state.history, replicas: [] } }),
    says: /history\.replicas has 0 entries, but must have 1/,
  },
  'a history of more epochs than a replica has': {
    damage: (state) => ({ ...state, history: { ...state.history, replicas: [[{}]] } }),
    says: /history\.epochs has 0 entries, but must have 1/,
  },
  'no seconds': { damage: (state) => ({ ...state, seconds: null }), says: /seconds must be numbers, but is null/ },
  'no callbacks': { damage: (state) => ({ ...state, callbacks: null }), says: /callbacks/ },
};

describeOnDevice('resume', (device) => {
  const model = () =>
    new Sequential(layers())
      .build(device, { seed: 1 })
      .compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' });
  const train = (trained: ReturnType<typeof model>, callback: Callback) =>
    trained.fit({ x, y }, { epochs: 2, batchSize: 7, callbacks: [callback] });

  test('throws ArgumentError for a damaged state, and uses no part of it', async () => {
    let state: TrainingState | null = null;
    using first = model();
    await train(first, {
      async onSafePoint({ capture }) {
        state ??= await capture();
      },
    });
    for (const [name, { damage, says }] of Object.entries(damages)) {
      using other = model();
      const before = await other.getWeights();
      const resuming = train(other, {
        onTrainBegin: ({ resume }) => resume(damage(structuredClone(state!)) as TrainingState, 'the checkpoint'),
      });
      await expect(resuming, name).rejects.toThrow(ArgumentError);
      await expect(resuming, name).rejects.toThrow(/^the checkpoint is damaged: /);
      await expect(resuming, name).rejects.toThrow(says);
      expect(await other.getWeights(), name).toEqual(before);
    }
  });
});
