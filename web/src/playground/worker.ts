import { expose } from 'comlink';
import { AdapterError, Device } from '../../../src/index.ts';
import type { Missing } from '../snapshot.ts';
import { Player, type Update } from './player.ts';
import type { Settings } from './settings.ts';

/** The adapter, or the missing part of WebGPU. */
export type Started = { adapter: string; missing?: undefined } | { missing: Missing; message: string };

/** Methods of the worker that the page calls, through comlink. */
export class PlaygroundApi {
  private player: Player | null = null;
  /** The device that is open. */
  device: Device | null = null;

  /**
   * Must be called first, once.
   * @param report called with each update; awaited before the next frame
   * @returns the adapter's name, or why no device could be opened
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
// For the worker's console, and for tests that simulate the loss of the device.
Object.assign(globalThis, { playground: api });
expose(api);
