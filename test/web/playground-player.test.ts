import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { AdapterError, type Device, openDevice } from '../../src/node.ts';
import { Player, type Update } from '../../web/src/playground/player.ts';
import { DEFAULTS, type Settings } from '../../web/src/playground/settings.ts';
import { describeOnDevice } from '../support/device.ts';

const players: Player[] = [];
afterEach(async () => {
  for (const player of players.splice(0)) await player.dispose();
});

/** A player with what it reported, and the devices that it opened. */
async function start(changes: Partial<Settings> = {}, open: () => Promise<Device> = () => openDevice()) {
  const updates: Update[] = [];
  const devices: Device[] = [];
  const waiting: { condition(update: Update): boolean; resolve(update: Update): void }[] = [];
  const report = (update: Update) => {
    updates.push(update);
    for (const one of waiting.filter(({ condition }) => condition(update))) {
      waiting.splice(waiting.indexOf(one), 1);
      one.resolve(update);
    }
  };
  const settings = { ...DEFAULTS, data: 'circles', layers: [3], ...changes } as Settings;
  const openPlayer = async () => {
    const device = await open();
    devices.push(device);
    return device;
  };
  const player = await Player.start(openPlayer, settings, report);
  players.push(player);
  /** The next update for which `condition` holds. */
  const next = (condition: (update: Update) => boolean) =>
    new Promise<Update>((resolve) => waiting.push({ condition, resolve }));
  return { player, settings, updates, devices, next };
}
const surface = (update: Update | undefined) => [...update!.look!.surface];

