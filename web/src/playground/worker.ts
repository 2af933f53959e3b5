import { expose } from 'comlink';
import { AdapterError, Device } from '../../../src/index.ts';
import type { Missing } from '../snapshot.ts';
import { Player, type Update } from './player.ts';
import type { Settings } from './settings.ts';

/** The adapter, or what of WebGPU is missing. */
export type Started = { adapter: string; missing?: undefined } | { missing: Missing; message: string };

/** What the page calls in the worker, through comlink. */
export class PlaygroundApi {
  private player: Player | null = null;
  /** The device that is open. */
  device: Device | null = null;

  /**
   * To be called first, once.
   * @param report called with each update, and awaited before the next frame
   * @returns the adapter's name, or where opening a device ended
   */
  async start(settings: Settings, report: (update: Update) => Promise<void>): Promise<Started> {
    try {
      this.player = await Player.start(() => this.open(), settings, report);
      return { adapter: this.device!.info.name };
    } catch (error) {
      if (!(error instanceof AdapterError)) throw error;
      return { missing: navigator.gpu ? 'adapter' : 'webgpu', message: error.message };
    }
  }

  private async open(): Promise<Device> {
    this.device = await Device.open(navigator.gpu);
    return this.device;
  }

  play(): void {
    this.player?.play();
  }

  async pause(): Promise<void> {
    await this.player?.pause();
  }

  async advance(by: number | 'epoch'): Promise<void> {
    await this.player?.advance(by);
  }

  async configure(settings: Settings): Promise<void> {
    await this.player?.configure(settings);
  }

  async restart(): Promise<void> {
    await this.player?.restart();
  }
}

const api = new PlaygroundApi();
// For the console of the worker, and for tests that lose the device.
Object.assign(globalThis, { playground: api });
expose(api);
