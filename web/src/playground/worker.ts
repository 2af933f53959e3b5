import { expose } from 'comlink';
import { AdapterError, Device } from '../../../src/index.ts';
import { Player, type Update } from './player.ts';
import type { Settings } from './settings.ts';

/** What the page calls in the worker, through comlink. */
export class PlaygroundApi {
  private player: Player | null = null;
  /** The device that is open. */
  device: Device | null = null;

  /**
   * To be called first, once.
   * @param report called with each update, and awaited before the next frame
   * @returns the adapter's name, or why there is none
   */
  async start(
    settings: Settings,
    report: (update: Update) => Promise<void>,
  ): Promise<{ adapter: string; missing: string }> {
    try {
      this.player = await Player.start(() => this.open(), settings, report);
      return { adapter: this.device!.info.name, missing: '' };
    } catch (error) {
      if (navigator.gpu && !(error instanceof AdapterError)) throw error;
      return { adapter: '', missing: (error as Error).message };
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