describeOnDevice('playground player', () => {
  test('starts paused, with a snapshot of the first weights', async () => {
    const { updates } = await start();
    expect(updates).toHaveLength(1);
    expect(updates[0]).toMatchObject({ isPlaying: false, notice: '', look: { step: 0, epoch: 0 } });
  });

  test('plays: snapshots arrive while the surface changes; pause ends it, with the bits of the same number of single steps', async () => {
    const { player, updates, next } = await start();
    player.play();
    player.play(); // a second call starts no second loop
    await next(({ look }) => look!.step >= 8);
    await player.pause();
    const last = updates.at(-1)!;
    expect(last.isPlaying).toBe(false);
    const steps = updates.map(({ look }) => look!.step);
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
    expect(surface(last)).not.toEqual(surface(updates[0]));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(updates.at(-1)).toBe(last);

    const other = await start();
    for (let i = 0; i < last.look!.step; i++) await other.player.advance(1);
    expect(other.updates.at(-1)!.look).toEqual(last.look);
  });

  test('play, pause and play in quick succession run one loop', async () => {
    const { player } = await start();
    const frames: (() => void)[] = [];
    const { setTimeout: real } = globalThis;
    const timers = vi
      .spyOn(globalThis, 'setTimeout')
      .mockImplementation(((call: () => void, ms?: number) =>
        ms === undefined ? void frames.push(call) : real(call, ms)) as typeof setTimeout);
    onTestFinished(() => timers.mockRestore());
    for (let i = 0; i < 3; i++) {
      player.play();
      void player.pause();
    }
    player.play();
    await player.configure({ ...DEFAULTS, data: 'circles', layers: [2] }); // after all frames so far
    expect(frames).toHaveLength(1);
    await player.pause();
    for (const frame of frames) frame(); // a snapshot was pending, but is no longer needed
    player.play();
    await player.configure({ ...DEFAULTS, data: 'circles', layers: [3] });
    expect(frames).toHaveLength(2);
  });

  test('takes one step, and steps to the end of the epoch', async () => {
    const { player, updates } = await start({ batch: 30 }); // 200 points: 7 steps
    await player.advance(1);
    expect(updates.at(-1)!.look).toMatchObject({ step: 1, epoch: 1 / 7 });
    await player.advance('epoch');
    expect(updates.at(-1)!.look).toMatchObject({ step: 7, epoch: 1 });
    await player.advance('epoch');
    expect(updates.at(-1)!.look).toMatchObject({ step: 14, epoch: 2 });
  });

  test('a new rate continues, a new seed starts again, and restart restores the first weights', async () => {
    const { player, settings, updates } = await start();
    await player.advance(5);
    const before = updates.at(-1)!;
    await player.configure({ ...settings, rate: 0.5, penalty: 'l2' });
    expect(updates.at(-1)!.look!.step).toBe(5);
    expect(surface(updates.at(-1))).toEqual(surface(before));
    await player.configure({ ...settings, seed: 9 });
    expect(updates.at(-1)!.look!.step).toBe(0);
    expect(surface(updates.at(-1))).not.toEqual(surface(updates[0]));
    await player.configure(settings);
    await player.advance(2);
    await player.restart();
    expect(surface(updates.at(-1))).toEqual(surface(updates[0]));
  });

  test('configure: continues to play with the new settings', async () => {
    const { player, settings, next } = await start();
    player.play();
    await next(({ look }) => look!.step >= 2);
    await player.configure({ ...settings, layers: [2, 2] });
    const update = await next(({ look }) => look!.step >= 2);
    expect(update.isPlaying).toBe(true);
    expect(update.look!.units).toHaveLength(2);
  });

  test('without a training point it reports that and stays paused; with one it trains', async () => {
    const { player, settings, updates, next } = await start({ data: 'own' });
    player.play();
    const update = await next(({ notice }) => notice !== '');
    expect(update).toMatchObject({
      isPlaying: false,
      notice: 'There is no point to train on: place some, or choose a data set.',
    });
    await player.configure({ ...settings, points: [{ x: 1, y: 1, label: 1 }] });
    await player.advance(1);
    expect(updates.at(-1)!.look).toMatchObject({ step: 1, epoch: 1, test: null });
  });

  test('a loss that is NaN or infinite stops it, with a notice that says what to do', async () => {
    const { player, next } = await start({
      optimizer: 'sgd',
      activation: 'linear',
      rate: 10,
      penalty: 'l2',
      strength: 1,
    });
    player.play();
    const { isPlaying, notice } = await next(({ notice }) => notice !== '');
    expect(isPlaying).toBe(false);
    expect(notice).toMatch(
      /^The loss is no longer a number after \d+ steps, so training stopped: choose a lower rate and start over\.$/,
    );
  });

  test('a lost device is opened again, and training continues from the last checkpoint with the same bits', async () => {
    const { player, updates, devices, next } = await start();
    await player.advance(6);
    const before = updates.at(-1)!;
    const recovered = next(({ notice }) => notice !== '');
    devices[0]!.gpu.destroy();
    const { look, notice, isPlaying } = await recovered;
    expect(notice).toMatch(
      /^The graphics device was lost, so it was opened again; training continues from step 6\. The reason given: .+/,
    );
    expect(isPlaying).toBe(false);
    expect(devices).toHaveLength(2);
    expect(look).toEqual(before.look);
    await player.advance(3);
    const other = await start();
    await other.player.advance(9);
    expect(updates.at(-1)!.look).toEqual(other.updates.at(-1)!.look);
  });

  test('a device lost while it plays: it continues to play', async () => {
    const { player, devices, next } = await start();
    player.play();
    await next(({ look }) => look!.step >= 3);
    devices[0]!.gpu.destroy();
    const { notice, look } = await next(({ notice }) => notice !== '');
    expect(notice).toContain('so it was opened again');
    expect((await next(({ look: later }) => later!.step > look!.step + 2)).isPlaying).toBe(true);
  });

  test('a device that cannot be opened again is reported, and the next call tries again', async () => {
    let isThere = true;
    const { player, updates, devices, next } = await start({}, () =>
      isThere ? openDevice() : Promise.reject(new AdapterError('no adapter now')),
    );
    isThere = false;
    const failed = next(({ notice }) => notice !== '');
    devices[0]!.gpu.destroy();
    expect(await failed).toEqual({ look: null, isPlaying: false, notice: 'no adapter now' });
    isThere = true;
    await player.advance(2);
    expect(updates.at(-1)!.notice).toContain('so it was opened again');
    await player.advance(2);
    expect(updates.at(-1)!.look!.step).toBe(2);
  });
});
