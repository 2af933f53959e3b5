import { expect, test } from 'vitest';
import { ArgumentError, type Device, ImageLoader, type TrainingState } from '../../src/node.ts';
import { createModel } from '../../web/src/network.ts';
import type { Settings } from '../../web/src/settings.ts';
import { Session } from '../../web/src/worker/session.ts';
import { describeOnDevice } from '../support/device.ts';
import { SMALL, samples } from './images.ts';

interface Watched {
  session: Session;
  /** The states of all checkpoints, in order. */
  states: TrainingState[];
  failures: unknown[];
  /** Resolves once `isReached`. */
  until(isReached: () => boolean): Promise<void>;
}

function watch(device: Device, settings: Settings, epochs?: number): Watched {
  const states: TrainingState[] = [];
  const failures: unknown[] = [];
  const waits: { isReached: () => boolean; resolve: () => void }[] = [];
  const events = {
    onChange() {
      for (const { isReached, resolve } of waits) if (isReached()) resolve();
    },
    async onCheckpoint(state: TrainingState) {
      states.push(structuredClone(state)); // copied, as by IndexedDB
    },
    onFailure: (error: unknown) => void failures.push(error),
  };
  const session = new Session(device, settings, samples, events, epochs);
  const until = (isReached: () => boolean) => new Promise<void>((resolve) => waits.push({ isReached, resolve }));
  return { session, states, failures, until };
}

const weightsOf = async ({ model }: Session) => (await model.getWeights()).map(({ data }) => data);
const takeSteps = async (session: Session, steps: number) => {
  for (let i = 0; i < steps; i++) await session.takeStep();
};

describeOnDevice('session', (device) => {
  test('step: takes one step, and reads its loss and accuracy', async () => {
    const { session, failures } = watch(device, SMALL);
    expect(session.step).toBe(0);
    await session.takeStep();
    expect(session.step).toBe(1);
    const [point, ...more] = session.curves.curves.train;
    expect(more).toEqual([]);
    expect(point!.step).toBe(1);
    expect(point!.loss[0]).toBeGreaterThan(0.5); // ln 10 = 2.3, the loss of equal probabilities
    expect(point!.loss[0]).toBeLessThan(10);
    await session.takeStep();
    expect(session.step).toBe(2);
    await session.dispose();
    expect(failures).toEqual([]);
  });

  test('play: trains until a pause, and is at the step that was read last', async () => {
    const { session, until } = watch(device, SMALL);
    session.play();
    await until(() => session.position.epoch > 2);
    await session.pause();
    const { step } = session;
    expect(step).toBeGreaterThanOrEqual(2 * session.stepsPerEpoch);
    expect(session.curves.curves.train.at(-1)!.step).toBe(step);
    expect(session.curves.curves.test.map((point) => point.step).slice(0, 2)).toEqual([5, 10]);
    const { dispatches } = device.counters;
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(session.step).toBe(step);
    expect(device.counters.dispatches).toBe(dispatches);
    session.play();
    await until(() => session.step > step);
    await session.dispose();
  });

  test('play: ends after the last epoch, and then does nothing', async () => {
    const { session, failures, until } = watch(device, SMALL, 2);
    const ended = until(() => session.step === 10 && !session.isPlaying); // reported once fit has ended
    session.play();
    await ended;
    session.play();
    await session.takeStep();
    await session.pause();
    expect([session.isPlaying, session.step, failures]).toEqual([false, 10, []]);
    await session.dispose();
  });

  test('an epoch of steps has the bits of fit', async () => {
    const { session } = watch(device, SMALL);
    await takeSteps(session, 6);
    const model = createModel(SMALL).build(device, { seed: SMALL.seed });
    using train = new ImageLoader(device, samples.train);
    using test = new ImageLoader(device, samples.test);
    const { batch: batchSize, seed } = SMALL;
    const history = await model.fit(train, { epochs: 1, batchSize, seed, validationData: test });
    expect(session.curves.curves.test).toEqual([
      { step: 5, loss: [history.epochs[0]!.valLoss], accuracy: [history.epochs[0]!.valAccuracy] },
    ]);
    await session.dispose();
    const five = watch(device, SMALL).session;
    await takeSteps(five, 5);
    expect(await weightsOf(five)).toEqual((await model.getWeights()).map(({ data }) => data));
    await five.dispose();
    model.dispose();
  });

  test('restore: continues with the same bits from any step', async () => {
    for (const done of [3, 5, 6]) {
      const first = watch(device, SMALL);
      await takeSteps(first.session, done);
      const second = watch(device, SMALL);
      await second.session.restore(first.states.at(-1)!);
      expect(second.session.step).toBe(done);
      expect(second.session.curves.curves).toEqual(first.session.curves.curves);
      expect(await weightsOf(second.session)).toEqual(await weightsOf(first.session));
      await takeSteps(first.session, 4);
      await takeSteps(second.session, 4);
      expect(second.session.step).toBe(done + 4);
      expect(await weightsOf(second.session)).toEqual(await weightsOf(first.session));
      expect(second.session.curves.curves).toEqual(first.session.curves.curves);
      await first.session.dispose();
      await second.session.dispose();
    }
  });

  test('restore: rejects with ArgumentError for a checkpoint of another network', async () => {
    const first = watch(device, SMALL);
    await first.session.takeStep();
    await first.session.dispose();
    for (const other of [{ layers: [9] }, { seed: 2 }, { batch: 10 }, { optimizer: 'sgd' as const }]) {
      const { session, failures } = watch(device, { ...SMALL, ...other });
      await expect(session.restore(first.states.at(-1)!)).rejects.toThrow(ArgumentError);
      expect(failures).toEqual([]);
      await session.dispose();
    }
  });

  test('replicas: each has metrics, and the first has the bits of a single network', async () => {
    const alone = watch(device, SMALL).session;
    const three = watch(device, { ...SMALL, replicas: 3 }).session;
    await takeSteps(alone, 6);
    await takeSteps(three, 6);
    const { train, test } = three.curves.curves;
    expect(train.at(-1)!.loss).toHaveLength(3);
    expect(new Set(train.at(-1)!.loss).size).toBe(3);
    expect(test.at(-1)!.accuracy).toHaveLength(3);
    expect(train.map(({ loss }) => loss[0])).toEqual(alone.curves.curves.train.map(({ loss }) => loss[0]));
    const [first] = await weightsOf(alone);
    expect((await weightsOf(three))[0]!.subarray(0, first!.length)).toEqual(first);
    await alone.dispose();
    await three.dispose();
  });

  test('compile: creates the kernels of a step, so that the first step creates none', async () => {
    const { session, failures } = watch(device, { ...SMALL, activation: 'sigmoid', optimizer: 'rmsprop' });
    const before = device.counters.pipelinesCreated;
    await session.compile();
    const { pipelinesCreated } = device.counters;
    expect(pipelinesCreated).toBeGreaterThan(before); // no other test trains such a network
    await session.takeStep();
    expect(device.counters.pipelinesCreated).toBe(pipelinesCreated);
    expect(failures).toEqual([]);
    await session.dispose();
  });

  test('dispose: releases all memory, if paused, training or not started', async () => {
    const tracking = device.track();
    const idle = watch(device, SMALL).session;
    await idle.dispose();
    const paused = watch(device, SMALL).session;
    await paused.takeStep();
    await paused.dispose();
    const training = watch(device, SMALL).session;
    training.play();
    await training.dispose();
    expect(tracking.lines()).toEqual([]);
  });
});
