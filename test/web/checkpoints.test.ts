import { expect, test } from 'vitest';
import type { TrainingState } from '../../src/node.ts';
import { type Checkpoint, Checkpoints, type Store } from '../../web/src/worker/checkpoints.ts';

const state = { position: { epoch: 1, step: 2, begun: true }, weights: [] } as unknown as TrainingState;
const checkpoint: Checkpoint = { version: 1, address: 'seed=1', state };

const failing = (error: unknown): Store => ({
  get: () => Promise.reject(error),
  set: () => Promise.reject(error),
  remove: () => Promise.reject(error),
});
const holding = (value: unknown) => {
  const kept: { value: unknown } & Store = {
    value,
    get: async () => kept.value,
    set: async (next) => {
      kept.value = next;
    },
    remove: async () => {
      kept.value = undefined;
    },
  };
  return kept;
};
const namedError = (name: string, message: string) => Object.assign(new Error(message), { name });

test('load: returns what another page saved', async () => {
  const store = holding(undefined);
  await new Checkpoints(store, () => {}).save('seed=1', state);
  expect(await new Checkpoints(store, () => {}).load()).toEqual(checkpoint);
});

test('remove: deletes the checkpoint', async () => {
  const store = holding(checkpoint);
  const checkpoints = new Checkpoints(store, () => {});
  await checkpoints.load();
  await checkpoints.remove();
  expect([store.value, await checkpoints.load()]).toEqual([undefined, null]);
});

test.each([
  ['full', namedError('QuotaExceededError', 'no space'), /storage of this browser is full.*Training continues/],
  [
    'forbidden',
    namedError('SecurityError', 'The operation is insecure.'),
    /forbids storage.*insecure.*Training continues/,
  ],
  [
    'broken',
    namedError('UnknownError', 'Internal error'),
    /No checkpoint can be kept \(UnknownError: Internal error\)/,
  ],
  ['missing', new ReferenceError('indexedDB is not defined'), /indexedDB is not defined.*Training continues/],
  // If there is no room, Firefox sends an error event before the transaction has its error.
  ['failing without a message', null, /No checkpoint can be kept \(no reason is given; the storage may be full\)/],
  ['odd', 'no', /No checkpoint can be kept \(no\)/],
])('a store that is %s: reported once; the last checkpoint is kept in memory', async (_, error, message) => {
  const problems: string[] = [];
  const checkpoints = new Checkpoints(failing(error), (problem) => problems.push(problem));
  expect(await checkpoints.load()).toBeNull();
  await checkpoints.save('seed=1', state);
  await checkpoints.save('seed=1', state);
  await checkpoints.remove();
  await checkpoints.save('seed=2', state);
  expect(problems).toEqual([expect.stringMatching(message)]);
  expect(await checkpoints.load()).toEqual({ ...checkpoint, address: 'seed=2' });
});

test('a store that never answers: reported once, and not awaited again', async () => {
  const problems: string[] = [];
  let calls = 0;
  const never = () => {
    calls++;
    return new Promise<never>(() => {});
  };
  const store = { get: never, set: never, remove: never };
  const checkpoints = new Checkpoints(store, (problem) => problems.push(problem), 20);
  expect(await checkpoints.load()).toBeNull();
  await checkpoints.save('seed=1', state);
  await checkpoints.save('seed=2', state);
  await checkpoints.remove();
  expect(calls).toBe(1);
  expect(problems).toEqual([expect.stringMatching(/No checkpoint can be kept .*does not answer.*Training continues/)]);
});

test('a store that answers late: is used again, and has the last checkpoint', async () => {
  const problems: string[] = [];
  const store = holding(undefined);
  const { set } = store;
  let answer = () => {};
  store.set = (value) =>
    new Promise<void>((resolve) => {
      answer = () => resolve(set(value));
    });
  const checkpoints = new Checkpoints(store, (problem) => problems.push(problem), 20);
  await checkpoints.save('seed=1', state);
  await checkpoints.save('seed=2', state); // not written, because the first write has not finished
  expect(problems).toHaveLength(1);
  answer();
  await new Promise((resolve) => setTimeout(resolve, 1));
  store.set = set;
  await checkpoints.save('seed=3', state);
  expect(store.value).toEqual({ ...checkpoint, address: 'seed=3' });
});

test.each([
  ['another version', { ...checkpoint, version: 2 }],
  ['no state', { version: 1, address: 'seed=1' }],
  ['text', 'checkpoint'],
  ['a number', 7],
  ['no position', { ...checkpoint, state: { weights: [] } }],
])('load: null and a notice for %s in the store', async (_, value) => {
  const problems: string[] = [];
  const checkpoints = new Checkpoints(holding(value), (problem) => problems.push(problem));
  expect(await checkpoints.load()).toBeNull();
  expect(await checkpoints.load()).toBeNull(); // a page asks for its address, then for the rest
  expect(problems).toEqual([expect.stringContaining('is not used')]);
});
